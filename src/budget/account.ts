import { usdOf } from '../figures.ts';
import {
  HISTORY_MS,
  accountName,
  bucketAt,
  bucketMs,
  spanAt,
  thresholdsNanoUsd,
  type Budget,
  type Span,
} from './budget.ts';
import { forecast, rollingForecast, type Forecast } from './forecast.ts';
import type { LedgerLink } from './ledger-link.ts';
import type { Balance, Eventually, Place, Spend } from './ledger.ts';
import { Tab, type Verdict } from './reservations.ts';

/** What a budget has come to, as the ledger last said it. */
export interface AccountStatus extends Span {
  /** `null` while the ledger has not said anything. */
  readonly balance: Balance | null;
  /** `null` before there is spend to go by. */
  readonly forecast: Forecast | null;
}

/** Spend has reached a threshold, for the first time in the period, in whichever process. Amounts are US dollars. */
export interface ThresholdReached {
  /** The budget's name. */
  readonly budget: string;
  /** Part of the limit. */
  readonly threshold: number;
  readonly limitUsd: number;
  readonly spentUsd: number;
  readonly periodStart: Date;
  readonly periodEnd: Date;
}

/** Spend by hour need not be read at every scrape. */
const HISTORY_STANDS_MS = 60_000;

/** What can be seen of a budget. Nothing waits. */
export interface BudgetView {
  readonly budget: Budget;
  span(): Span;
  /** As the ledger last said it; `null` before it has. */
  balance(): Balance | null;
  /** `null` before there is spend to go by. */
  forecast(): Forecast | null;
}

/** One budget of this process: a tab for each period that has calls under way. */
export class Account implements BudgetView {
  readonly budget: Budget;
  readonly #link: LedgerLink;
  readonly #name: string;
  readonly #thresholdsNanoUsd: readonly bigint[];
  readonly #onReached: (reached: ThresholdReached) => void;
  readonly #tabs = new Map<number, Tab>();
  #history: { readonly spends: readonly Spend[]; readonly atMs: number } | null = null;
  #balanceRead: Promise<void> | undefined;
  #historyRead: Promise<void> | undefined;

  constructor(budget: Budget, link: LedgerLink, onReached: (reached: ThresholdReached) => void) {
    this.budget = budget;
    this.#link = link;
    this.#name = accountName(budget);
    this.#thresholdsNanoUsd = thresholdsNanoUsd(budget);
    this.#onReached = onReached;
  }

  /** Asks for an amount in the period of `atMs`; `settle` with the same time lets go of it. */
  reserve(nanoUsd: bigint, atMs: number): Eventually<Verdict> {
    return this.#tab(atMs).reserve(nanoUsd);
  }

  /** Lets go of what was held and counts what was spent, both in the period of `atMs`. Never waits. */
  settle(atMs: number, heldNanoUsd: bigint, spentNanoUsd: bigint): void {
    this.#tab(atMs).settle(heldNanoUsd, { startMs: bucketAt(this.budget.period, atMs), nanoUsd: spentNanoUsd });
  }

  /** As the ledger last said it; `null` before it has. */
  known(atMs: number): Balance | null {
    return this.#tabs.get(this.#periodMs(atMs))?.known ?? null;
  }

  /** The period of now. */
  span(): Span {
    return spanAt(this.budget.period, this.#link.clock.epochMs());
  }

  /** A ledger that answers at once is asked; from one that takes time an answer is sent for, and shows next time. */
  balance(): Balance | null {
    const nowMs = this.#link.clock.epochMs();
    if (this.#link.up) void this.#readBalance(nowMs);
    return this.known(nowMs);
  }

  /** As `balance`; goes by hours, so those are read once a minute. */
  forecast(): Forecast | null {
    const nowMs = this.#link.clock.epochMs();
    if (this.#link.up) void this.#readHistory(nowMs);
    return this.#forecast(nowMs);
  }

  /** Asks the ledger, and waits for it. */
  async refreshed(): Promise<AccountStatus> {
    const nowMs = this.#link.clock.epochMs();
    await Promise.all([this.#readBalance(nowMs), this.#readHistory(nowMs)]);
    return { ...spanAt(this.budget.period, nowMs), balance: this.known(nowMs), forecast: this.#forecast(nowMs) };
  }

  async #readBalance(nowMs: number): Promise<void> {
    const tab = this.#tab(nowMs);
    const { ledger, holdMs } = this.#link;
    const place = this.#place(nowMs);
    this.#balanceRead ??= this.#link.asked(
      () => ledger.balance(place, { nowMs, holdMs }),
      (answer) => tab.learn(answer),
    );
    await this.#balanceRead;
    this.#balanceRead = undefined;
  }

  async #readHistory(nowMs: number): Promise<void> {
    if (this.#history !== null && Math.abs(nowMs - this.#history.atMs) < HISTORY_STANDS_MS) return;
    this.#historyRead ??= this.#link.asked(
      () => this.#link.ledger.history(this.#name, this.#keepFromMs(nowMs)),
      (spends) => (this.#history = { spends, atMs: nowMs }),
    );
    await this.#historyRead;
    this.#historyRead = undefined;
  }

  #forecast(nowMs: number): Forecast | null {
    const balance = this.known(nowMs);
    if (balance === null || this.#history === null) return null;
    const { period, limitNanoUsd } = this.budget;
    const seen = { nowMs, spentNanoUsd: balance.spentNanoUsd, limitNanoUsd };
    const { spends } = this.#history;
    if (period.kind !== 'rolling') return forecast({ ...seen, ...spanAt(period, nowMs), hours: spends });
    return rollingForecast({ ...seen, buckets: spends, bucketMs: bucketMs(period), lengthMs: period.lengthMs });
  }

  #tab(atMs: number): Tab {
    const periodMs = this.#periodMs(atMs);
    const open = this.#tabs.get(periodMs);
    if (open !== undefined) return open;
    this.#closeIdle();
    const tab = new Tab({
      link: this.#link,
      terms: () => this.#terms(periodMs),
      onReached: (positions, spentNanoUsd) => this.#tellReached(positions, { spentNanoUsd, atMs }),
    });
    this.#tabs.set(periodMs, tab);
    return tab;
  }

  #tellReached(positions: readonly number[], seen: { readonly spentNanoUsd: bigint; readonly atMs: number }): void {
    const { name, period, thresholds, limitNanoUsd } = this.budget;
    const { startMs, endMs } = spanAt(period, period.kind === 'rolling' ? this.#link.clock.epochMs() : seen.atMs);
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

  #closeIdle(): void {
    for (const [periodMs, tab] of this.#tabs) {
      if (!tab.idle) continue;
      this.#tabs.delete(periodMs);
      this.#link.leave(tab);
    }
  }

  #terms(periodMs: number) {
    const { mode, limitNanoUsd } = this.budget;
    const nowMs = this.#link.clock.epochMs();
    return {
      ...this.#place(nowMs),
      periodMs,
      limitNanoUsd: mode === 'block' ? limitNanoUsd : null,
      thresholdsNanoUsd: this.#thresholdsNanoUsd,
      keepFromMs: this.#keepFromMs(nowMs),
    };
  }

  #periodMs(atMs: number): number {
    const { period } = this.budget;
    return period.kind === 'rolling' ? 0 : spanAt(period, atMs).startMs;
  }

  #place(nowMs: number): Place {
    const { period } = this.budget;
    const at = { account: this.#name, periodMs: this.#periodMs(nowMs) };
    if (period.kind !== 'rolling') return { ...at, window: { kind: 'calendar' } };
    const fromMs = bucketAt(period, nowMs - period.lengthMs);
    // Spend of a time to come was written by a clock that has been set back since: it is spent all the same.
    return { ...at, window: { kind: 'rolling', fromMs, untilMs: nowMs + period.lengthMs, bucketMs: bucketMs(period) } };
  }

  #keepFromMs(nowMs: number): number {
    const { period } = this.budget;
    return bucketAt(period, nowMs - (period.kind === 'rolling' ? period.lengthMs : HISTORY_MS));
  }
}
