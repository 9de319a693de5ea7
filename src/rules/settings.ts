import { ConfigurationError, unfit, type Problem } from '../errors.ts';
import { CALL_SECONDS } from '../record/metrics/metric.ts';

/**
 * What dashboards and rules are made from. For each: when you would change it, and what happens then. Ratios are from
 * 0 to 1, times are seconds, windows are Prometheus durations.
 */
export interface MonitoringSettings {
  /** Scrape jobs that must be there: add yours, and a page comes when Prometheus cannot scrape any target of one. */
  readonly jobs: readonly string[];
  /** Where runbooks are read; the alert's name is appended. Change it when you keep your own. */
  readonly runbookBaseUrl: string;
  /** Where Grafana is; dashboards' paths are appended. */
  readonly dashboardBaseUrl: string;
  /** Share of calls that must not fail, by the server's or the network's fault. Nearer to 1 pages sooner. */
  readonly successObjective: number;
  /** Share of answered calls that must end within `latencySeconds`. */
  readonly latencyObjective: number;
  /** An edge of the buckets of `anthropic_request_duration_seconds`. Raise it for long answers. */
  readonly latencySeconds: number;
  /** Failed calls in the longer window before an SLO alert can fire. Raise it where few calls make ratios jump. */
  readonly sloMinFailures: number;
  /** Share of attempts that one limiter refuses in 5 minutes. */
  readonly rateLimitedRatio: number;
  /** The same in an hour, for limiters and overloads: a spike that is over does not fire. */
  readonly refusedHourRatio: number;
  /** Attempts in 5 minutes before a ratio of attempts can fire. */
  readonly minAttempts: number;
  readonly overloadedRatio: number;
  /** Retries per call, and how many in 5 minutes make a storm. */
  readonly retriesPerCall: number;
  readonly minRetries: number;
  /** Share of the time of calls that is spent waiting between attempts. */
  readonly waitRatio: number;
  /** What is left of a rate limit, as a share. */
  readonly headroomRatio: number;
  /** Share of the tier's monthly cap. */
  readonly tierCapRatio: number;
  /** Multiples of an even pace through the budget's period. */
  readonly budgetBurnFast: number;
  readonly budgetBurnSlow: number;
  /** Part of a budget's period that must be over before its forecast is believed. */
  readonly forecastAfterRatio: number;
  /** Cost or tokens per call, against the same hours a week ago. */
  readonly perCallGrowth: number;
  /** Calls in 6 hours, now and a week ago, before the two are compared. */
  readonly minCallsCompared: number;
  /** Share of answers that end at `max_tokens`. */
  readonly truncatedRatio: number;
  readonly minAnswers: number;
  readonly priceTableMaxAgeDays: number;
}

export const DEFAULT_SETTINGS: MonitoringSettings = {
  jobs: ['plimsoll'],
  runbookBaseUrl: 'http://127.0.0.1:9464/runbooks/',
  dashboardBaseUrl: 'http://127.0.0.1:3000',
  successObjective: 0.99,
  latencyObjective: 0.95,
  latencySeconds: 32,
  sloMinFailures: 10,
  rateLimitedRatio: 0.05,
  refusedHourRatio: 0.01,
  minAttempts: 20,
  overloadedRatio: 0.05,
  retriesPerCall: 0.5,
  minRetries: 30,
  waitRatio: 0.3,
  headroomRatio: 0.1,
  tierCapRatio: 0.9,
  budgetBurnFast: 14.4,
  budgetBurnSlow: 6,
  forecastAfterRatio: 0.04,
  perCallGrowth: 1.5,
  minCallsCompared: 100,
  truncatedRatio: 0.1,
  minAnswers: 50,
  priceTableMaxAgeDays: 90,
};

/** The settings with the defaults in place of what is not given. Throws a `ConfigurationError` with all problems. */
export function monitoringSettings(given: Partial<MonitoringSettings> = {}): MonitoringSettings {
  const settings = { ...DEFAULT_SETTINGS, ...given };
  const problems = [...jobProblems(settings), ...urlProblems(settings), ...figureProblems(settings)];
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

function urlProblems(settings: MonitoringSettings): readonly Problem[] {
  return (['runbookBaseUrl', 'dashboardBaseUrl'] as const)
    .filter((name) => !/^https?:\/\/[^\s'"{}]+$/.test(settings[name]))
    .map((name) => unfit(name, settings[name], { expected: 'an http or https URL', advice: 'write it in full' }));
}

/** Ratios of which 0 or 1 would always or never fire. */
const BETWEEN_0_AND_1 = [
  'successObjective',
  'latencyObjective',
  'rateLimitedRatio',
  'refusedHourRatio',
  'overloadedRatio',
  'waitRatio',
  'headroomRatio',
  'tierCapRatio',
  'forecastAfterRatio',
  'truncatedRatio',
] as const satisfies readonly (keyof MonitoringSettings)[];

function figureProblems(settings: MonitoringSettings): readonly Problem[] {
  const ratios = new Set<string>(BETWEEN_0_AND_1);
  const problems = Object.entries(settings).flatMap(([name, value]) => {
    if (typeof DEFAULT_SETTINGS[name as keyof MonitoringSettings] !== 'number') return [];
    const range = ratios.has(name) ? 'between 0 and 1' : 'above 0';
    const fits = typeof value === 'number' && value > 0 && value < (ratios.has(name) ? 1 : Infinity);
    return fits ? [] : [unfit(name, value, { expected: `a number ${range}`, advice: 'see docs/monitoring.md' })];
  });
  const edges: readonly number[] = CALL_SECONDS;
  if (edges.includes(settings.latencySeconds)) return problems;
  const wanted = { expected: `one of ${edges.join(', ')}`, advice: 'choose an edge of the histogram' };
  return [...problems, unfit('latencySeconds', settings.latencySeconds, wanted)];
}

/** A pair of windows and the multiple of the error budget's even pace at which both must burn. */
interface BurnWindow {
  readonly severity: 'page' | 'ticket';
  readonly long: SloWindow;
  readonly short: SloWindow;
  readonly factor: number;
}

/**
 * Of an error budget for 30 days, the page windows spend 2 % in an hour or 5 % in six hours, the ticket windows 10 % in a day
 * or in three. Source: "Alerting on SLOs", The Site Reliability Workbook, chapter 5.
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
