import { tierSeen } from '../advice/advice.ts';
import { label, samplesOf, sums, type Sample } from '../advice/samples.ts';
import type { BillView, BudgetView, CreditView, LimitView, TierView } from './view.ts';

/** Where limits, budgets and the tier stand, read from samples of plimsoll's metrics. */

/** What names a limit: `lowest` of `limitsOf` goes by it. */
export function limitId({ key, modelClass, dimension }: Pick<LimitView, 'key' | 'modelClass' | 'dimension'>): string {
  return JSON.stringify([key, modelClass, dimension]);
}

const idOf = (sample: Sample): string =>
  limitId({
    key: label(sample, 'key'),
    modelClass: label(sample, 'model_class'),
    dimension: label(sample, 'dimension'),
  });

/** One value for each set of labels: of several replicas the largest, or the smallest. */
function valuesBy(
  samples: readonly Sample[],
  name: string,
  { id, pick = Math.max }: { id: (sample: Sample) => string; pick?: (one: number, other: number) => number },
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const sample of samplesOf(samples, name)) {
    const known = found.get(id(sample));
    found.set(id(sample), known === undefined ? sample.value : pick(known, sample.value));
  }
  return found;
}

const msOf = (seconds: number | undefined): number | null => (seconds === undefined ? null : seconds * 1_000);

/**
 * The rate limits of each key and class of models. `tokens` is left out where input and output have their own: it is
 * their sum. `lowest` says the lowest that was left in the range, by the id of a limit.
 */
export function limitsOf(samples: readonly Sample[], lowest: ReadonlyMap<string, number>): readonly LimitView[] {
  const remaining = valuesBy(samples, 'anthropic_ratelimit_remaining', { id: idOf, pick: Math.min });
  const resets = valuesBy(samples, 'anthropic_ratelimit_reset_timestamp_seconds', { id: idOf });
  const observed = valuesBy(samples, 'anthropic_ratelimit_observed_timestamp_seconds', { id: idOf });
  const limits = valuesBy(samples, 'anthropic_ratelimit_limit', { id: idOf });
  const views = [...limits].flatMap(([id, limit]): readonly LimitView[] => {
    const left = remaining.get(id);
    if (left === undefined) return [];
    const [key = '', modelClass = '', dimension = ''] = JSON.parse(id) as readonly string[];
    return [
      {
        ...{ key, modelClass, dimension, limit },
        remaining: Math.min(left, limit),
        lowest: lowest.get(id) ?? null,
        resetAtMs: msOf(resets.get(id)),
        observedAtMs: msOf(observed.get(id)),
      },
    ];
  });
  const parted = new Set(views.filter(({ dimension }) => dimension === 'input_tokens').map(placeOf));
  return views.filter((view) => view.dimension !== 'tokens' || !parted.has(placeOf(view)));
}

function placeOf({ key, modelClass }: LimitView): string {
  return JSON.stringify([key, modelClass]);
}

/**
 * The budgets, those in trouble first. Replicas that share a ledger show the same figures, of which the largest is the
 * newest; replicas with ledgers of their own are added up.
 */
export function budgetsOf(samples: readonly Sample[], nowMs: number): readonly BudgetView[] {
  const id = (sample: Sample): string =>
    JSON.stringify([label(sample, 'budget'), label(sample, 'period'), label(sample, 'scope')]);
  const spent = overLedgers(samples, 'anthropic_budget_spent_usd', id);
  const expected = overLedgers(samples, 'anthropic_budget_forecast_usd', id);
  const starts = valuesBy(samples, 'anthropic_budget_period_start_timestamp_seconds', { id });
  const ends = valuesBy(samples, 'anthropic_budget_period_end_timestamp_seconds', { id });
  const modes = new Map(
    samplesOf(samples, 'anthropic_budget_info').map((one) => [label(one, 'budget'), label(one, 'mode')]),
  );
  const blocked = sums(samples, 'anthropic_budget_blocked_in_period', id);
  const views = [...valuesBy(samples, 'anthropic_budget_limit_usd', { id })].flatMap(([key, limitUsd]) => {
    const spentUsd = spent.get(key);
    if (spentUsd === undefined) return [];
    const [name = '', period = '', scope = ''] = JSON.parse(key) as readonly string[];
    const [start, end] = [msOf(starts.get(key)), msOf(ends.get(key))];
    const view: BudgetView = {
      ...{ name, period, scope, limitUsd, spentUsd },
      mode: modes.get(name) ?? null,
      paceRatio: start === null || end === null ? null : Math.min(1, Math.max(0, (nowMs - start) / (end - start))),
      expectedUsd: expected.get(key) ?? null,
      endsAtMs: end,
      blocked: blocked.get(key) ?? 0,
    };
    return [view];
  });
  return views.sort((one, other) => strain(other) - strain(one));
}

const strain = ({ spentUsd, expectedUsd, limitUsd }: BudgetView): number =>
  Math.max(spentUsd, expectedUsd ?? 0) / limitUsd;

function overLedgers(
  samples: readonly Sample[],
  name: string,
  id: (sample: Sample) => string,
): ReadonlyMap<string, number> {
  const byLedger = valuesBy(samples, name, { id: (one) => JSON.stringify([id(one), label(one, 'ledger_id')]) });
  const found = new Map<string, number>();
  for (const [key, value] of byLedger) {
    const [budget = ''] = JSON.parse(key) as readonly string[];
    found.set(budget, (found.get(budget) ?? 0) + value);
  }
  return found;
}

/** The usage tier, the cap, and the day it is met; `null` while no response has shown which tier it is. */
export function tierOf(samples: readonly Sample[], nowMs: number): TierView | null {
  const { progress } = tierSeen(samples, nowMs);
  if (progress === null) return null;
  return {
    tier: progress.tier,
    next: progress.next?.name ?? null,
    spentUsd: progress.spend?.usd ?? null,
    capUsd: progress.monthlyCapUsd,
    capMetAtMs: progress.capReachedAtMs,
  };
}

/** The windows of the report, the one that is shown first. */
const BILL_WINDOWS = ['yesterday', 'last_7_days', 'month'] as const;

/** Causes of a difference that are shown, and the least that is worth a line. */
const MOST_CAUSES = 3;
const LEAST_USD = 0.01;

/**
 * Anthropic's report beside plimsoll's own count, of the shortest window that has a complete day; `null` where nobody reads
 * the report. Replicas show what one of them read: of each figure the largest stands.
 */
export function billOf(samples: readonly Sample[]): BillView | null {
  for (const window of BILL_WINDOWS) {
    const ofWindow = (name: string): ReadonlyMap<string, number> =>
      valuesBy(
        samples.filter((one) => label(one, 'window') === window),
        name,
        { id: (one) => JSON.stringify(BILL_LABELS.map((of) => label(one, of))) },
      );
    const billedUsd = totalOf(ofWindow('anthropic_bill_billed_usd'));
    if (billedUsd === null) continue;
    const recordedUsd = totalOf(ofWindow('anthropic_bill_recorded_usd'));
    const causes = recordedUsd === null ? [] : causesOf(ofWindow('anthropic_bill_difference_usd'));
    return { ...{ window, billedUsd, recordedUsd, causes }, listedUsd: totalOf(ofWindow('anthropic_bill_listed_usd')) };
  }
  return null;
}

/** What tells figures of a window apart: those that a family lacks are empty. */
const BILL_LABELS = ['cause', 'organization', 'key', 'model'];

function totalOf(values: ReadonlyMap<string, number>): number | null {
  return values.size === 0 ? null : [...values.values()].reduce((sum, value) => sum + value, 0);
}

function causesOf(values: ReadonlyMap<string, number>): BillView['causes'] {
  const sums = new Map<string, number>();
  for (const [id, usd] of values) {
    const [cause = ''] = JSON.parse(id) as readonly string[];
    sums.set(cause, (sums.get(cause) ?? 0) + usd);
  }
  return [...sums]
    .map(([cause, usd]) => ({ cause, usd }))
    .filter(({ usd }) => Math.abs(usd) >= LEAST_USD)
    .sort((one, other) => Math.abs(other.usd) - Math.abs(one.usd))
    .slice(0, MOST_CAUSES);
}

/** What is left of prepaid credit, of all organizations, and the days until the first of them has none; `null` for none. */
export function creditOf(samples: readonly Sample[]): CreditView | null {
  const ofBound = (name: string, bound: string): ReadonlyMap<string, number> =>
    valuesBy(
      samples.filter((one) => label(one, 'bound') === bound),
      name,
      { id: (one) => label(one, 'organization') },
    );
  const leftUsd = totalOf(ofBound('anthropic_credit_left_usd', 'middle'));
  if (leftUsd === null) return null;
  const seconds = [...ofBound('anthropic_credit_left_seconds', 'middle').values()];
  return {
    leftUsd,
    leastUsd: totalOf(ofBound('anthropic_credit_left_usd', 'least')),
    daysLeft: seconds.length === 0 ? null : Math.min(...seconds) / DAY_SECONDS,
  };
}

const DAY_SECONDS = 24 * 60 * 60;
