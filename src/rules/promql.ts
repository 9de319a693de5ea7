import type { HistogramName, MetricName } from '../record/metrics/catalogue.ts';
import type { MonitoringSettings } from './settings.ts';

/** Label matchers as written between braces: `outcome="ok"`. */
type Matchers = string;

/** A series of the catalogue; the compiler checks its name. Histograms are named by their parts. */
export function series(
  name: Exclude<MetricName, HistogramName> | `${HistogramName}_${'bucket' | 'sum' | 'count'}`,
  matchers: Matchers = '',
): string {
  return selector(name, matchers);
}

/** A name with its matchers, if there are any. */
export function selector(name: string, matchers: Matchers): string {
  return matchers === '' ? name : `${name}{${matchers}}`;
}

/** Labels after those that every recorded series keeps: the scrape job, and what tells teams and stages apart. */
export function grouped({ groupBy }: Pick<MonitoringSettings, 'groupBy'>, ...labels: readonly string[]): string {
  return ['job', ...groupBy, ...labels].join(', ');
}

export function sumBy(labels: string, expression: string): string {
  return `sum by (${labels}) (${expression})`;
}

/** A quotient that is absent, not NaN, if the divisor is 0. */
export function ratio(dividend: string, divisor: string, matching = ''): string {
  return `${dividend} / ${matching}${matching === '' ? '' : ' '}(${divisor} > 0)`;
}

/** `dividend`, or 0 if only `whole` has a series: a share of nothing is 0, not "no data". */
export function orZero(dividend: string, whole: string): string {
  return `(${dividend} or 0 * ${whole})`;
}

/**
 * Matches the `le` of a bucket as Prometheus 2 (`32`) and Prometheus 3 (`32.0`) spell it: a plain `le="32"` finds nothing
 * in one of the two.
 */
export function bucketEdge(bound: number): Matchers {
  const [whole = '', part] = String(bound).split('.');
  return part === undefined ? `le=~"${whole}(\\\\.0)?"` : `le="${bound}"`;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** Seconds of a duration such as `5m`. */
export function secondsOf(duration: string): number {
  const [, amount = '0', unit = 's'] = /^(\d+)([smhdw])$/.exec(duration) ?? [];
  return Number(amount) * (SECONDS[unit] ?? 1);
}

/**
 * A window over recorded samples, a second short of its length: Prometheus 2 counts the samples at both ends of a range,
 * and in a window of five minutes would find six that are a minute apart.
 */
export function recordedWindow(window: string): string {
  return `${secondsOf(window) - 1}s`;
}
