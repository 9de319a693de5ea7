import { FAILED } from './covered.ts';
import { bucketEdge, growth, orZero, ratio, series, sumBy, sumOverLedgers } from './promql.ts';
import type { RecordingRule, RuleGroup } from './rule.ts';
import { BURN_WINDOWS, SLO_WINDOWS, type MonitoringSettings, type SloWindow } from './settings.ts';

const BY = 'job, key, model';

/** All recording rules, in one group per concern. */
export function recordingGroups(settings: MonitoringSettings): readonly RuleGroup[] {
  return [
    { name: 'plimsoll_attempts', interval: '30s', rules: attemptRules() },
    { name: 'plimsoll_slo', interval: '30s', rules: SLO_WINDOWS.flatMap((window) => sloRules(settings, window)) },
    { name: 'plimsoll_slo_volume', interval: '30s', rules: BURN_WINDOWS.flatMap(({ long }) => volumeRules(long)) },
    { name: 'plimsoll_limits', interval: '30s', rules: limitRules() },
    { name: 'plimsoll_budgets', interval: '30s', rules: budgetRules() },
    { name: 'plimsoll_tier', interval: '30s', rules: tierRules() },
    { name: 'plimsoll_per_call', interval: '1m', rules: perCallRules() },
  ];
}

function attemptRules(): readonly RecordingRule[] {
  const windows = ['5m', '1h'] as const;
  const calls = sumBy(BY, growth('anthropic_requests_total', '5m', 'outcome!="blocked"'));
  const seconds = sumBy(BY, growth('anthropic_request_duration_seconds_sum', '5m'));
  return [
    ...windows.map((window) => ({
      record: RECORDED.attempts(window),
      expr: sumBy(BY, growth('anthropic_attempts_total', window)),
    })),
    ...windows.map((window) => ({
      record: RECORDED.rateLimited(window),
      expr: ratio(
        sumBy(`${BY}, reason`, growth('anthropic_rate_limited_total', window)),
        RECORDED.attempts(window),
        `on (${BY}) group_left ()`,
      ),
    })),
    ...windows.map((window) => ({
      record: RECORDED.overloaded(window),
      expr: ratio(sumBy(BY, growth('anthropic_overloaded_total', window)), RECORDED.attempts(window), `on (${BY})`),
    })),
    { record: RECORDED.retriesPerCall, expr: ratio(sumBy(BY, growth('anthropic_retries_total', '5m')), calls) },
    { record: RECORDED.waitShare, expr: ratio(sumBy(BY, growth('anthropic_retry_wait_seconds_total', '5m')), seconds) },
  ];
}

/** Ratios for the SLO alerts. Long windows use the counters: an average of short ratios would weigh quiet hours like busy ones. */
function sloRules({ latencySeconds }: MonitoringSettings, window: SloWindow): readonly RecordingRule[] {
  const rate = (counted: string): string => sumBy(BY, `rate(${counted}[${window}])`);
  const judged = rate(series('anthropic_requests_total', `outcome=~"ok|${FAILED}"`));
  const failed = rate(series('anthropic_requests_total', `outcome=~"${FAILED}"`));
  const answered = rate(series('anthropic_request_duration_seconds_count', 'outcome="ok"'));
  const inTime = rate(
    series('anthropic_request_duration_seconds_bucket', `outcome="ok", ${bucketEdge(latencySeconds)}`),
  );
  return [
    { record: RECORDED.failures(window), expr: ratio(orZero(failed, judged), judged) },
    { record: RECORDED.slow(window), expr: `1 - ${ratio(inTime, answered)}` },
  ];
}

/** Counts behind the ratios of the long windows: three slow calls out of four are no trend. */
function volumeRules(window: SloWindow): readonly RecordingRule[] {
  const answered = series('anthropic_request_duration_seconds_count', 'outcome="ok"');
  const failed = growth('anthropic_requests_total', window, `outcome=~"${FAILED}"`);
  return [
    { record: RECORDED.failuresCounted(window), expr: sumBy(BY, failed) },
    {
      record: RECORDED.slowCounted(window),
      expr: `${RECORDED.slow(window)} * ${sumBy(BY, `increase(${answered}[${window}])`)}`,
    },
  ];
}

/** Older headers are ignored: a replica that stopped calling keeps its last value. */
const HEADERS_FRESH_SECONDS = 300;

function limitRules(): readonly RecordingRule[] {
  const labels = 'key, model_class, dimension';
  const seen = series('anthropic_ratelimit_observed_timestamp_seconds');
  const fresh = `${series('anthropic_ratelimit_remaining')} and (time() - ${seen} < ${HEADERS_FRESH_SECONDS})`;
  const limit = `max by (${labels}) (${series('anthropic_ratelimit_limit')})`;
  return [{ record: RECORDED.headroom, expr: ratio(`min by (${labels}) (${fresh})`, limit) }];
}

function budgetRules(): readonly RecordingRule[] {
  const labels = 'budget, period, scope';
  const limit = `max by (${labels}) (${series('anthropic_budget_limit_usd')})`;
  const start = `max by (${labels}) (${series('anthropic_budget_period_start_timestamp_seconds')})`;
  const end = `max by (${labels}) (${series('anthropic_budget_period_end_timestamp_seconds')})`;
  return [
    { record: RECORDED.budgetSpent, expr: sumOverLedgers('anthropic_budget_spent_usd') },
    { record: RECORDED.budgetReserved, expr: sumOverLedgers('anthropic_budget_reserved_usd') },
    { record: RECORDED.budgetForecast, expr: sumOverLedgers('anthropic_budget_forecast_usd') },
    { record: RECORDED.budgetLimit, expr: limit },
    { record: RECORDED.budgetEvenPace, expr: ratio(limit, `(${end} - ${start})`) },
  ];
}

/**
 * The spend of the month as plimsoll has seen it: the maximum over the processes of each ledger, summed over ledgers;
 * without ledgers, summed over processes.
 */
function tierRules(): readonly RecordingRule[] {
  const seen = series('anthropic_tier_spend_usd');
  const ledgerOf = `topk by (job, instance) (1, 0 * ${series('anthropic_budget_ledger_up')} + 1)`;
  const byLedger = `max by (organization, ledger_id) (${seen} * on (job, instance) group_left (ledger_id) ${ledgerOf})`;
  const cap = `max by (organization) (${series('anthropic_tier_monthly_cap_usd')})`;
  const spend = [`sum by (organization) (${byLedger})`, `sum by (organization) (${seen})`];
  return [
    { record: RECORDED.tierSpend, expr: spend.join(' or ') },
    { record: RECORDED.tierProgress, expr: ratio(RECORDED.tierSpend, cap) },
  ];
}

function perCallRules(): readonly RecordingRule[] {
  const rate = (counted: string): string => sumBy('job, model', `rate(${counted}[6h])`);
  const answered = series('anthropic_requests_total', 'outcome="ok"');
  return [
    { record: RECORDED.costPerCall, expr: ratio(rate(series('anthropic_cost_usd_total')), rate(answered)) },
    { record: RECORDED.tokensPerCall, expr: ratio(rate(series('anthropic_tokens_total')), rate(answered)) },
    { record: RECORDED.answered, expr: sumBy('job, model', `increase(${answered}[6h])`) },
  ];
}

/** The names of the recorded series, for dashboards and alerts. */
export const RECORDED = {
  attempts: (window: '5m' | '1h') => `job_key_model:anthropic_attempts:increase${window}`,
  rateLimited: (window: '5m' | '1h') => `job_key_model_reason:anthropic_rate_limited:ratio_increase${window}`,
  overloaded: (window: '5m' | '1h') => `job_key_model:anthropic_overloaded:ratio_increase${window}`,
  failures: (window: SloWindow) => `job_key_model:anthropic_requests_failed:ratio_rate${window}`,
  slow: (window: SloWindow) => `job_key_model:anthropic_requests_slow:ratio_rate${window}`,
  failuresCounted: (window: SloWindow) => `job_key_model:anthropic_requests_failed:increase${window}`,
  slowCounted: (window: SloWindow) => `job_key_model:anthropic_requests_slow:increase${window}`,
  retriesPerCall: 'job_key_model:anthropic_retries_per_request:ratio_increase5m',
  waitShare: 'job_key_model:anthropic_retry_wait:ratio_increase5m',
  headroom: 'key_model_class_dimension:anthropic_ratelimit_headroom:ratio',
  budgetSpent: 'budget_period_scope:anthropic_budget_spent_usd:sum',
  budgetReserved: 'budget_period_scope:anthropic_budget_reserved_usd:sum',
  budgetForecast: 'budget_period_scope:anthropic_budget_forecast_usd:sum',
  budgetLimit: 'budget_period_scope:anthropic_budget_limit_usd:max',
  budgetEvenPace: 'budget_period_scope:anthropic_budget_even_pace_usd_per_second:max',
  tierSpend: 'organization:anthropic_tier_spend_usd:sum',
  tierProgress: 'organization:anthropic_tier_progress:ratio',
  costPerCall: 'job_model:anthropic_cost_usd_per_request:ratio_rate6h',
  tokensPerCall: 'job_model:anthropic_tokens_per_request:ratio_rate6h',
  answered: 'job_model:anthropic_requests_answered:increase6h',
} as const;
