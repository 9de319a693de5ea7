import { usdOf } from '../figures.ts';

/** A value, or a promise of one. */
export type Eventually<T> = T | Promise<T>;

/** Where a ledger keeps its entries, as metrics name it. */
export type LedgerKind = 'memory' | 'sqlite' | 'redis';

/**
 * Stores the accounts of budgets: spend, and reservations for calls in progress. Amounts are whole nano-dollars up to
 * 2^63 - 1. A method throws or rejects with a `LedgerUnavailableError` if the ledger does not respond; it may or may
 * not have stored the posting.
 */
export interface Ledger {
  readonly kind: LedgerKind;
  /** Identifies the ledger, so that replicas that share it are not counted twice; `null` until it is known. */
  id: () => string | null;
  /**
   * Asks for the time of the ledger, in milliseconds since the Unix epoch, which then holds for all its writers; `null`
   * where they share a clock already, in one process or on one machine.
   */
  readonly timeMs: (() => Promise<number>) | null;
  /** Books a hold or a settlement in one step, and returns the balances after it. Rejects where the ledger cannot be reached. */
  post(posting: Posting): Eventually<Posted>;
  /**
   * Books postings to several accounts in one step, all or none, and returns the balances after each. Absent where that would
   * save nothing.
   */
  readonly postAll?: (postings: readonly Posting[]) => Eventually<readonly Posted[]>;
  /** `nowMs`: as in a posting. */
  balance(period: AccountPeriod, nowMs: number): Eventually<Reading>;
  /** The buckets of an account from `fromMs` on that have spend, ascending. */
  history(account: string, fromMs: number): Eventually<readonly Spend[]>;
  /** Closes what the ledger opened; it is unavailable from then on. */
  close(): Eventually<void>;
}

/** One period of a budget's account. */
export interface AccountPeriod {
  readonly account: string;
  /** The start of the period; 0 for a rolling window, which has only one. */
  readonly periodMs: number;
  readonly window: Window;
}

/** The spend that makes up a balance: all of the period, or that of the buckets from `fromMs` to before `untilMs`. */
export type Window =
  | { readonly kind: 'calendar' }
  | { readonly kind: 'rolling'; readonly fromMs: number; readonly untilMs: number; readonly bucketMs: number };

/** Spend and reservations of an account, of all writers together, in nano-dollars. */
export interface Balance {
  readonly spentNanoUsd: bigint;
  readonly reservedNanoUsd: bigint;
}

/** The time of the ledger when it answered, where that is not the caller's. */
interface Timed {
  readonly ledgerMs?: number;
}

/** A balance as it was read. */
export interface Reading extends Balance, Timed {}

/** Settled spend of one bucket, in nano-dollars. */
export interface Spend {
  /** The start of the bucket. */
  readonly startMs: number;
  readonly nanoUsd: bigint;
}

/**
 * An entry by one writer (a process) in one account: its spend, its reservations, and its requests for more. The ledger
 * stores all of it or nothing, in one atomic step.
 */
export interface Posting extends AccountPeriod {
  /** Unique to the process and its lifetime. */
  readonly writer: string;
  /** Rises with each of the writer's postings that has `spends`. A repeated posting counts once. */
  readonly sequence: number;
  /** Spend settled since the previous sequence number. */
  readonly spends: readonly Spend[];
  /**
   * The most spend of the period that the writer has seen; 0 for a rolling window, which forgets. A ledger that has less has
   * lost some, and takes it back before it adds anything.
   */
  readonly leastSpentNanoUsd: bigint;
  /**
   * The writer's reservations for calls in progress, without `requests`. Replaces its previous reservations. Never
   * below 0 when the requests are added.
   */
  readonly heldNanoUsd: bigint;
  /** The amounts to reserve, in this order; each is granted if it still fits under the limit. */
  readonly requests: readonly bigint[];
  /** `null` grants every request. */
  readonly limitNanoUsd: bigint | null;
  /** Spend at which a threshold is reached, ascending. */
  readonly thresholdsNanoUsd: readonly bigint[];
  /** The caller's time. A ledger with a time of its own goes by that. */
  readonly nowMs: number;
  /** The ledger forgets what the writer holds when it has posted nothing for this long. */
  readonly holdMs: number;
  /** The ledger may drop buckets before this. */
  readonly keepFromMs: number;
}

/** The balance after a posting, and what the posting brought about. */
export interface Posted extends Balance, Timed {
  /** One for each request. */
  readonly granted: readonly boolean[];
  /**
   * The number of thresholds reached before the posting, by any writer, and after it: each is passed once per period.
   */
  readonly levelBefore: number;
  readonly level: number;
  /** The spend that the ledger had lost, and took back; absent or 0 where it had all. */
  readonly lostNanoUsd?: bigint;
}

/** A ledger did not respond, or not in time. */
export class LedgerUnavailableError extends Error {
  readonly code = 'PLIMSOLL_LEDGER_UNAVAILABLE';

  constructor(reason: string, cause?: unknown) {
    super(`The ledger is unavailable: ${reason}.`, { cause });
    this.name = 'LedgerUnavailableError';
  }
}

/** The spend of a period that a ledger has lost: its writer has seen more. */
export function lostSpend({ leastSpentNanoUsd }: Posting, spentNanoUsd: bigint): bigint {
  return leastSpentNanoUsd > spentNanoUsd ? leastSpentNanoUsd - spentNanoUsd : 0n;
}

/** A ledger had lost spend: it was emptied, replaced by an older copy, or evicts. It has taken back what a process knew of it. */
export class LedgerLossError extends Error {
  readonly code = 'PLIMSOLL_LEDGER_LOST_SPEND';

  constructor(lostNanoUsd: bigint) {
    super(`The ledger had lost $${usdOf(lostNanoUsd)} of spend, and got it back from this process.`);
    this.name = 'LedgerLossError';
  }
}

/** The answer to a reservation request. Unless it is refused, the amount is reserved until it is settled. */
export interface Verdict {
  /** Also `refused` if the ledger does not respond, but has already reported that the period has no room. */
  readonly kind: 'granted' | 'refused' | 'unavailable';
  /** The balance that the ledger last reported; `null` until it reports one. */
  readonly balance: Balance | null;
  /** Of `unavailable`: the amount is within what this process may spend while the ledger does not answer. */
  readonly isCovered: boolean;
}

/** Grants each request that still fits under the limit, in order: one that does not fit leaves room for the next. */
export function grantRequests(
  { requests, limitNanoUsd }: Posting,
  usedNanoUsd: bigint,
): { readonly granted: readonly boolean[]; readonly grantedNanoUsd: bigint } {
  const granted: boolean[] = new Array<boolean>(requests.length);
  let nowNanoUsd = usedNanoUsd;
  let at = 0;
  for (const nanoUsd of requests) {
    const nextNanoUsd = nowNanoUsd + nanoUsd;
    const fits = limitNanoUsd === null || nextNanoUsd <= limitNanoUsd;
    if (fits) nowNanoUsd = nextNanoUsd;
    granted[at++] = fits;
  }
  return { granted, grantedNanoUsd: nowNanoUsd - usedNanoUsd };
}

/** Counts the thresholds, ascending, that the spend has reached. */
export function levelOf(thresholdsNanoUsd: readonly bigint[], spentNanoUsd: bigint): number {
  let level = 0;
  for (const threshold of thresholdsNanoUsd) if (spentNanoUsd >= threshold) level += 1;
  return level;
}

interface Amount {
  readonly nanoUsd: bigint;
}

/** The amount alone, as postings have it. */
export function amountOf({ nanoUsd }: Amount): bigint {
  return nanoUsd;
}

/** Adds up amounts. */
export function sumOf(amounts: readonly Amount[]): bigint {
  let sum = 0n;
  for (const { nanoUsd } of amounts) sum += nanoUsd;
  return sum;
}

/** The amount, or the least that it may be. */
export function atLeast(least: bigint, nanoUsd: bigint): bigint {
  return nanoUsd < least ? least : nanoUsd;
}
