import type { GaugeName } from '../record/metrics/catalogue.ts';
import { grew, growthOf } from './growth.ts';
import { grouped, ratio, recordedWindow, series } from './promql.ts';
import type { RecordingRule } from './rule.ts';
import type { MonitoringSettings } from './settings.ts';

const BUDGET = ['budget', 'period', 'scope'] as const;
const DAY = 86_400;
/** Budgets of hours are left out of what is judged by the hour: any hour is a large part of their period. */
const SHORTEST_SECONDS = 20 * 3_600;

/** The names of what is recorded of budgets. */
export const RECORDED_BUDGETS = {
  budgetStart: 'plimsoll:budget_period_start_seconds:max',
  budgetEnd: 'plimsoll:budget_period_end_seconds:max',
  budgetLength: 'plimsoll:budget_period_seconds:max',
  budgetLimit: 'plimsoll:budget_limit_usd:max',
  budgetReserved: 'plimsoll:budget_reserved_usd:sum',
  budgetForecast: 'plimsoll:budget_forecast_usd:sum',
  budgetInLedgers: 'plimsoll:budget_ledger_usd:sum',
  budgetDated: 'plimsoll:budget_spend_usd:dated',
  budgetSeenToday: 'plimsoll:budget_seen_usd:day',
  budgetSpent: 'plimsoll:budget_spent_usd:sum',
  budgetEvenPace: 'plimsoll:budget_even_pace_usd_per_second:max',
  budgetSeen: 'plimsoll:budget_seen_timestamp_seconds',
  budgetFirstSeen: 'plimsoll:budget_first_seen_timestamp_seconds',
  budgetBurnScale: 'plimsoll:budget_burn_scale:ratio',
  budgetSecondsLeft: 'plimsoll:budget_seconds_left:min',
  budgetProjection: 'plimsoll:budget_projection_usd:sum',
} as const;

/** The names of what is recorded of an organization's tier. */
export const RECORDED_TIER = {
  tierCap: 'plimsoll:tier_cap_usd:max',
  tierDated: 'plimsoll:tier_seen_usd:dated',
  tierSeenThisMonth: 'plimsoll:tier_seen_usd:this_month',
  tierSpend: 'plimsoll:tier_spend_usd:sum',
  tierProgress: 'plimsoll:tier_progress:ratio',
  tierSeen: 'plimsoll:tier_seen_timestamp_seconds',
  tierFirstSeen: 'plimsoll:tier_first_seen_timestamp_seconds',
  tierSecondsToCap: 'plimsoll:tier_cap_seconds:min',
  tierCapThisMonth: 'plimsoll:tier_cap_seconds:this_month',
} as const;

/**
 * A gauge per ledger: the maximum over the replicas of each ledger, summed over the ledgers. Correct both for one shared
 * ledger and for one ledger per replica.
 */
function sumOverLedgers(settings: MonitoringSettings, name: Extract<GaugeName, `anthropic_budget_${string}`>): string {
  const byLedger = `max by (${grouped(settings, ...BUDGET, 'ledger_id')}) (${series(name)})`;
  return `sum by (${grouped(settings, ...BUDGET)}) (${byLedger})`;
}

/** Budgets, by what their ledgers say and by what their processes have counted. */
export function budgetRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const most = (name: Extract<GaugeName, `anthropic_budget_${string}`>): string =>
    `max by (${grouped(settings, ...BUDGET)}) (${series(name)})`;
  const { budgetStart, budgetEnd, budgetLength, budgetLimit, budgetInLedgers, budgetSeenToday } = RECORDED_BUDGETS;
  return [
    { record: budgetStart, expr: most('anthropic_budget_period_start_timestamp_seconds') },
    { record: budgetEnd, expr: most('anthropic_budget_period_end_timestamp_seconds') },
    { record: budgetLength, expr: lengthExpression() },
    { record: budgetLimit, expr: most('anthropic_budget_limit_usd') },
    { record: RECORDED_BUDGETS.budgetReserved, expr: sumOverLedgers(settings, 'anthropic_budget_reserved_usd') },
    { record: RECORDED_BUDGETS.budgetForecast, expr: sumOverLedgers(settings, 'anthropic_budget_forecast_usd') },
    { record: budgetInLedgers, expr: sumOverLedgers(settings, 'anthropic_budget_spent_usd') },
    seenTodayRule(),
    // A ledger in memory ends with its pod; what its process counted does not.
    { record: RECORDED_BUDGETS.budgetSpent, expr: larger(budgetInLedgers, budgetSeenToday) },
    { record: RECORDED_BUDGETS.budgetEvenPace, expr: ratio(budgetLimit, budgetLength) },
    ...firstSeenRules(budgetLimit, RECORDED_BUDGETS.budgetSeen, RECORDED_BUDGETS.budgetFirstSeen),
    ...paceRules(),
  ];
}

/** The larger of two; that which there is, if one is missing. */
function larger(one: string, other: string): string {
  return `(${one} >= ${other}) or ${other} or ${one}`;
}

/** The window of a rolling budget reaches as far into the past as its end lies in the future. */
function lengthExpression(): string {
  const { budgetStart, budgetEnd } = RECORDED_BUDGETS;
  const length = (matcher: string): string => `(${budgetEnd}{period${matcher}} - ${budgetStart})`;
  return `${length('!~"rolling.+"')} or ${length('=~"rolling.+"')} / 2`;
}

/** The calendar month, UTC, as the value of a label. */
const THIS_MONTH = 'count_values("month", month())';

/**
 * Growth with the day or month that it belongs to: what a window of a day or of 31 days holds of another is told apart
 * by it. Recorded beside the growth: at other moments, some of it would be dated twice, or not at all.
 */
export function datedRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const start = series('anthropic_budget_period_start_timestamp_seconds', 'period="day"');
  const day = `(max by (${grouped(settings, ...BUDGET)}) (${start}) / ${DAY})`;
  return [
    // Weighed by the number of the day: that takes one series a budget.
    { record: RECORDED_BUDGETS.budgetDated, expr: `${growthOf('budget_spend_usd', 'period="day"')} * ${day}` },
    { record: RECORDED_TIER.tierDated, expr: `${growthOf('tier_seen_usd')} * on () group_left (month) ${THIS_MONTH}` },
  ];
}

/** What processes have counted since the day began, those included that are gone. */
function seenTodayRule(): RecordingRule {
  const { budgetStart, budgetDated, budgetSeenToday } = RECORDED_BUDGETS;
  const dated = `sum_over_time(${budgetDated}[${recordedWindow('1d')}])`;
  const all = grew('budget_spend_usd', '1d', { matchers: 'period="day"' });
  return { record: budgetSeenToday, expr: `clamp_min(${dated} - (${budgetStart} / ${DAY} - 1) * ${all}, 0)` };
}

/** When Prometheus began to see it: a rate over a day that is minutes old must not be divided by a day. */
function firstSeenRules(present: string, seen: string, first: string): readonly RecordingRule[] {
  return [
    { record: seen, expr: `0 * ${present} + time()` },
    { record: first, expr: `min_over_time(${seen}[7d])` },
  ];
}

function paceRules(): readonly RecordingRule[] {
  const { budgetLength, budgetLimit, budgetSpent, budgetEnd, budgetFirstSeen } = RECORDED_BUDGETS;
  const left = `(${budgetLimit} - ${budgetSpent})`;
  const rate = (window: string, seconds: number, matchers = ''): string =>
    `(${grew('budget_spend_usd', window, { matchers })} / clamp_max(time() - ${budgetFirstSeen}, ${seconds}))`;
  const toCome = `clamp_min(${budgetEnd} - time(), 0)`;
  const projected = (period: string, window: string, { seconds, least }: Readonly<Record<string, number>>): string =>
    `(${budgetSpent} + ${rate(window, seconds ?? 0, `period="${period}"`)} * ${toCome}` +
    ` and time() - ${budgetFirstSeen} >= ${least})`;
  return [
    // 1 for a day. An hour may take a quarter of a day's budget, but only a fiftieth of a month's.
    {
      record: RECORDED_BUDGETS.budgetBurnScale,
      expr: `((${budgetLength} >= ${SHORTEST_SECONDS}) / ${DAY}) ^ -0.75`,
    },
    // At the pace of half an hour for a day, of six hours for what is longer.
    {
      record: RECORDED_BUDGETS.budgetSecondsLeft,
      expr:
        `(${left} / (${rate('30m', 1_800)} > 0) and ${budgetLength} < ${2 * DAY})` +
        ` or (${left} / (${rate('6h', 21_600)} > 0))`,
    },
    {
      record: RECORDED_BUDGETS.budgetProjection,
      expr: `${projected('day', '1d', { seconds: DAY, least: 3_600 })} or ${projected('month', '7d', { seconds: 7 * DAY, least: 21_600 })}`,
    },
  ];
}

/**
 * The spend of the month as plimsoll has seen it. Processes whose ledger keeps the month say what the ledger says: the
 * maximum of each ledger counts. The others say what they have seen themselves, which is added up, and is lost when they
 * restart; so it is at least what all processes have counted since the month began, as far as Prometheus keeps that.
 */
export function tierRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const { tierCap, tierDated, tierSeenThisMonth, tierSpend, tierProgress } = RECORDED_TIER;
  const { tierSeen, tierFirstSeen, tierSecondsToCap, tierCapThisMonth } = RECORDED_TIER;
  const process = grouped(settings, 'instance');
  const seen = series('anthropic_tier_spend_usd');
  const monthly = series('anthropic_budget_spent_usd', 'period="month", scope="all"');
  const ledgerOf = `topk by (${process}) (1, group by (${process}, ledger_id) (${monthly}))`;
  const ledgers = `${seen} * on (${process}) group_left (ledger_id) ${ledgerOf}`;
  const byLedger = `max by (${grouped(settings, 'organization', 'ledger_id')}) (${ledgers})`;
  const by = grouped(settings, 'organization');
  const ofProcesses = `sum by (${by}) (${byLedger} or (${seen} unless on (${process}) ${ledgerOf}))`;
  const counted = `sum_over_time(${tierDated}[${recordedWindow('31d')}])`;
  const rate = `${grew('tier_seen_usd', '1d')} / clamp_max(time() - ${tierFirstSeen}, ${DAY})`;
  return [
    { record: tierCap, expr: `max by (${by}) (${series('anthropic_tier_monthly_cap_usd')})` },
    { record: tierSeenThisMonth, expr: `sum by (${by}) (${counted} * on (month) group_left () ${THIS_MONTH})` },
    { record: tierSpend, expr: larger(`(${ofProcesses})`, tierSeenThisMonth) },
    { record: tierProgress, expr: ratio(tierSpend, tierCap) },
    ...firstSeenRules(tierCap, tierSeen, tierFirstSeen),
    {
      record: tierSecondsToCap,
      expr: `clamp_min(${tierCap} - ${tierSpend}, 0) / (${rate} > 0) and time() - ${tierFirstSeen} >= 600`,
    },
    // -1 where the month ends first: its spend begins at 0 again.
    { record: tierCapThisMonth, expr: `(${tierSecondsToCap} < ${MONTH_LEFT}) or (0 * ${tierSecondsToCap} - 1)` },
  ];
}

/** Seconds until the calendar month ends, UTC: the cap is that of a month. */
const MONTH_LEFT = `scalar((days_in_month() - day_of_month() + 1) * ${DAY} - time() % ${DAY})`;
