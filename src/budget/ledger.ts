/** An answer that is there at once, or comes later. */
export type Eventually<T> = T | Promise<T>;

/** Settled spend of one stretch of time, in nano-dollars. */
export interface Spend {
  /** The start of its bucket. */
  readonly startMs: number;
  readonly nanoUsd: bigint;
}

/** Which spend makes up a balance: all of the period `periodMs`, or that of the buckets from `fromMs` on. */
export type Window =
  | { readonly kind: 'calendar' }
  | { readonly kind: 'rolling'; readonly fromMs: number; readonly untilMs: number; readonly bucketMs: number };

/** One budget in one period, as a ledger keeps it. */
export interface Place {
  readonly account: string;
  /** The start of the period; 0 for a rolling window, which has only one. */
  readonly periodMs: number;
  readonly window: Window;
}

/**
 * What one writer (one process) has to say to a ledger about one budget, and what it asks: the ledger takes all of it
 * or nothing, in one step that no other writer sees half of.
 */
export interface Posting extends Place {
  /** Unique to the process and its lifetime. */
  readonly writer: string;
  /** Rises with each of the writer's postings that has `spends`. One that comes again counts once. */
  readonly sequence: number;
  /** Settled since the sequence before. */
  readonly spends: readonly Spend[];
  /**
   * All that the writer holds for calls that are under way, `asks` not included: replaces what it said before. Together
   * with the asks never below 0.
   */
  readonly heldNanoUsd: bigint;
  /** To be held too, each where it still fits under the limit, in this order. */
  readonly asks: readonly bigint[];
  /** `null`: every ask is granted. */
  readonly limitNanoUsd: bigint | null;
  /** Spend at which a threshold is reached, ascending. */
  readonly thresholdsNanoUsd: readonly bigint[];
  readonly nowMs: number;
  /** What another writer holds is forgotten when it has said nothing for so long. */
  readonly holdMs: number;
  /** Buckets before this may be dropped. */
  readonly keepFromMs: number;
}

/** What is in a place, in nano-dollars, whoever wrote it. */
export interface Balance {
  readonly spentNanoUsd: bigint;
  readonly reservedNanoUsd: bigint;
}

/** What became of a posting. */
export interface Posted extends Balance {
  /** One for each ask. */
  readonly granted: readonly boolean[];
  /** How many thresholds had been reached before, whichever writer reached them, and now: each is passed once a period. */
  readonly levelBefore: number;
  readonly level: number;
}

export type LedgerKind = 'memory' | 'sqlite' | 'redis';

/**
 * Where spend is kept. Amounts are whole nano-dollars up to 2^63 - 1. A method throws or rejects with a
 * `LedgerUnavailableError` where the ledger does not answer; then it may or may not have taken what it was told.
 */
export interface Ledger {
  readonly kind: LedgerKind;
  /** Names this ledger, so that replicas that share it are not counted twice; `null` until it is known. */
  readonly id: () => string | null;
  post(posting: Posting): Eventually<Posted>;
  /** `nowMs` and `holdMs`: as of a posting. */
  balance(place: Place, at: { readonly nowMs: number; readonly holdMs: number }): Eventually<Balance>;
  /** The buckets of an account from `fromMs` on that have spend, ascending. */
  history(account: string, fromMs: number): Eventually<readonly Spend[]>;
  /** Gives back what the ledger opened; afterwards it is unavailable. */
  close(): Eventually<void>;
}

/** A ledger did not answer, or not in time. */
export class LedgerUnavailableError extends Error {
  readonly code = 'PLIMSOLL_LEDGER_UNAVAILABLE';

  constructor(reason: string, cause?: unknown) {
    super(`The ledger is unavailable: ${reason}.`, { cause });
    this.name = 'LedgerUnavailableError';
  }
}

/** Which asks fit, and what they come to. */
export interface Grants {
  readonly granted: readonly boolean[];
  readonly grantedNanoUsd: bigint;
}

/** Grants each ask that still fits under the limit, in their order: one that does not fit leaves room for the next. */
export function grants({ asks, limitNanoUsd }: Posting, { spentNanoUsd, reservedNanoUsd }: Balance): Grants {
  let grantedNanoUsd = 0n;
  const granted = asks.map((ask) => {
    const fits = limitNanoUsd === null || spentNanoUsd + reservedNanoUsd + grantedNanoUsd + ask <= limitNanoUsd;
    if (fits) grantedNanoUsd += ask;
    return fits;
  });
  return { granted, grantedNanoUsd };
}

/** How many thresholds that much spend has reached. */
export function levelOf(thresholdsNanoUsd: readonly bigint[], spentNanoUsd: bigint): number {
  return thresholdsNanoUsd.filter((threshold) => spentNanoUsd >= threshold).length;
}
