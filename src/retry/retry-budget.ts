import { systemClock, type Clock } from '../clock.ts';
import { ConfigurationError, unfit } from '../errors.ts';

/** The limits on the retries of a process. */
export interface RetryBudgetOptions {
  /** Retries allowed for each call of the window. Default 0.2: at most 20% more requests than calls. */
  readonly ratio?: number;
  /** Retries allowed in a window with few calls, so that a quiet service can retry at all. Default 10. */
  readonly floor?: number;
  /** Default 60,000: the window of the API's own limits. */
  readonly windowMs?: number;
  /** For tests. */
  readonly clock?: Clock;
}

/** The window consists of this many slots, and moves by one of them. */
const SLOTS = 60;

/**
 * Prevents retry storms: when an API refuses many requests, retries add to the load that it refuses. Allows a retry only
 * while the retries of the last window are fewer than `ratio` of its calls, or than `floor`. One budget may serve many
 * clients. Calls that began longer than a window ago no longer count.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #floor: number;
  readonly #slotMs: number;
  readonly #clock: Clock;
  readonly #calls = new Array<number>(SLOTS).fill(0);
  readonly #retries = new Array<number>(SLOTS).fill(0);
  /** The slot of the last count. */
  #newest = -Infinity;

  /** Throws a `ConfigurationError` (`PLIMSOLL_RETRY_INVALID`) with all problems of the options. */
  constructor(options: RetryBudgetOptions = {}) {
    const { ratio = 0.2, floor = 10, windowMs = 60_000, clock = systemClock } = options;
    const problems = [
      ...(ratio >= 0 && ratio < Infinity
        ? []
        : [unfit('ratio', ratio, { expected: 'a number from 0 up', advice: 'write 0.2 for 20%' })]),
      ...(Number.isInteger(floor) && floor >= 0
        ? []
        : [unfit('floor', floor, { expected: 'a whole number from 0 up' })]),
      ...(windowMs >= SLOTS && windowMs < Infinity
        ? []
        : [unfit('windowMs', windowMs, { expected: `${SLOTS} milliseconds or more` })]),
    ];
    if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_RETRY_INVALID', problems);
    this.#ratio = ratio;
    this.#floor = floor;
    this.#slotMs = windowMs / SLOTS;
    this.#clock = clock;
  }

  /** Counts a call that begins. */
  countCall(): void {
    this.#add(this.#calls);
  }

  /** Takes a retry from the budget. Returns `false`, and takes nothing, if none is left. */
  take(): boolean {
    this.#advance();
    const allowed = Math.max(this.#floor, this.#ratio * sum(this.#calls));
    if (sum(this.#retries) + 1 > allowed) return false;
    this.#add(this.#retries);
    return true;
  }

  /** Counts a retry that was made without `take`: it leaves less for others. */
  countRetry(): void {
    this.#add(this.#retries);
  }

  #add(counts: number[]): void {
    const slot = this.#advance();
    counts[slot] = (counts[slot] ?? 0) + 1;
  }

  /** Empties the slots that have passed since the last count. Returns the current one. */
  #advance(): number {
    const now = Math.floor(this.#clock.monotonicMs() / this.#slotMs);
    const passed = Math.min(SLOTS, now - this.#newest);
    for (let i = 0; i < passed; i++) {
      this.#calls[index(now - i)] = 0;
      this.#retries[index(now - i)] = 0;
    }
    this.#newest = now;
    return index(now);
  }
}

function index(slot: number): number {
  return ((slot % SLOTS) + SLOTS) % SLOTS;
}

function sum(counts: readonly number[]): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

let shared: RetryBudget | undefined;

/** The budget of all policies in the process that have none of their own. */
export function processRetryBudget(): RetryBudget {
  shared ??= new RetryBudget();
  return shared;
}
