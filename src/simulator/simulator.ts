import type { OtherUse } from './admin/books.ts';
import { respond } from './respond.ts';
import { checkFaults, type SimulatorOptions } from './options.ts';
import type { Fault } from './scenario.ts';
import type { Truth } from './truth.ts';
import { createState } from './state.ts';

/** A fake Claude API in the same process. */
export interface Simulator {
  /** Use as the `fetch` of a client, such as the SDK's. */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  /** Use with a `Request`, for example in a server. */
  readonly handle: (request: Request) => Promise<Response>;
  /** The record of what really happened. */
  readonly truth: Truth;
  /** Scripted faults that have not happened yet. */
  readonly scripted: number;
  /**
   * Adds faults to the script. Each request takes the next one, in order of arrival. Throws a `SimulatorOptionsError` for an
   * unknown fault.
   */
  script(faults: readonly Fault[]): void;
  /** Enters use into the organization's books that no request to the simulator made, such as that of the Console. */
  enterUse(use: OtherUse): void;
}

/**
 * Makes a fake Claude API: no port, no key, no network. It rejects as `fetch` does if a connection breaks or the request is
 * aborted, and answers everything else. Throws a `SimulatorOptionsError` if the options are not valid.
 *
 * @example
 * ```ts
 * const claude = simulator();
 * const client = new Anthropic({ apiKey: 'test', fetch: claude.fetch });
 * claude.script([{ fault: 'overloaded', headers: { 'retry-after-ms': '1' } }]);
 * await client.messages.create({ model: 'claude-haiku-5-5', max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] });
 * claude.truth.requests.map((request) => request.status); // [529, 200]
 * ```
 */
export function simulator(options: SimulatorOptions = {}): Simulator {
  const shared = createState(options);
  const script: Fault[] = [];
  let count = 0;

  function received(request: Request, signal: AbortSignal): Promise<Response> {
    count += 1;
    return respond(shared, { request, signal, number: count, scripted: script.shift() });
  }

  return {
    async fetch(input, init) {
      const request = new Request(input, init);
      // The SDK fetches an empty data: URL to see what kind of `Response` it gets. The API would not see that.
      if (request.url.startsWith('data:')) return fetch(request);
      // The caller's own signal: a `Request` only follows it until it is garbage-collected.
      const signal = init?.signal ?? (input instanceof Request ? input.signal : request.signal);
      signal.throwIfAborted();
      return received(request, signal);
    },
    async handle(request) {
      request.signal.throwIfAborted();
      return received(request, request.signal);
    },
    truth: shared.ledger,
    get scripted() {
      return script.length;
    },
    script(faults) {
      checkFaults(faults);
      script.push(...faults);
    },
    enterUse: (use) => shared.books.enterOther(use),
  };
}
