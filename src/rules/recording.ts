import type { HistogramName } from '../record/metrics/catalogue.ts';
import { FAILED, NOT_RATE_LIMITS } from './covered.ts';
import { grew, growthGroups, growthLabels, growthOf, type GrowthName } from './growth.ts';
import { grouped, orZero, ratio, series, sumBy } from './promql.ts';
import { cacheGroup, cacheLabels, RECORDED_CACHE } from './recording-cache.ts';
import { budgetRules, datedRules, RECORDED_BUDGETS, RECORDED_TIER, tierRules } from './recording-money.ts';
import type { RecordingRule, RuleGroup } from './rule.ts';
import { BURN_WINDOWS, SLO_WINDOWS, type MonitoringSettings, type SloWindow } from './settings.ts';

/** All recording rules, in one group per concern. What stands on growth sees it at its own next evaluation. */
export function recordingGroups(settings: MonitoringSettings): readonly RuleGroup[] {
  const group = (name: string, rules: readonly RecordingRule[]): RuleGroup => ({ name, interval: '1m', rules });
  const slow = (name: string, rules: readonly RecordingRule[]): RuleGroup => ({ name, interval: '2m', rules });
  const [growth, ...slower] = growthGroups(settings);
  return [
    ...(growth === undefined ? [] : [{ ...growth, rules: [...growth.rules, ...datedRules(settings)] }]),
    ...slower,
    // No alert waits for it, and buckets are many.
    slow('plimsoll_pace', paceRules(settings)),
    group('plimsoll_attempts', [...attemptRules(settings), ...processRules(settings)]),
    group(
      'plimsoll_slo',
      SLO_WINDOWS.flatMap((window) => sloRules(settings, window)),
    ),
    group('plimsoll_slo_volume', [
      ...BURN_WINDOWS.flatMap(({ long }) => volumeRules(settings, long)),
      ...objectiveRules(settings),
    ]),
    group('plimsoll_limits', limitRules(settings)),
    group('plimsoll_budgets', budgetRules(settings)),
    group('plimsoll_tier', tierRules(settings)),
    group('plimsoll_per_call', perCallRules(settings)),
    cacheGroup(settings),
  ];
}

const MODEL = ['key', 'model'] as const;

/** Quotients of what happened in a window: of calls, not of the minutes in which they were made. */
function attemptRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const by = (...labels: readonly string[]): string => grouped(settings, ...labels);
  const total = (name: GrowthName, window: string, matchers = ''): string =>
    sumBy(by(...MODEL), grew(name, window, { matchers }));
  // Growth that is recorded more often than this rule must not be read at one moment: the rest would be missed.
  const lastMinute = (name: GrowthName, matchers = ''): string =>
    settings.growthSeconds < 60 ? grew(name, '1m', { matchers }) : growthOf(name, matchers);
  return [
    ...REFUSAL_WINDOWS.flatMap((window) => [
      { record: RECORDED.attempts(window), expr: total('attempts', window) },
      {
        record: RECORDED.rateLimited(window),
        expr: ratio(
          sumBy(by(...MODEL, 'reason'), grew('rate_limited', window)),
          RECORDED.attempts(window),
          `on (${by(...MODEL)}) group_left ()`,
        ),
      },
      {
        record: RECORDED.overloaded(window),
        expr: ratio(total('overloaded', window), RECORDED.attempts(window)),
      },
      {
        record: RECORDED.waitShare(window),
        expr: ratio(total('retry_wait_seconds', window), total('request_seconds', window)),
      },
    ]),
    {
      record: RECORDED.retriesPerCall,
      expr: ratio(total('retries', '5m'), total('requests', '5m', 'outcome!="blocked"')),
    },
    {
      record: RECORDED.limitReached,
      // 0 where something was sent: nothing is recorded of limits before the first is reached.
      expr:
        `(${sumBy(by(...MODEL), lastMinute('rate_limited', `reason!~"${NOT_RATE_LIMITS}"`))} > bool 0) ` +
        `or 0 * ${sumBy(by(...MODEL), lastMinute('attempts'))}`,
    },
  ];
}

function processRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const by = (...labels: readonly string[]): string => grouped(settings, ...labels);
  return [
    {
      record: RECORDED.replicas,
      expr: `count by (${by()}) (group by (${by('instance')}) (${series('plimsoll_build_info')}))`,
    },
    {
      record: RECORDED.versions,
      expr: `count by (${by('version')}) (group by (${by('instance', 'version')}) (${series('plimsoll_service_info')}))`,
    },
  ];
}

const REFUSAL_WINDOWS = ['5m', '1h'] as const;

type RefusalWindow = (typeof REFUSAL_WINDOWS)[number];

/** Ratios for the SLO alerts, of all calls of the window: an average of short ratios would weigh quiet hours like busy ones. */
function sloRules(settings: MonitoringSettings, window: SloWindow): readonly RecordingRule[] {
  const total = (name: GrowthName, matchers = ''): string =>
    sumBy(grouped(settings, ...MODEL), grew(name, window, { matchers }));
  const judged = total('requests', `outcome=~"ok|${FAILED}"`);
  const failed = total('requests', `outcome=~"${FAILED}"`);
  const answered = total('requests', 'outcome="ok"');
  return [
    { record: RECORDED.failures(window), expr: ratio(orZero(failed, judged), judged) },
    { record: RECORDED.slow(window), expr: `1 - ${ratio(orZero(total('in_time'), answered), answered)}` },
  ];
}

/** What an error budget is counted by: its length is the reader's to choose. */
function objectiveRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const { successObjective, latencyObjective } = settings;
  const allowed = (objective: number): string => `0 * ${RECORDED.replicas} + ${Number((1 - objective).toPrecision(6))}`;
  const judged = sumBy(grouped(settings, ...MODEL), grew('requests', '1h', { matchers: `outcome=~"ok|${FAILED}"` }));
  return [
    { record: RECORDED.failuresAllowed, expr: allowed(successObjective) },
    { record: RECORDED.slowAllowed, expr: allowed(latencyObjective) },
    { record: RECORDED.judgedCounted, expr: judged },
  ];
}

/** Counts behind the ratios of the long windows: three slow calls out of four are no trend. */
function volumeRules(settings: MonitoringSettings, window: SloWindow): readonly RecordingRule[] {
  const total = (name: GrowthName, matchers = ''): string =>
    sumBy(grouped(settings, ...MODEL), grew(name, window, { matchers }));
  return [
    { record: RECORDED.failuresCounted(window), expr: total('requests', `outcome=~"${FAILED}"`) },
    { record: RECORDED.slowCounted(window), expr: `${RECORDED.slow(window)} * ${total('requests', 'outcome="ok"')}` },
  ];
}

/** Older headers are ignored: a replica that stopped calling keeps its last value. */
const HEADERS_FRESH_SECONDS = 300;

function limitRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const by = grouped(settings, ...LIMIT);
  const seen = series('anthropic_ratelimit_observed_timestamp_seconds');
  const fresh = `${series('anthropic_ratelimit_remaining')} and (time() - ${seen} < ${HEADERS_FRESH_SECONDS})`;
  const responses = (matchers: string): string => sumBy(by, grew('limit_used', '10m', { matchers }));
  return [
    { record: RECORDED.limit, expr: `max by (${by}) (${series('anthropic_ratelimit_limit')})` },
    { record: RECORDED.remaining, expr: `min by (${by}) (${fresh})` },
    { record: RECORDED.limitResponses, expr: responses('le="+Inf"') },
    {
      record: RECORDED.nearLimit,
      expr: `1 - ${ratio(orZero(responses('le!="+Inf"'), RECORDED.limitResponses), RECORDED.limitResponses)}`,
    },
  ];
}

const LIMIT = ['key', 'model_class', 'dimension'] as const;

/** Histograms that dashboards draw, by the labels that they keep. */
const PACED = {
  anthropic_request_duration_seconds: [...MODEL, 'operation'],
  anthropic_time_to_first_token_seconds: MODEL,
  anthropic_time_per_output_token_seconds: MODEL,
  anthropic_max_tokens_ratio: MODEL,
  anthropic_ratelimit_used_ratio: LIMIT,
} as const satisfies Partial<Record<HistogramName, readonly string[]>>;

export type PacedHistogram = keyof typeof PACED;

/**
 * Observations per second, by bucket. Quantiles are not added up, so the first observations of a process may be missing.
 * Calls that failed are left out: their durations say nothing about answers.
 */
function paceRules(settings: MonitoringSettings): readonly RecordingRule[] {
  return (Object.keys(PACED) as PacedHistogram[]).map((name) => {
    const answered = name === 'anthropic_request_duration_seconds' ? 'outcome="ok"' : '';
    const rate = `rate(${series(`${name}_bucket`, answered)}[5m])`;
    return { record: RECORDED.buckets(name), expr: sumBy(grouped(settings, ...PACED[name], 'le'), rate) };
  });
}

function perCallRules(settings: MonitoringSettings): readonly RecordingRule[] {
  const total = (name: GrowthName, matchers = ''): string =>
    sumBy(grouped(settings, 'model'), grew(name, '6h', { matchers }));
  const answered = total('requests', 'outcome="ok"');
  return [
    { record: RECORDED.costPerCall, expr: ratio(total('cost_usd'), answered) },
    { record: RECORDED.tokensPerCall, expr: ratio(total('tokens'), answered) },
    { record: RECORDED.answered, expr: answered },
  ];
}

/** The names of the recorded series, for dashboards and alerts. `growthOf` names those of counters. */
export const RECORDED = {
  attempts: (window: RefusalWindow) => `plimsoll:attempts:sum${window}`,
  rateLimited: (window: RefusalWindow) => `plimsoll:rate_limited:ratio${window}`,
  overloaded: (window: RefusalWindow) => `plimsoll:overloaded:ratio${window}`,
  waitShare: (window: RefusalWindow) => `plimsoll:retry_wait:ratio${window}`,
  retriesPerCall: 'plimsoll:retries_per_request:ratio5m',
  limitReached: 'plimsoll:limit_reached:bool1m',
  replicas: 'plimsoll:replicas:count',
  versions: 'plimsoll:service_version:count',
  failures: (window: SloWindow) => `plimsoll:requests_failed:ratio${window}`,
  slow: (window: SloWindow) => `plimsoll:requests_slow:ratio${window}`,
  failuresCounted: (window: SloWindow) => `plimsoll:requests_failed:sum${window}`,
  slowCounted: (window: SloWindow) => `plimsoll:requests_slow:sum${window}`,
  failuresAllowed: 'plimsoll:requests_failed:allowed',
  slowAllowed: 'plimsoll:requests_slow:allowed',
  judgedCounted: 'plimsoll:requests_judged:sum1h',
  limit: 'plimsoll:ratelimit_limit:max',
  remaining: 'plimsoll:ratelimit_remaining:min',
  limitResponses: 'plimsoll:ratelimit_responses:sum10m',
  nearLimit: 'plimsoll:ratelimit_near:ratio10m',
  buckets: (name: PacedHistogram) => `plimsoll:${name.replace('anthropic_', '')}_bucket:rate5m`,
  costPerCall: 'plimsoll:cost_usd_per_request:ratio6h',
  tokensPerCall: 'plimsoll:tokens_per_request:ratio6h',
  answered: 'plimsoll:requests_answered:sum6h',
  ...RECORDED_BUDGETS,
  ...RECORDED_TIER,
  ...RECORDED_CACHE,
} as const;

/** The labels of every recorded series by its name, without `job` and `--group-by`, which all of them have. */
export function recordedLabels(settings: MonitoringSettings): ReadonlyMap<string, readonly string[]> {
  const named = (labels: readonly string[], ...names: readonly string[]) =>
    names.map((name) => [name, labels] as const);
  const { attempts, rateLimited, overloaded, waitShare, failures, slow, failuresCounted, slowCounted } = RECORDED;
  return new Map<string, readonly string[]>([
    ...growthLabels(settings),
    ...named(MODEL, ...REFUSAL_WINDOWS.flatMap((window) => [attempts, overloaded, waitShare].map((of) => of(window)))),
    ...named([...MODEL, 'reason'], ...REFUSAL_WINDOWS.map(rateLimited)),
    ...named(MODEL, RECORDED.retriesPerCall, RECORDED.limitReached),
    ...named([], RECORDED.replicas, RECORDED.failuresAllowed, RECORDED.slowAllowed),
    ...named(MODEL, RECORDED.judgedCounted),
    ...named(['version'], RECORDED.versions),
    ...named(
      MODEL,
      ...SLO_WINDOWS.flatMap((window) => [failures, slow, failuresCounted, slowCounted].map((of) => of(window))),
    ),
    ...named(LIMIT, RECORDED.limit, RECORDED.remaining, RECORDED.limitResponses, RECORDED.nearLimit),
    ...(Object.keys(PACED) as PacedHistogram[]).flatMap((name) =>
      named([...PACED[name], 'le'], RECORDED.buckets(name)),
    ),
    ...cacheLabels(settings),
    ...named(['model'], RECORDED.costPerCall, RECORDED.tokensPerCall, RECORDED.answered),
    ...named(['budget', 'period', 'scope'], ...Object.values(RECORDED_BUDGETS)),
    ...named(['organization'], ...Object.values(RECORDED_TIER)),
    ...named(['organization', 'month'], RECORDED_TIER.tierDated),
  ]);
}
