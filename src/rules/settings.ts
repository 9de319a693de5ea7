import { ConfigurationError, unfit, type Problem } from '../errors.ts';
import { CALL_SECONDS, RATIOS } from '../record/metrics/metric.ts';

/**
 * Settings of the dashboards and rules. Ratios are from 0 to 1, times are in seconds, windows are Prometheus durations.
 */
export interface MonitoringSettings {
  /** Scrape jobs that must have metrics. Add yours: it pages when Prometheus cannot scrape any target of one. */
  readonly jobs: readonly string[];
  /** Metrics are pushed and not scraped: alerts that read `up` are left out, because they would page forever. */
  readonly pushed: boolean;
  /**
   * Target labels that tell teams and stages apart, beside `job`: every recorded series and alert keeps them, and replicas
   * are added up within them. A label that targets do not have changes nothing.
   */
  readonly groupBy: readonly string[];
  /**
   * How often growth is recorded: 60. At 30 or 15, less is lost of processes that end or restart, and Prometheus works twice
   * or four times as much for it.
   */
  readonly growthSeconds: number;
  /**
   * Attribution labels by which cost and calls are recorded, for dashboards: `route`. Every series of both is read once more,
   * every five minutes, unless there are none. For a gateway, name `client`.
   */
  readonly attributionLabels: readonly string[];
  /** URL of the runbooks, to which the alert's name is appended: those of a live page that people reach, or a copy. */
  readonly runbookBaseUrl: string;
  /** URL of Grafana, to which the dashboards' paths are appended. */
  readonly dashboardBaseUrl: string;
  /** Share of calls that must succeed, not counting errors of the caller. Closer to 1 pages sooner. */
  readonly successObjective: number;
  /** Share of answered calls that must end within `latencySeconds`. */
  readonly latencyObjective: number;
  /** An edge of the buckets of `anthropic_request_duration_seconds`. Raise it for long responses. */
  readonly latencySeconds: number;
  /** Objectives of models that are slower or faster than the others, by the model's name in the metrics. */
  readonly latencyObjectives: Readonly<Record<string, LatencyObjective>>;
  /** Failed calls in the longer window before an SLO alert can fire. Raise it if few calls make ratios jump. */
  readonly sloMinFailures: number;
  /** Share of attempts that one limiter refuses in 5 minutes. */
  readonly rateLimitedRatio: number;
  /** The same for an hour, for limits and overloads, so that a spike that is over does not fire. */
  readonly refusedHourRatio: number;
  /** Attempts in 5 minutes before a ratio of attempts can fire. */
  readonly minAttempts: number;
  readonly overloadedRatio: number;
  /** Retries per call that make a storm, and the least number of retries in 5 minutes. */
  readonly retriesPerCall: number;
  readonly minRetries: number;
  /** Share of calls' time spent waiting between attempts. */
  readonly waitRatio: number;
  /** What is left of a rate limit, as a share, for a response to count as near it: 1 minus a bound of the buckets. */
  readonly headroomRatio: number;
  /** Share of the responses in 10 minutes that are near a limit, and the least number of responses. */
  readonly nearLimitRatio: number;
  readonly minResponses: number;
  /** Share of an hour's attempts that a limit refuses, where there are few; and the least number of refusals. */
  readonly hourlyRateLimitedRatio: number;
  readonly hourlyMinRefusals: number;
  /** Share of the tier's monthly cap. */
  readonly tierCapRatio: number;
  /**
   * Share of a day's budget that goes in one hour, and in six. Longer periods allow less: 0.25 is 0.058 of a week's and
   * 0.02 of a month's.
   */
  readonly budgetBurnFast: number;
  readonly budgetBurnSlow: number;
  /** Multiple of the budget that the pace so far leads to. */
  readonly forecastRatio: number;
  /** Growth of cost or tokens per call over the same hours a week ago. */
  readonly perCallGrowth: number;
  /** Calls in 6 hours, now and a week ago, that are needed for the comparison. */
  readonly minCallsCompared: number;
  /** Cache-read share of the input under which a model that reached it before has lost its cache, whatever the drop. */
  readonly cacheFloorRatio: number;
  /** Calls in an hour that are needed to judge the cache, and tokens written in six that should have been read. */
  readonly minCachedCalls: number;
  readonly minCacheWriteTokens: number;
  /** Share of responses that end at `max_tokens`. */
  readonly truncatedRatio: number;
  readonly minAnswers: number;
  /** Share of answers in which a model refused, and growth of that share over the day before. */
  readonly refusalRatio: number;
  readonly refusalGrowth: number;
  readonly priceTableMaxAgeDays: number;
  /** Share of a week's list amount by which the organization's bill differs where both saw the same calls. */
  readonly billDriftRatio: number;
  /** The part of the watched keys' list amount that plimsoll must have seen. */
  readonly billCoverageRatio: number;
  /** The age at which the report is stale: a day late is usual. */
  readonly billStaleSeconds: number;
  /** How long prepaid credit must last, and an active key. */
  readonly creditLeftSeconds: number;
  readonly keyExpiresSeconds: number;
  /** The time without use in the report after which a key is unused. */
  readonly keyIdleSeconds: number;
}

/** What `latencyObjective` and `latencySeconds` are for the other models. */
export interface LatencyObjective {
  readonly objective: number;
  readonly seconds: number;
}

export const DEFAULT_SETTINGS: MonitoringSettings = {
  jobs: ['plimsoll'],
  pushed: false,
  groupBy: ['cluster', 'namespace'],
  growthSeconds: 60,
  attributionLabels: ['route'],
  runbookBaseUrl: 'http://127.0.0.1:9464/runbooks/',
  dashboardBaseUrl: 'http://127.0.0.1:3000',
  successObjective: 0.99,
  latencyObjective: 0.95,
  latencySeconds: 32,
  latencyObjectives: {},
  sloMinFailures: 10,
  rateLimitedRatio: 0.05,
  refusedHourRatio: 0.01,
  minAttempts: 20,
  overloadedRatio: 0.05,
  retriesPerCall: 0.5,
  minRetries: 30,
  waitRatio: 0.3,
  headroomRatio: 0.1,
  nearLimitRatio: 0.1,
  minResponses: 20,
  hourlyRateLimitedRatio: 0.1,
  hourlyMinRefusals: 3,
  tierCapRatio: 0.9,
  budgetBurnFast: 0.25,
  budgetBurnSlow: 0.65,
  forecastRatio: 1.05,
  perCallGrowth: 1.5,
  minCallsCompared: 100,
  cacheFloorRatio: 0.1,
  minCachedCalls: 20,
  minCacheWriteTokens: 100_000,
  truncatedRatio: 0.1,
  minAnswers: 50,
  refusalRatio: 0.05,
  refusalGrowth: 2,
  priceTableMaxAgeDays: 90,
  billDriftRatio: 0.02,
  billCoverageRatio: 0.95,
  billStaleSeconds: 108_000,
  creditLeftSeconds: 604_800,
  keyExpiresSeconds: 2_592_000,
  keyIdleSeconds: 5_184_000,
};

/** Fills in the default settings. Throws a `ConfigurationError` with all problems. */
export function monitoringSettings(given: Partial<MonitoringSettings> = {}): MonitoringSettings {
  const settings = { ...DEFAULT_SETTINGS, ...given };
  const problems = [
    ...jobProblems(settings),
    ...labelProblems(settings),
    ...urlProblems(settings),
    ...figureProblems(settings),
    ...edgeProblems(settings),
    ...objectiveProblems(settings),
  ];
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_MONITORING_INVALID', problems);
  return settings;
}

function jobProblems({ jobs }: MonitoringSettings): readonly Problem[] {
  if (jobs.length === 0)
    return [unfit('jobs', undefined, { expected: 'one scrape job or more', advice: 'name the job of your service' })];
  return jobs
    .filter((job) => !/^[\w./-]+$/.test(job))
    .map((job) => unfit('jobs', job, { expected: 'letters, digits, ".", "_", "/" and "-"', advice: 'rename the job' }));
}

/** Labels that the rules themselves give a meaning. */
const TAKEN = new Set(['job', 'instance', 'le', 'alertname', 'alertstate', 'severity', 'ledger_id']);

function labelProblems(settings: MonitoringSettings): readonly Problem[] {
  const expected = 'names of labels, each once, other than those of the rules themselves';
  return (['groupBy', 'attributionLabels'] as const).flatMap((name) =>
    settings[name]
      .filter((label, index, all) => !/^[a-z_]\w*$/i.test(label) || TAKEN.has(label) || all.indexOf(label) !== index)
      .map((label) => unfit(name, label, { expected, advice: 'name labels of your scrape targets or of your calls' })),
  );
}

function urlProblems(settings: MonitoringSettings): readonly Problem[] {
  return (['runbookBaseUrl', 'dashboardBaseUrl'] as const)
    .filter((name) => !/^https?:\/\/[^\s'"{}]+$/.test(settings[name]))
    .map((name) => unfit(name, settings[name], { expected: 'an http or https URL', advice: 'write it in full' }));
}

/** Ratios at which 0 or 1 would fire always or never. */
const BETWEEN_0_AND_1 = [
  'successObjective',
  'latencyObjective',
  'rateLimitedRatio',
  'refusedHourRatio',
  'overloadedRatio',
  'waitRatio',
  'headroomRatio',
  'tierCapRatio',
  'nearLimitRatio',
  'hourlyRateLimitedRatio',
  'budgetBurnFast',
  'budgetBurnSlow',
  'cacheFloorRatio',
  'truncatedRatio',
  'refusalRatio',
  'billDriftRatio',
  'billCoverageRatio',
] as const satisfies readonly (keyof MonitoringSettings)[];

function figureProblems(settings: MonitoringSettings): readonly Problem[] {
  const ratios = new Set<string>(BETWEEN_0_AND_1);
  return Object.entries(settings).flatMap(([name, value]) => {
    if (typeof DEFAULT_SETTINGS[name as keyof MonitoringSettings] !== 'number') return [];
    const range = ratios.has(name) ? 'between 0 and 1' : 'above 0';
    const fits = typeof value === 'number' && value > 0 && value < (ratios.has(name) ? 1 : Infinity);
    return fits ? [] : [unfit(name, value, { expected: `a number ${range}` })];
  });
}

/** Nothing between the bounds of a histogram was counted, and windows are whole minutes. */
function edgeProblems(settings: MonitoringSettings): readonly Problem[] {
  const { latencySeconds, latencyObjectives, headroomRatio, growthSeconds } = settings;
  const left = RATIOS.filter((bound) => bound < 1).map((bound) => Number((1 - bound).toFixed(6)));
  const choices: readonly (readonly [name: string, value: number, edges: readonly number[]])[] = [
    ['latencySeconds', latencySeconds, CALL_SECONDS],
    ...Object.entries(latencyObjectives).map(
      ([model, { seconds }]) => [`latencyObjectives.${model}`, seconds, CALL_SECONDS] as const,
    ),
    ['headroomRatio', headroomRatio, left],
    ['growthSeconds', growthSeconds, [15, 30, 60]],
  ];
  return choices
    .filter(([, value, edges]) => !edges.includes(value))
    .map(([name, value, edges]) =>
      unfit(name, value, { expected: `one of ${edges.join(', ')}`, advice: 'choose one of them' }),
    );
}

function objectiveProblems(settings: MonitoringSettings): readonly Problem[] {
  const { successObjective, latencyObjective, latencyObjectives } = settings;
  return [
    ...impossible('successObjective', successObjective),
    ...impossible('latencyObjective', latencyObjective),
    ...Object.entries(latencyObjectives).flatMap(([model, { objective }]) => {
      const name = `latencyObjectives.${model}`;
      if (!/^[\w./:@-]+$/.test(model))
        return [unfit(name, model, { expected: 'the name of a model', advice: 'write it as the metrics do' })];
      const isShare = objective > 0 && objective < 1;
      return isShare ? impossible(name, objective) : [unfit(name, objective, { expected: 'a number between 0 and 1' })];
    }),
  ];
}

/** An objective at which an alert would need more than all calls to fail can never fire. */
function impossible(name: string, objective: number): readonly Problem[] {
  const most = Math.max(...BURN_WINDOWS.map(({ factor }) => factor));
  if (objective <= 0 || objective >= 1 || most * (1 - objective) < 1) return [];
  const share = Number((most * (1 - objective)).toPrecision(3));
  const arithmetic = `${most} × (1 − ${objective}) = ${share}, and no more than all calls can fail`;
  const least = Number((1 - 1 / most).toPrecision(4));
  return [unfit(name, objective, { expected: `above ${least}: ${arithmetic}`, advice: 'choose a higher one' })];
}

/** A pair of windows and the multiple of the error budget's even pace at which both must burn. */
interface BurnWindow {
  readonly severity: 'page' | 'ticket';
  readonly long: SloWindow;
  readonly short: SloWindow;
  readonly factor: number;
}

/**
 * The windows fire when an error budget of 30 days loses 2% in an hour or 5% in six hours (page), or 10% in one day or in
 * three (ticket). Source: "Alerting on SLOs", The Site Reliability Workbook, chapter 5.
 */
export const BURN_WINDOWS: readonly BurnWindow[] = [
  { severity: 'page', long: '1h', short: '5m', factor: 14.4 },
  { severity: 'page', long: '6h', short: '30m', factor: 6 },
  { severity: 'ticket', long: '1d', short: '2h', factor: 3 },
  { severity: 'ticket', long: '3d', short: '6h', factor: 1 },
];

/** Each window once, shortest first. */
export const SLO_WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;

export type SloWindow = (typeof SLO_WINDOWS)[number];
