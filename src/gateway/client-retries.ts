import type { Timers } from '../budget/timers.ts';
import type { LiveCall } from '../observe/live-call.ts';

/** Calls that wait at a time; beyond it a call ends with its refusal at once. */
const MOST_WAITING = 10_000;

interface Waiting {
  readonly call: LiveCall;
  readonly cancel: () => void;
}

/**
 * The calls whose clients were refused and will send the same request again. Nothing but its likeness joins an attempt to
 * the one before: what is asked for, with what token, and how many attempts it says there were.
 */
export class ClientRetries {
  readonly #timers: Timers;
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** The call whose attempt number `retryCount` (0: the first) this is; `undefined`: it is a new call. */
  resume(likeness: string, retryCount: number): LiveCall | undefined {
    const waits = this.#waiting.get(likeness);
    const at = retryCount > 0 ? (waits?.findIndex(({ call }) => call.attempts === retryCount) ?? -1) : -1;
    const found = waits?.[at];
    if (found !== undefined) this.#remove(likeness, found);
    return found?.call;
  }

  /** The call waits so long for its next attempt, and then ends with its last. */
  wait(likeness: string, call: LiveCall, waitMs: number): void {
    if (this.#count >= MOST_WAITING) return call.endWithLastAttempt();
    const cancel = this.#timers.inBackground(waitMs, () => {
      this.#remove(likeness, waiting);
      call.endWithLastAttempt();
    });
    const waiting: Waiting = { call, cancel };
    const waits = this.#waiting.get(likeness);
    if (waits === undefined) this.#waiting.set(likeness, [waiting]);
    else waits.push(waiting);
    this.#count++;
  }

  /** Ends all that wait: nobody will come any more. */
  end(): void {
    for (const waits of this.#waiting.values()) {
      for (const { call, cancel } of waits) {
        cancel();
        call.endWithLastAttempt();
      }
    }
    this.#waiting.clear();
    this.#count = 0;
  }

  #remove(likeness: string, waiting: Waiting): void {
    waiting.cancel();
    const rest = (this.#waiting.get(likeness) ?? []).filter((other) => other !== waiting);
    if (rest.length === 0) this.#waiting.delete(likeness);
    else this.#waiting.set(likeness, rest);
    this.#count--;
  }
}
