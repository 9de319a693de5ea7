import type { LiveCall } from './live-call.ts';

/**
 * The SDK's own rules (1.x, `shouldRetry` in its client), by which plimsoll knows whether a call goes on. They are
 * mirrored and not asked for, because a middleware does not see what the SDK decides; a contract test holds the two
 * together.
 */

/** The parts of a response that decide on another try. */
interface RetryableResponse {
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
function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === 'AbortError' || /timed? ?out/i.test(`${String(error)}${'cause' in error ? String(error.cause) : ''}`)
  );
}

/** The failure as it is counted. */
export function failureOf(error: unknown): 'timeout' | 'connection_error' {
  return isTimeout(error) ? 'timeout' : 'connection_error';
}

/** What the SDK goes by when a request has failed. */
interface FailureContext {
  /** There is middleware, of the program's or of a cloud's client. */
  readonly hasMiddleware: boolean;
  /** The errors that `fetch` has thrown. */
  readonly ofFetch: Pick<WeakSet<object>, 'has'>;
  readonly client: object;
}

/**
 * Tells whether the SDK sends the request again after a failure. Without middleware it retries every one; with, only
 * where the error, or a cause of it, is one of `fetch` or of a connection.
 */
export function retriesFailure(error: unknown, { hasMiddleware, ofFetch, client }: FailureContext): boolean {
  if (!hasMiddleware || isTimeout(error)) return true;
  const seen = new Set<unknown>();
  for (let cause = error; typeof cause === 'object' && cause !== null && !seen.has(cause); cause = causeOf(cause)) {
    seen.add(cause);
    if (ofFetch.has(cause) || isConnectionError(cause, client)) return true;
  }
  return false;
}

function causeOf(error: object): unknown {
  return 'cause' in error ? error.cause : undefined;
}

/** The SDK tells its own classes by identity: an error of another copy of it is any error to it. */
function isConnectionError(error: object, client: object): boolean {
  if ('name' in error && error.name === 'AbortError') return true;
  const { APIConnectionError, AnthropicError } = client.constructor as {
    readonly [Name in 'APIConnectionError' | 'AnthropicError']?: unknown;
  };
  if (isInstance(error, APIConnectionError)) return true;
  // The client does not have this one, only the class that it extends.
  return isInstance(error, AnthropicError) && classNames(error).includes('RetryableError');
}

function isInstance(error: object, made: unknown): boolean {
  return typeof made === 'function' && error instanceof made;
}

function classNames(error: object): readonly string[] {
  const names: string[] = [];
  for (let made: unknown = error.constructor; typeof made === 'function'; made = Object.getPrototypeOf(made)) {
    names.push(made.name);
  }
  return names;
}

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

  /** The call waits to be sent again; an abort of `signal` ends it, as it ends the SDK's sleep. */
  add(options: object, { call, retryCount }: Waiting, signal: AbortSignal | null | undefined): void {
    if (signal?.aborted === true) return call.end('cancelled');
    const wait = new WaitingCall({ call, retryCount }, signal ?? null);
    const waits = this.#waiting.get(options);
    if (waits === undefined) this.#waiting.set(options, [wait]);
    else waits.push(wait);
    this.#dropped.register(options, wait);
  }

  /** Tells whether a call may wait to be sent again with these options. */
  has(options: object): boolean {
    return this.#waiting.has(options);
  }

  /**
   * The call that is sent again, or `undefined`: then it is a new call. The same options object can be sent by several
   * calls at once, told apart by how often each was sent before. `retryCount` is the request's
   * `x-stainless-retry-count`, `null` where the user took that header away.
   */
  resume(options: object, retryCount: number | null): Waiting | undefined {
    if (retryCount === 0) return undefined;
    const waits = this.#waiting.get(options);
    const at = waits?.findIndex((wait) => wait.open && (retryCount === null || wait.retryCount === retryCount)) ?? -1;
    if (waits === undefined || at === -1) return undefined;
    const [wait] = waits.splice(at, 1);
    wait?.stop();
    return wait;
  }
}

/** A call that the SDK will send again. */
interface Waiting {
  readonly call: LiveCall;
  /** How often it will have been sent before then. */
  readonly retryCount: number;
}

class WaitingCall implements Waiting {
  readonly call: LiveCall;
  readonly retryCount: number;
  readonly #signal: AbortSignal | null;
  readonly #aborted = (): void => this.end('cancelled');
  #open = true;

  constructor({ call, retryCount }: Waiting, signal: AbortSignal | null) {
    this.call = call;
    this.retryCount = retryCount;
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
