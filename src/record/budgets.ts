import type { BudgetView } from '../budget/account.ts';
import {
  DECISIONS,
  bucketMs,
  isVolatileInMemory,
  periodName,
  scopeName,
  type Budget,
  type BudgetCounts,
  type Decision,
} from '../budget/budget.ts';
import type { BudgetListener, Budgets } from '../budget/budgets.ts';
import { usdOf } from '../figures.ts';
import type { MonthBudget } from '../tier/advice-basis.ts';
import type { CounterSeries } from './metrics/series.ts';
import type { Store } from './metrics/store.ts';

const shown = new WeakMap<Store, WeakMap<Budgets, BudgetListener>>();

/**
 * Shows budgets in the store: their gauges are computed at each scrape from the ledger's last answer, and the returned
 * listener counts their decisions. The same store gets the same listener, so clients that share budgets and a registry
 * show them once. Unknown figures are absent.
 */
export function recordBudgets(store: Store, budgets: Budgets): BudgetListener {
  const ofStore = shown.get(store) ?? new WeakMap<Budgets, BudgetListener>();
  shown.set(store, ofStore);
  const known = ofStore.get(budgets);
  if (known !== undefined) return known;
  const listener = newListener(store, budgets);
  ofStore.set(budgets, listener);
  return listener;
}

function newListener(store: Store, budgets: Budgets): BudgetListener {
  const { families } = store;
  const blocked = new Map<Budget, BlockedInPeriod>();
  for (const view of budgets.all) {
    startCounters(store, view);
    showPeriod(store, view);
    const inPeriod = new BlockedInPeriod(view);
    blocked.set(view.budget, inPeriod);
    families.anthropic_budget_blocked_in_period.series(labelsOf(view.budget)).computeBy(() => inPeriod.count);
  }
  const unidentified = families.anthropic_budget_ledger_up.series({ ledger: budgets.ledger.kind, ledger_id: '' });
  unidentified.computeBy(() => (budgets.ledger.id === null ? Number(budgets.ledger.up) : null));
  const identities = new Set<string>();
  return {
    counts: (budget) => countsOf(store, budget, blocked.get(budget)),
    reached: ({ budget, threshold }) =>
      families.anthropic_budget_thresholds_reached_total.series({ budget, threshold: String(threshold) }).add(1),
    identified(ledgerId) {
      if (!identities.has(ledgerId)) showBalances(store, budgets, ledgerId);
      identities.add(ledgerId);
    },
    failed: (stage) => store.errors(stage),
  };
}

/** The calls that a budget blocked in this process in its current period. A rolling one forgets them part by part. */
class BlockedInPeriod {
  readonly #view: BudgetView;
  readonly #lengthMs: number;
  readonly #partMs: number;
  /** By the start of the period in which they were blocked. */
  readonly #parts: { readonly startMs: number; count: number }[] = [];

  constructor(view: BudgetView) {
    const { period } = view.budget;
    this.#view = view;
    this.#lengthMs = period.kind === 'rolling' ? period.lengthMs : 0;
    this.#partMs = period.kind === 'rolling' ? bucketMs(period) : 0;
  }

  add(): void {
    const { startMs } = this.#view.span();
    const last = this.#parts.at(-1);
    if (last !== undefined && startMs - last.startMs <= this.#partMs) last.count += 1;
    else this.#parts.push({ startMs, count: 1 });
    this.#forget(startMs);
  }

  get count(): number {
    this.#forget(this.#view.span().startMs);
    return this.#parts.reduce((sum, { count }) => sum + count, 0);
  }

  #forget(startMs: number): void {
    for (
      let [first] = this.#parts;
      first !== undefined && first.startMs + this.#lengthMs < startMs;
      [first] = this.#parts
    )
      this.#parts.shift();
  }
}

/** Returns counters whose series are looked up once. */
function countsOf({ families }: Store, budget: Budget, inPeriod: BlockedInPeriod | undefined): BudgetCounts {
  const series = (decision: Decision): CounterSeries =>
    families.anthropic_budget_decisions_total.series({ budget: budget.name, decision });
  const decisions: Readonly<Record<Decision, CounterSeries>> = {
    allowed: series('allowed'),
    warned: series('warned'),
    blocked: series('blocked'),
    unavailable: series('unavailable'),
  };
  const spend = families.anthropic_budget_spend_usd_total.series(labelsOf(budget));
  return {
    decided(decision) {
      decisions[decision].add(1);
      if (decision === 'blocked') inPeriod?.add();
    },
    spent: (nanoUsd) => spend.addNanoUsd(Number(nanoUsd)),
  };
}

/** Shows the mode, and the counters at zero, so that `increase()` sees the first event. */
function startCounters({ families }: Store, { budget }: BudgetView): void {
  const { name, mode, thresholds } = budget;
  families.anthropic_budget_info.series({ budget: name, mode }).set(1);
  families.anthropic_budget_spend_usd_total.series(labelsOf(budget)).showAtZero();
  for (const decision of DECISIONS) {
    families.anthropic_budget_decisions_total.series({ budget: name, decision }).showAtZero();
  }
  for (const threshold of thresholds) {
    families.anthropic_budget_thresholds_reached_total
      .series({ budget: name, threshold: String(threshold) })
      .showAtZero();
  }
}

function labelsOf({ name, period, scope }: Budget) {
  return { budget: name, period: periodName(period), scope: scopeName(scope) };
}

function showPeriod({ families }: Store, view: BudgetView): void {
  const labels = labelsOf(view.budget);
  const start = families.anthropic_budget_period_start_timestamp_seconds.series(labels);
  const end = families.anthropic_budget_period_end_timestamp_seconds.series(labels);
  start.computeBy(() => view.span().startMs / 1000);
  end.computeBy(() => view.span().endMs / 1000);
}

/** A ledger that gets another id is no longer shown under the one before: sums over ledgers would have it twice. */
function showBalances({ families }: Store, budgets: Budgets, ledgerId: string): void {
  const { kind } = budgets.ledger;
  const ifSame = (read: () => number | null) => (): number | null => (budgets.ledger.id === ledgerId ? read() : null);
  const up = families.anthropic_budget_ledger_up.series({ ledger: kind, ledger_id: ledgerId });
  up.computeBy(ifSame(() => Number(budgets.ledger.up)));
  for (const view of budgets.all) {
    const labels = { ...labelsOf(view.budget), ledger_id: ledgerId };
    const limitUsd = usdOf(view.budget.limitNanoUsd);
    families.anthropic_budget_limit_usd.series(labels).computeBy(ifSame(() => limitUsd));
    families.anthropic_budget_spent_usd.series(labels).computeBy(ifSame(() => shownUsd(view.balance()?.spentNanoUsd)));
    families.anthropic_budget_reserved_usd
      .series(labels)
      .computeBy(ifSame(() => shownUsd(view.balance()?.reservedNanoUsd)));
    families.anthropic_budget_forecast_usd.series(labels).computeBy(ifSame(() => view.forecast()?.expectedUsd ?? null));
    if (kind !== 'memory' || !isVolatileInMemory(view.budget)) continue;
    families.anthropic_budget_volatile_ledger.series({ budget: view.budget.name, ledger_id: ledgerId }).set(1);
  }
}

/**
 * Takes the gauges of budgets off the page that others have replaced, but for those that have the same labels. Their
 * counters stay, because they never fall.
 */
export function hideBudgets({ families }: Store, { all, ledger }: Budgets, next: Budgets | null): void {
  const shownNow = new Set((next?.all ?? []).map(({ budget }) => JSON.stringify(labelsOf(budget))));
  for (const { budget } of all) {
    const labels = labelsOf(budget);
    if (shownNow.has(JSON.stringify(labels))) continue;
    const ofLedger = { ...labels, ledger_id: ledger.id ?? '' };
    const computed = [
      families.anthropic_budget_limit_usd.series(ofLedger),
      families.anthropic_budget_period_start_timestamp_seconds.series(labels),
      families.anthropic_budget_period_end_timestamp_seconds.series(labels),
      families.anthropic_budget_blocked_in_period.series(labels),
      families.anthropic_budget_spent_usd.series(ofLedger),
      families.anthropic_budget_reserved_usd.series(ofLedger),
      families.anthropic_budget_forecast_usd.series(ofLedger),
    ];
    for (const series of computed) series.computeBy(() => null);
    families.anthropic_budget_volatile_ledger.series({ budget: budget.name, ledger_id: ofLedger.ledger_id }).clear();
  }
}

/** An unknown amount is absent. */
function shownUsd(nanoUsd: bigint | undefined): number | null {
  return nanoUsd === undefined ? null : usdOf(nanoUsd);
}

/** Nano-dollars spent in the current calendar month (UTC), according to a ledger; `null` until it reports them. */
export type MonthSpendNanoUsd = () => bigint | number | null;

/** The budgets and the spend of the month that count towards a tier's cap. */
export interface MonthBudgets {
  readonly monthBudgets: readonly MonthBudget[];
  /** `undefined` if only this process has counted. */
  readonly monthSpendNanoUsd: MonthSpendNanoUsd | undefined;
}

/** The budgets for all calls of a calendar month. A ledger in memory knows only what this process has seen. */
export function monthBudgets(budgets: Budgets): MonthBudgets {
  const views = budgets.all.filter(({ budget: { scope, period } }) => scope.kind === 'all' && period.kind === 'month');
  const isOwnCount = views.length === 0 || budgets.ledger.kind === 'memory';
  return {
    monthBudgets: views.map(({ budget }) => monthBudget(budget)),
    monthSpendNanoUsd: isOwnCount ? undefined : () => mostSpent(views),
  };
}

function monthBudget({ name, limitNanoUsd, mode }: BudgetView['budget']): MonthBudget {
  return { name, limitUsd: usdOf(limitNanoUsd), blocks: mode === 'block' };
}

/** Every budget counts the same calls; one that was added during the month has counted fewer. */
function mostSpent(views: readonly BudgetView[]): bigint | null {
  return views.reduce<bigint | null>((most, view) => {
    const spent = view.balance()?.spentNanoUsd ?? null;
    return spent !== null && (most === null || spent > most) ? spent : most;
  }, null);
}
