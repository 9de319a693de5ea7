import type { LiveCall } from './live-call.ts';

/**
 * The SDK's own rules (1.x, `shouldRetry` in its client), by which plimsoll knows whether a call goes on. They are
 * mirrored and not asked for, because a middleware does not see what the SDK decides; a contract test holds the two
 * together.
 */

/** The parts of a response that decide on another try. */
export interface RetryableResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The client gets its token from a provider, and may refresh it after a 401. */
  readonly refreshable: boolean;
}

/** Tells whether the SDK sends the request again after a response. A refreshable 401 is a "perhaps": once, if the token was its own. */
export function retriesResponse(response: RetryableResponse, triesLeft: number): boolean {
  if (triesLeft <= 0) return false;
  const { status } = response;
  if (status === 401 && response.refreshable) return true;
  const shouldRetry = response.headers.get('x-should-retry');
  if (shouldRetry === 'true') return true;
  if (shouldRetry === 'false') return false;
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** Tells whether the SDK takes a failure of a request for a timeout. */
export function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === 'AbortError' || /timed? ?out/i.test(`${String(error)}${'cause' in error ? String(error.cause) : ''}`)
  );
}

/**
 * Tells whether the SDK sends the request again after a failure. It retries what `fetch` throws; an error of another
 * middleware's only where the error, or a cause of it, is one of a connection.
 */
export function retriesFailure(error: unknown, otherMiddleware: boolean): boolean {
  if (!otherMiddleware || isTimeout(error)) return true;
  const seen = new Set<unknown>();
  for (let cause = error; cause instanceof Error && !seen.has(cause); cause = cause.cause) {
    seen.add(cause);
    if (CONNECTION_ERRORS.has(cause.name) || CONNECTION_ERRORS.has(cause.constructor.name)) return true;
  }
  return false;
}

/** Errors of `fetch`, and the SDK's own. */
const CONNECTION_ERRORS: ReadonlySet<string> = new Set([
  'AbortError',
  'TypeError',
  'APIConnectionError',
  'APIConnectionTimeoutError',
  'RetryableError',
]);

/** A body that can be read only once is never sent again. */
export function isStreamBody(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false;
  return body instanceof ReadableStream || Symbol.asyncIterator in body || (Symbol.iterator in body && 'next' in body);
}

/**
 * The calls that are between two attempts: the SDK sleeps and will send the same options object again. Nothing here
 * holds the options, so a call whose next attempt never comes ends when they are collected.
 */
export class RetryWaits {
  readonly #waiting = new WeakMap<object, WaitingCall[]>();
  readonly #dropped = new FinalizationRegistry<WaitingCall>((wait) => wait.end(null));

  /** `call` waits for its next attempt; an abort of `signal` ends it, as it ends the SDK's sleep. */
  add(options: object, call: LiveCall, signal: AbortSignal | null | undefined): void {
    if (signal?.aborted === true) return call.end('cancelled');
    const wait = new WaitingCall(call, signal ?? null);
    const waits = this.#waiting.get(options);
    if (waits === undefined) this.#waiting.set(options, [wait]);
    else waits.push(wait);
    this.#dropped.register(options, wait);
  }

  /**
   * The call whose next attempt this is, or `undefined`: then it is a new call. The same options object can be sent by
   * several calls at once, told apart by how many attempts each has made. `retryCount` is the request's
   * `x-stainless-retry-count`, `null` where the user took that header away.
   */
  resume(options: object, retryCount: number | null): LiveCall | undefined {
    if (retryCount === 0) return undefined;
    const waits = this.#waiting.get(options);
    const at =
      waits?.findIndex((wait) => wait.open && (retryCount === null || wait.call.attempts === retryCount)) ?? -1;
    if (waits === undefined || at === -1) return undefined;
    const [wait] = waits.splice(at, 1);
    wait?.stop();
    return wait?.call;
  }
}

class WaitingCall {
  readonly call: LiveCall;
  readonly #signal: AbortSignal | null;
  readonly #aborted = (): void => this.end('cancelled');
  #open = true;

  constructor(call: LiveCall, signal: AbortSignal | null) {
    this.call = call;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#aborted, { once: true });
  }

  get open(): boolean {
    return this.#open;
  }

  stop(): void {
    this.#open = false;
    this.#signal?.removeEventListener('abort', this.#aborted);
  }

  end(outcome: 'cancelled' | null): void {
    if (!this.#open) return;
    this.stop();
    this.call.end(outcome);
  }
}
