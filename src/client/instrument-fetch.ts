import { systemTimers } from '../clock.ts';
import { isDisabled, warnOfDisabled } from '../environment/disabled.ts';
import { ConfigurationError, got, unfit } from '../errors.ts';
import { FetchObserver, type FetchFunction } from '../observe/fetch-call.ts';
import { nodeProblem } from '../version.ts';
import { ATTACHED, type Attachment } from './instrument.ts';
import { observation } from './observation.ts';
import { checkedOptions, optionsObject, unknownOptions, type InstrumentOptions } from './options.ts';

/** Options of `instrumentFetch()`: those of `instrument()` but `retry`, because a `fetch` sends each request once. */
export type InstrumentFetchOptions = Omit<InstrumentOptions, 'retry'>;

/**
 * Makes a `fetch` of the same type that measures what is exchanged with the Claude API, as `instrument()` does for a
 * client. For whoever calls the API without the SDK: the AI SDK, an older SDK, your own code. A request is one to the
 * API if its address is `https://api.anthropic.com/v1/…` or begins with `ANTHROPIC_BASE_URL`, or if it has the header
 * `anthropic-version`. Any other goes straight to the `fetch` that was given, which is not changed.
 *
 * What is returned, thrown and sent stays as it is, but for `max_tokens` that a route allows. A refusal of a guard or a
 * budget is thrown; the `fetch` is not called then. Requests of an instrumented client are not counted again. A `fetch` that
 * is instrumented twice counts once, with the last options; `uninstrument` ends it. With `PLIMSOLL_DISABLED=1` in the
 * environment it returns the `fetch` that was given and warns.
 *
 * Throws a `ConfigurationError` as `instrument` does, and for what is not a function (`PLIMSOLL_NOT_A_FETCH`).
 *
 * @example
 * const anthropic = createAnthropic({ fetch: instrumentFetch(fetch, { key: 'prod-checkout-api' }) });
 */
export function instrumentFetch<Fetch extends FetchFunction>(fetch: Fetch, given: InstrumentFetchOptions = {}): Fetch {
  const tooOld = nodeProblem();
  if (tooOld !== null) throw new ConfigurationError('PLIMSOLL_NODE_TOO_OLD', [tooOld]);
  checkFetch(fetch);
  const options = fetchOptions(given);
  const { [ATTACHED]: attached } = fetch as { readonly [ATTACHED]?: FetchAttachment<Fetch> };
  const plain = attached?.fetch ?? fetch;
  if (isDisabled(process.env)) {
    warnOfDisabled((options.budgets?.all ?? []).map(({ budget }) => budget));
    return plain;
  }
  const { key = 'default' } = options;
  const bases = basesOf(process.env['ANTHROPIC_BASE_URL']);
  const observer = new FetchObserver(observation(options, { keys: [key] }), { bases, timers: systemTimers });
  const attachment: FetchAttachment<Fetch> = { fetch: plain, detach: () => observer.end() };
  return new Proxy(plain, {
    apply: (target, self, given) => observer.send({ fetch: target, self, given }),
    get: (target, name) => (name === ATTACHED ? attachment : Reflect.get(target, name)),
  });
}

/** What `uninstrument` finds on an instrumented `fetch`, and what was instrumented. */
interface FetchAttachment<Fetch> extends Attachment {
  readonly fetch?: Fetch;
}

const API = 'https://api.anthropic.com/';

/** The addresses of the API. Some clients have the version in their base URL: the rest of a path begins behind either. */
function basesOf(configured: string | undefined): readonly string[] {
  const own = configured?.trim().replace(/\/+$/, '') ?? '';
  return own === '' ? [API] : [API, `${own.replace(/\/v1$/, '')}/`];
}

function fetchOptions(given: InstrumentOptions): InstrumentOptions {
  const { retry, ...rest } = optionsObject(given);
  const expected = 'nothing, since a fetch sends each request once';
  const advice = 'use instrument(client), or set retries where the requests are made';
  const refused = retry === undefined ? [] : [unfit('retry', retry, { expected, advice })];
  return checkedOptions(rest, [...unknownOptions(rest), ...refused]);
}

function checkFetch(fetch: unknown): void {
  if (typeof fetch === 'function') return;
  const isClient = typeof fetch === 'object' && fetch !== null && 'messages' in fetch;
  const expected = 'a `fetch` function';
  throw new ConfigurationError('PLIMSOLL_NOT_A_FETCH', [
    isClient
      ? { kind: 'invalid', field: 'fetch', expected, got: 'a client', advice: 'use instrument(client)' }
      : { kind: 'invalid', field: 'fetch', expected, got: got(fetch), advice: 'pass globalThis.fetch' },
  ]);
}
