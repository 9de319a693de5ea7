import { latencyObjectives } from './latency-objectives.ts';
import { bucketEdge, grouped, recordedWindow, selector, series, sumBy } from './promql.ts';
import type { RecordingRule, RuleGroup } from './rule.ts';
import type { MonitoringSettings } from './settings.ts';

/**
 * Counters as their growth from one evaluation to the next, without `instance`, `pod` and attribution. What happened in a
 * window is `sum_over_time` of it: nothing is extrapolated, and as many samples are read for one pod as for two hundred.
 *
 * A counter that falls says that its process was restarted, but one that stands at 3 again after a crash does not, and a
 * counter that is new to Prometheus may be old. So each process says when it began to count
 * (`plimsoll_start_time_seconds`): another start is another life, and counts from zero.
 */

/** A family of counters that is recorded. */
interface Family {
  /** The selector of its series. */
  readonly counted: string;
  /** The labels that are kept. */
  readonly labels: readonly string[];
  /**
   * Counts what a process did between the last evaluation and its end, too. It takes as long again to evaluate, so it is
   * for families with few series.
   */
  readonly hasTail?: true;
}

const CALL = ['key', 'model', 'operation'] as const;
const MODEL = ['key', 'model'] as const;
const BUDGET = ['budget', 'period', 'scope'] as const;

/** What is recorded every minute, whatever the settings. */
const PLAIN = {
  cost_usd: { counted: series('anthropic_cost_usd_total'), labels: [...CALL, 'kind'] },
  // Of the histogram: the same calls by the same labels, without attribution.
  requests: { counted: series('anthropic_request_duration_seconds_count'), labels: [...CALL, 'outcome'] },
  refusals: {
    counted: series('anthropic_refusals_total'),
    labels: [...MODEL, 'category', 'billing'],
    hasTail: true,
  },
  attempts: { counted: series('anthropic_attempts_total'), labels: [...MODEL, 'status'] },
  rate_limited: { counted: series('anthropic_rate_limited_total'), labels: [...MODEL, 'reason'] },
  overloaded: { counted: series('anthropic_overloaded_total'), labels: MODEL },
  retries: { counted: series('anthropic_retries_total'), labels: [...MODEL, 'reason'] },
  retry_wait_seconds: { counted: series('anthropic_retry_wait_seconds_total'), labels: MODEL },
  request_seconds: { counted: series('anthropic_request_duration_seconds_sum'), labels: MODEL },
  unpriced: { counted: series('anthropic_unpriced_requests_total'), labels: MODEL, hasTail: true },
  spend_limited: { counted: series('anthropic_spend_limited_total'), labels: [...MODEL, 'scope'], hasTail: true },
  budget_spend_usd: { counted: series('anthropic_budget_spend_usd_total'), labels: BUDGET, hasTail: true },
  budget_decisions: {
    counted: series('anthropic_budget_decisions_total'),
    labels: ['budget', 'decision'],
    hasTail: true,
  },
  budget_thresholds: {
    counted: series('anthropic_budget_thresholds_reached_total'),
    labels: ['budget', 'threshold'],
    hasTail: true,
  },
  tier_seen_usd: { counted: series('anthropic_tier_seen_usd_total'), labels: ['organization'], hasTail: true },
  bill_polls: { counted: series('anthropic_bill_polls_total'), labels: ['organization', 'outcome'], hasTail: true },
  pace_turns: { counted: series('anthropic_pace_turns_total'), labels: ['pace', 'lane', 'end'] },
  pace_wait_seconds: { counted: series('anthropic_pace_wait_seconds_sum'), labels: ['pace', 'lane', 'cause'] },
  pace_avoided: { counted: series('anthropic_pace_avoided_total'), labels: ['pace', 'lane'] },
  pace_used: { counted: series('anthropic_pace_used_total'), labels: ['pace', 'model_class', 'dimension'] },
  pace_surprises: { counted: series('anthropic_pace_surprises_total'), labels: ['pace', 'model_class'] },
  gateway_refusals: { counted: series('plimsoll_gateway_refusals_total'), labels: ['reason'], hasTail: true },
  gateway_faults: { counted: series('plimsoll_gateway_faults_total'), labels: ['part', 'cause'], hasTail: true },
  worker_exits: { counted: series('plimsoll_gateway_worker_exits_total'), labels: ['cause'], hasTail: true },
  errors: { counted: series('plimsoll_errors_total'), labels: ['stage'], hasTail: true },
  label_values_dropped: {
    counted: series('plimsoll_label_values_dropped_total'),
    labels: ['label'],
    hasTail: true,
  },
} as const satisfies Readonly<Record<string, Family>>;

/** What is recorded every minute of the bounds that objectives and limits are set to. */
function bounded(settings: MonitoringSettings) {
  const used = `le=~"${1 - settings.headroomRatio}|[+]Inf"`;
  const inTime = latencyObjectives(settings).map(({ matcher, seconds }) =>
    series('anthropic_request_duration_seconds_bucket', ['outcome="ok"', ...matcher, bucketEdge(seconds)].join(', ')),
  );
  return {
    in_time: { counted: inTime.length === 1 ? inTime.join() : `(${inTime.join(' or ')})`, labels: MODEL },
    limit_used: {
      counted: series('anthropic_ratelimit_used_ratio_bucket', used),
      labels: ['key', 'model_class', 'dimension', 'le'],
    },
  } as const satisfies Readonly<Record<string, Family>>;
}

/** What no alert waits for is recorded half as often: of all families, these have most series. */
const SLOW = {
  tokens: { counted: series('anthropic_tokens_total'), labels: [...CALL, 'kind'] },
  stop_reasons: { counted: series('anthropic_stop_reasons_total'), labels: [...MODEL, 'stop_reason'] },
  cache_misses: { counted: series('anthropic_cache_misses_total'), labels: [...MODEL, 'reason'] },
} as const satisfies Readonly<Record<string, Family>>;

/** What is recorded for each attribution label: all labels in one reading of the series, then each alone. */
const ATTRIBUTED = {
  cost_usd: series('anthropic_cost_usd_total'),
  requests: series('anthropic_requests_total'),
} as const;

type FamilyName = keyof typeof PLAIN | keyof ReturnType<typeof bounded> | keyof typeof SLOW;

/** Recorded growth, by its name. Those of attribution labels are `cost_usd_by_route`, `requests_by_route`. */
export type GrowthName = FamilyName | `${keyof typeof ATTRIBUTED}_by_${string}`;

/** The recorded growth of a family, whatever the window. */
export function growthOf(name: GrowthName, matchers = ''): string {
  return selector(`plimsoll:${name}:growth`, matchers);
}

interface Selected {
  readonly matchers?: string;
  readonly ago?: string | undefined;
}

/** What a family grew by in the window, or in one that ended so long ago, for each combination of its labels. */
export function grew(name: GrowthName, window: string, { matchers = '', ago }: Selected = {}): string {
  const offset = ago === undefined ? '' : ` offset ${ago}`;
  return `sum_over_time(${growthOf(name, matchers)}[${recordedWindow(window)}]${offset})`;
}

/** The labels of every series that `growthGroups` records, by its name, without `job` and `--group-by`. */
export function growthLabels(settings: MonitoringSettings): ReadonlyMap<string, readonly string[]> {
  const labels = new Map<string, readonly string[]>();
  for (const { level, families, parts = [] } of clocks(settings)) {
    for (const marker of MARKERS) labels.set(markerName(level, marker), ['instance']);
    for (const [name, family] of Object.entries(families)) {
      labels.set(sumName(name), ['instance', ...family.labels]);
      labels.set(growthOf(name as GrowthName), family.labels);
      for (const part of parts) labels.set(partName(name, part), [part]);
    }
  }
  return labels;
}

/** Rules that are evaluated at the same moments, so that they know of the same restarts. */
interface GrowthClock {
  readonly group: string;
  readonly interval: string;
  /** The first part of the names of its markers. */
  readonly level: string;
  /** A process that is found so soon after its start counts from zero: longer than the interval, shorter than `MEMORY`. */
  readonly youngSeconds: number;
  readonly families: Readonly<Record<string, Family>>;
  /** Labels of which each is recorded alone, too: what is drawn by one of them. */
  readonly parts?: readonly string[];
}

function clocks(settings: MonitoringSettings): readonly GrowthClock[] {
  const { growthSeconds } = settings;
  const attributed = Object.entries(ATTRIBUTED).map(
    ([name, counted]) => [`${name}_by_attribution`, { counted, labels: settings.attributionLabels }] as const,
  );
  const all: readonly GrowthClock[] = [
    {
      group: 'plimsoll_growth',
      interval: `${growthSeconds}s`,
      level: 'plimsoll:instance',
      youngSeconds: 300,
      families: { ...PLAIN, ...bounded(settings) },
    },
    {
      group: 'plimsoll_growth_slow',
      interval: `${2 * growthSeconds}s`,
      level: 'plimsoll:instance_slow',
      youngSeconds: 300,
      families: SLOW,
    },
    {
      group: 'plimsoll_growth_attribution',
      interval: '5m',
      level: 'plimsoll:instance_attribution',
      youngSeconds: 600,
      families: settings.attributionLabels.length === 0 ? {} : Object.fromEntries(attributed),
      parts: settings.attributionLabels,
    },
  ];
  return all.filter(({ families }) => Object.keys(families).length > 0);
}

/** The groups that record growth. */
export function growthGroups(settings: MonitoringSettings): readonly RuleGroup[] {
  return clocks(settings).map((clock) => ({
    name: clock.group,
    interval: clock.interval,
    rules: [
      ...markerRules(settings, clock),
      ...Object.entries(clock.families).flatMap(([name, family]) => familyRules(settings, { name, family, clock })),
    ],
  }));
}

/** An outage of Prometheus up to this long is made good in one step; counters that were missing for longer begin anew. */
const MEMORY = '2h';

/** What the rule recorded at the evaluation before this one. */
function before(recorded: string): string {
  return `last_over_time(${recorded}[${MEMORY}] offset 1s)`;
}

const MARKERS = ['ended', 'start_time_seconds', 'counts_from_zero', 'restarted'] as const;

type Marker = (typeof MARKERS)[number];

function markerName(level: string, marker: Marker): string {
  return `${level}:${marker}`;
}

function markerRules(settings: MonitoringSettings, { level, youngSeconds }: GrowthClock): readonly RecordingRule[] {
  const by = grouped(settings, 'instance');
  const start = series('plimsoll_start_time_seconds');
  const marker = (of: Marker): string => markerName(level, of);
  const [ended, started] = [marker('ended'), marker('start_time_seconds')];
  const oneLife = `max_over_time(${start}[1m]) == min_over_time(${start}[1m])`;
  return [
    // Two lives in the minute: the values of the first would be taken for growth of the second.
    { record: ended, expr: `max by (${by}) (${oneLife}) unless max by (${by}) (${start})` },
    { record: started, expr: `max by (${by}) (${start}) or ${ended}` },
    // Prometheus knew this process, so a counter that is new is new; or the process is young.
    {
      record: marker('counts_from_zero'),
      expr: `(${started} and ${before(started)}) or ${started} > time() - ${youngSeconds}`,
    },
    { record: marker('restarted'), expr: `${started} != ${before(started)}` },
  ];
}

/** `plimsoll:cost_usd_by_route:growth` */
function partName(name: string, part: string): string {
  return growthOf(name.replace('attribution', part) as GrowthName);
}

interface FamilyOptions {
  readonly name: string;
  readonly family: Family;
  readonly clock: GrowthClock;
}

function sumName(name: string): string {
  return `plimsoll:instance:${name}:sum`;
}

/**
 * The counters of a process, added up; and by how much that has grown since the evaluation before. All counters of a
 * process are reset together, so one subtraction for all of them is right. Zeros are left out: most sums are.
 */
function familyRules(settings: MonitoringSettings, { name, family, clock }: FamilyOptions): readonly RecordingRule[] {
  const { counted, labels, hasTail = false } = family;
  const at = `on (${grouped(settings, 'instance')})`;
  const marker = (of: Marker): string => markerName(clock.level, of);
  const by = grouped(settings, 'instance', ...labels);
  const sum = sumName(name);
  const tail = `(${sumBy(by, `last_over_time(${counted}[1m])`)} and ${at} ${marker('ended')})`;
  const sums = [
    // After the sum: to filter hundreds of thousands of series takes a third as long as to add them up.
    `(${sumBy(by, counted)} > 0)`,
    ...(hasTail ? [tail] : []),
    // Else the first value of the new life would be compared with the last of the old one, a minute later.
    `(0 * ${before(sum)} and ${at} ${marker('restarted')})`,
  ];
  // A sum that falls in the same life has lost a label set: that is no reset.
  const grown = `(clamp_min(${sum} - ${before(sum)}, 0) unless ${at} ${marker('restarted')})`;
  const born = `(${sum} and ${at} ${marker('counts_from_zero')})`;
  const growth = growthOf(name as GrowthName);
  return [
    { record: sum, expr: sums.join(' or ') },
    { record: growth, expr: sumBy(grouped(settings, ...labels), `${grown} or ${born}`) },
    ...(clock.parts ?? []).map((part) => ({
      record: partName(name, part),
      expr: sumBy(grouped(settings, part), growth),
    })),
  ];
}
