import type { Cancel, Timers } from '../clock.ts';
import type { LiveCall } from './live-call.ts';

/** The longest wait that the SDKs choose on their own. */
const LONGEST_BACKOFF_MS = 8_000;

/** Nobody waits here for a retry that is due later. */
const LONGEST_WAIT_MS = 10 * 60_000;

/** Allows for the network, and for a busy client. */
const LATE_MS = 10_000;

/** The most calls that wait at the same time. Beyond it, a call ends with its refusal at once. */
const MOST_WAITING = 10_000;

/** Marks the requests of one call: equal text, or the same object. */
export type RetryKey = string | object;

/** What a client waits for before it sends again. */
interface Wait {
  /** The wait that the API asked for; `null` where it asked for none. */
  readonly askedMs: number | null;
  /** An abort of it ends the wait as `cancelled`. One that was aborted before is not listened to. */
  readonly signal?: AbortSignal | null | undefined;
  /** How often the client will have sent before then. Default: the attempts of the call. */
  readonly sent?: number;
}

interface Waiting {
  readonly call: LiveCall;
  readonly sent: number;
  readonly stop: () => void;
}

/**
 * Calls whose clients were refused and will send the same request again. Only its key joins an attempt to the previous
 * one, and the number of attempts that it states. A key that is an object is not kept alive: when it is collected, no
 * attempt can come, and its calls end.
 */
export class ClientRetries {
  readonly #timers: Timers;
  readonly #ofTexts = new Map<string, Waiting[]>();
  readonly #ofObjects = new WeakMap<object, Waiting[]>();
  readonly #all = new Set<Waiting>();
  readonly #collected = new FinalizationRegistry<Waiting>((waiting) => this.#end(waiting));

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** No call waits: there is no need to compute a key. */
  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /**
   * Finds the waiting call of attempt number `retryCount` (0 for the first, `null` for any); `undefined` if the attempt
   * begins a new call.
   */
  resume(key: RetryKey, retryCount: number | null): LiveCall | undefined {
    const waits = this.#waits(key);
    const isNext = ({ sent }: Waiting): boolean => retryCount === null || sent === retryCount;
    const found = retryCount === 0 ? undefined : waits?.find((waiting) => this.#all.has(waiting) && isNext(waiting));
    found?.stop();
    return found?.call;
  }

  /**
   * Lets the call wait for its next attempt. Without one, it ends with its last attempt: when the wait is over, or when the
   * returned function is called.
   */
  wait(key: RetryKey, call: LiveCall, { askedMs, signal, sent = call.attempts }: Wait): () => void {
    if (this.#all.size >= MOST_WAITING) {
      call.endWithLastAttempt();
      return () => undefined;
    }
    const waitMs = Math.min(askedMs ?? LONGEST_BACKOFF_MS, LONGEST_WAIT_MS) + LATE_MS;
    // No closure may name the key: the timer would keep it alive.
    const text = typeof key === 'string' ? key : null;
    const cancels: Cancel[] = [this.#timers.inBackground(waitMs, () => this.#end(waiting))];
    const waiting: Waiting = {
      call,
      sent,
      stop: () => {
        this.#all.delete(waiting);
        for (const cancel of cancels) cancel();
        if (text !== null) this.#forget(text, waiting);
      },
    };
    if (signal?.aborted === false) {
      const aborted = (): void => this.#end(waiting, 'cancelled');
      signal.addEventListener('abort', aborted, { once: true });
      cancels.push(() => signal.removeEventListener('abort', aborted));
    }
    this.#keep(key, waiting);
    return () => this.#end(waiting);
  }

  /** Ends all waiting calls, because no more attempts will come. */
  end(): void {
    for (const waiting of this.#all) this.#end(waiting);
  }

  #waits(key: RetryKey): Waiting[] | undefined {
    return typeof key === 'string' ? this.#ofTexts.get(key) : this.#ofObjects.get(key);
  }

  #keep(key: RetryKey, waiting: Waiting): void {
    this.#all.add(waiting);
    const others = (this.#waits(key) ?? []).filter((other) => this.#all.has(other));
    if (typeof key === 'string') return void this.#ofTexts.set(key, [...others, waiting]);
    this.#ofObjects.set(key, [...others, waiting]);
    this.#collected.register(key, waiting);
  }

  #forget(key: string, waiting: Waiting): void {
    const rest = (this.#ofTexts.get(key) ?? []).filter((other) => other !== waiting);
    if (rest.length === 0) this.#ofTexts.delete(key);
    else this.#ofTexts.set(key, rest);
  }

  #end(waiting: Waiting, outcome: 'cancelled' | null = null): void {
    if (!this.#all.has(waiting)) return;
    waiting.stop();
    if (outcome === null) waiting.call.endWithLastAttempt();
    else waiting.call.end(outcome);
  }
}
