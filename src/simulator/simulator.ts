import { answerTo } from './arrival.ts';
import { checkFaults, type SimulatorOptions } from './options.ts';
import type { Fault } from './scenario.ts';
import type { Truth } from './truth.ts';
import { world } from './world.ts';

/** A Claude API that answers in the same process. */
export interface Simulator {
  /** For whoever takes a `fetch`, the SDK among them. */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  /** For whoever has a `Request`, a server among them. */
  readonly handle: (request: Request) => Promise<Response>;
  /** What really happened. */
  readonly truth: Truth;
  /** Scripted faults that no request has met yet. */
  readonly scripted: number;
  /**
   * What goes wrong with the next requests, one each, in order of arrival; added to what is still to come.
   * Throws `SimulatorOptionsError` for a name that no fault has.
   */
  script(faults: readonly Fault[]): void;
}

/**
 * A fake Claude API: no port, no key, no network. It rejects as `fetch` does where a connection breaks or the request is
 * aborted, and answers all else. Throws `SimulatorOptionsError` where the options are not valid.
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
  const shared = world(options);
  const script: Fault[] = [];
  let arrivals = 0;

  function received(request: Request, signal: AbortSignal): Promise<Response> {
    arrivals += 1;
    return answerTo(shared, { request, signal, number: arrivals, scripted: script.shift() });
  }

  return {
    async fetch(input, init) {
      const request = new Request(input, init);
      // The SDK asks a `fetch` for an empty one to see what kind of `Response` it has: nothing that the API would see.
      if (request.url.startsWith('data:')) return fetch(request);
      // The caller's own signal: a `Request` only follows it for as long as it lives.
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
  };
}
