import type { Span } from '../clock.ts';
import { usdOf } from '../figures.ts';
import { accountName, bucketMs, horizonAt, spanAt, type Budget } from './budget.ts';
import { BatchHolds } from './batch-holds.ts';
import { forecast, rollingForecast, type Forecast } from './forecast.ts';
import type { LedgerLink } from './ledger-link.ts';
import type { Balance, Eventually, Spend, Verdict } from './ledger.ts';
import { Reservations, type HoldRequest } from './reservations.ts';

/** A view of a budget that can be read at any time, without waiting. */
export interface BudgetView {
  readonly budget: Budget;
  /** The current period. */
  span(): Span;
  /** The balance that the ledger last reported; `null` until it reports one. */
  balance(): Balance | null;
  /** `null` until there is enough spend for a forecast. */
  forecast(): Forecast | null;
}

/** A budget as its ledger reports it now. */
export interface AccountStatus extends Span {
  /** `null` while the ledger has reported nothing. */
  readonly balance: Balance | null;
  /** `null` until there is enough spend for a forecast. */
  readonly forecast: Forecast | null;
}

/**
 * Reports that spend has reached a threshold for the first time in the period, in any process. Amounts are US dollars.
 */
export interface ThresholdReached {
  /** The budget's name. */
  readonly budget: string;
  /** A share of the limit. */
  readonly threshold: number;
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly periodStart: Date;
  readonly periodEnd: Date;
}

/** Scrapes within this time reuse the spend by hour, which is costly to read. */
const HISTORY_STANDS_MS = 60_000;

/** A batch that is not done by then expires. */
const BATCH_MS = 24 * 3_600_000;

const PERIODS_KEPT = 3;

const ALWAYS: Span = { startMs: -Infinity, endMs: Infinity };

/** A period with calls in progress, or the last one that had them. */
interface OpenPeriod extends Span {
  readonly reservations: Reservations;
}

/** One budget's account in the ledger, for this process: reserves, settles, and reports the balance. */
export class Account implements BudgetView {
  readonly budget: Budget;
  readonly #link: LedgerLink;
  readonly #onReached: (reached: ThresholdReached) => void;
  /** Periods by their start. */
  readonly #open = new Map<number, OpenPeriod>();
  /** By the start of the period in which the batches were created. */
  readonly #batches = new Map<number, BatchHolds>();
  #latest: OpenPeriod | null = null;
  #history: { readonly spends: readonly Spend[]; readonly atMs: number } | null = null;
  #balanceRead: Promise<void> | undefined;
  #historyRead: Promise<void> | undefined;

  constructor(budget: Budget, link: LedgerLink, onReached: (reached: ThresholdReached) => void) {
    this.budget = budget;
    this.#link = link;
    this.#onReached = onReached;
  }

  /** Waits for the time of the ledger where it has its own; `undefined` where it is known. */
  time(): Promise<void> | undefined {
    return this.#link.time();
  }

  /** The time of the ledger at a time of this machine's clock. Amounts are reserved and settled by it. */
  ledgerTimeOf(epochMs: number): number {
    return this.#link.ledgerTimeOf(epochMs);
  }

  /**
   * Asks for an amount in the period of `atMs`, of the ledger's time; `settle` with the same time releases it. `soon`: the
   * request may wait for the end of the turn of the event loop, if reservations are gathered.
   */
  reserve(nanoUsd: bigint, atMs: number, soon = false): Eventually<Verdict> {
    const reservations = this.#reservations(atMs);
    return reservations.answer(reservations.request(nanoUsd, soon));
  }

  /** Asks for an amount as `reserve` does, which `answer` waits for. */
  request(nanoUsd: bigint, atMs: number): HoldRequest {
    return this.#reservations(atMs).request(nanoUsd, false);
  }

  answer(request: HoldRequest, atMs: number): Eventually<Verdict> {
    return this.#reservations(atMs).answer(request);
  }

  /** Whether requests to several budgets save steps of the ledger when they are made `together`. */
  get groups(): boolean {
    return this.#link.ledger.postAll !== undefined;
  }

  /** Makes one step of the ledger of what is requested meanwhile, of this budget and others with the same ledger. */
  together(request: () => void): void {
    this.#link.together(request);
  }

  /** Returns the balance where what is known to be spent leaves no room for an amount; else `null`. Does not ask the ledger. */
  usedUp(nanoUsd: bigint, atMs: number): Balance | null {
    return this.#reservations(atMs).usedUp(nanoUsd);
  }

  /** Releases the amount reserved and counts the amount spent, both in the period of `atMs`. Never waits. */
  settle(atMs: number, heldNanoUsd: bigint, spentNanoUsd: bigint): void {
    this.#reservations(atMs).settle(atMs, heldNanoUsd, spentNanoUsd);
  }

  /** Holds an amount for a batch that was created at `atMs`, until it has ended: after a day at the latest, as the API has it. */
  holdBatch(batchId: string, nanoUsd: bigint, atMs: number): void {
    this.#batchesOf(atMs).hold(batchId, nanoUsd, atMs + BATCH_MS);
  }

  /** Keeps of what a batch holds the part of those requests that may cost something. */
  keepBatch(batchId: string, left: number, requests: number): void {
    for (const batches of this.#batches.values()) batches.keep(batchId, left, requests);
  }

  /** Releases what a batch holds in the period of `atMs`, and in those that this process knows. */
  releaseBatch(batchId: string, atMs: number): void {
    this.#batchesOf(atMs);
    for (const batches of this.#batches.values()) batches.release(batchId, atMs);
  }

  /** Returns the balance of the period of `atMs` that the ledger last reported; `null` until it reports one. */
  known(atMs: number): Balance | null {
    return this.#open.get(this.#periodAt(atMs).startMs)?.reservations.known ?? null;
  }

  span(): Span {
    return spanAt(this.budget.period, this.#link.nowMs());
  }

  /** Returns the last known balance, and reads it again. If the ledger answers at once, the new balance is returned. */
  balance(): Balance | null {
    const nowMs = this.#link.nowMs();
    if (this.#link.up) void this.#readBalance(nowMs);
    return this.known(nowMs);
  }

  /** Returns the forecast, and reads the spend by hour again at most once per minute. */
  forecast(): Forecast | null {
    const nowMs = this.#link.nowMs();
    if (this.#link.up) void this.#readHistory(nowMs);
    return this.#forecast(nowMs);
  }

  /** Reads the account from the ledger, and waits for it. */
  async refresh(): Promise<AccountStatus> {
    const timed = this.#link.time();
    if (timed !== undefined) await timed;
    const nowMs = this.#link.nowMs();
    await Promise.all([this.#readBalance(nowMs), this.#readHistory(nowMs)]);
    return { ...spanAt(this.budget.period, nowMs), balance: this.known(nowMs), forecast: this.#forecast(nowMs) };
  }

  async #readBalance(nowMs: number): Promise<void> {
    this.#link.sendSettled();
    const reservations = this.#reservations(nowMs);
    const { periodMs } = reservations;
    const { ledger } = this.#link;
    const account = accountName(this.budget);
    const { window } = horizonAt(this.budget.period, nowMs);
    this.#balanceRead ??= this.#link.read(
      () => ledger.balance({ account, periodMs, window }, nowMs),
      (balance) => {
        this.#link.learnTime(balance.ledgerMs);
        reservations.learn(balance);
        // A ledger that has lost spend gets it back.
        reservations.send();
      },
    );
    await this.#balanceRead;
    this.#balanceRead = undefined;
  }

  async #readHistory(nowMs: number): Promise<void> {
    if (this.#history !== null && Math.abs(nowMs - this.#history.atMs) < HISTORY_STANDS_MS) return;
    this.#link.sendSettled();
    this.#historyRead ??= this.#link.read(
      () => this.#link.ledger.history(accountName(this.budget), horizonAt(this.budget.period, nowMs).keepFromMs),
      (spends) => (this.#history = { spends, atMs: nowMs }),
    );
    await this.#historyRead;
    this.#historyRead = undefined;
  }

  #forecast(nowMs: number): Forecast | null {
    const balance = this.known(nowMs);
    if (balance === null || this.#history === null) return null;
    const { period, limitNanoUsd } = this.budget;
    const soFar = { nowMs, spentNanoUsd: balance.spentNanoUsd, limitNanoUsd };
    const { spends } = this.#history;
    if (period.kind !== 'rolling') return forecast({ ...soFar, ...spanAt(period, nowMs), hours: spends });
    return rollingForecast({ ...soFar, buckets: spends, bucketMs: bucketMs(period), lengthMs: period.lengthMs });
  }

  #reservations(atMs: number): Reservations {
    if (this.#latest !== null && atMs >= this.#latest.startMs && atMs < this.#latest.endMs) {
      return this.#latest.reservations;
    }
    const span = this.#periodAt(atMs);
    this.#latest = this.#open.get(span.startMs) ?? this.#openPeriod(span, atMs);
    return this.#latest.reservations;
  }

  #openPeriod(span: Span, atMs: number): OpenPeriod {
    this.#closeIdle();
    const reservations = new Reservations({
      link: this.#link,
      budget: this.budget,
      periodMs: this.budget.period.kind === 'rolling' ? 0 : span.startMs,
      onReached: (positions, spentNanoUsd) => this.#tellReached(positions, { spentNanoUsd, atMs }),
    });
    const period = { ...span, reservations };
    this.#open.set(span.startMs, period);
    return period;
  }

  #batchesOf(atMs: number): BatchHolds {
    const { startMs } = this.#periodAt(atMs);
    const known = this.#batches.get(startMs);
    if (known !== undefined) return known;
    const open = (batchId: string, untilMs: number): Reservations =>
      new Reservations({
        link: this.#link,
        budget: this.budget,
        periodMs: this.budget.period.kind === 'rolling' ? 0 : startMs,
        holder: { writer: `batch ${batchId}`, untilMs },
        onReached: (positions, spentNanoUsd) => this.#tellReached(positions, { spentNanoUsd, atMs }),
      });
    const batches = new BatchHolds(open, (reservations) => this.#link.leave(reservations));
    this.#batches.set(startMs, batches);
    // A batch lives for a day, so for two periods at most.
    const [oldest] = this.#batches.keys();
    if (this.#batches.size > PERIODS_KEPT && oldest !== undefined) this.#batches.delete(oldest);
    return batches;
  }

  #closeIdle(): void {
    for (const [startMs, { reservations }] of this.#open) {
      if (!reservations.isIdle) continue;
      this.#open.delete(startMs);
      this.#link.leave(reservations);
    }
  }

  /** A rolling window is one period without an end. */
  #periodAt(atMs: number): Span {
    const { period } = this.budget;
    return period.kind === 'rolling' ? ALWAYS : spanAt(period, atMs);
  }

  #tellReached(positions: readonly number[], seen: { readonly spentNanoUsd: bigint; readonly atMs: number }): void {
    const { name, period, thresholds, limitNanoUsd } = this.budget;
    const { startMs, endMs } = spanAt(period, period.kind === 'rolling' ? this.#link.nowMs() : seen.atMs);
    for (const position of positions) {
      this.#onReached({
        budget: name,
        threshold: thresholds[position] ?? 0,
        limitUsd: usdOf(limitNanoUsd),
        spentUsd: usdOf(seen.spentNanoUsd),
        periodStart: new Date(startMs),
        periodEnd: new Date(endMs),
      });
    }
  }
}
