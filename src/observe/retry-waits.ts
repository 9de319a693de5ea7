import type { LiveCall } from './live-call.ts';

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
