import type { CounterName, GaugeName, HistogramName, MetricName, MoneyName } from '../record/metrics/catalogue.ts';

/** A counter of the catalogue, money included. */
export type Counter = CounterName | MoneyName;

/** Label matchers as written between braces: `outcome="ok"`. */
type Matchers = string;

/** A series of the catalogue; the compiler checks its name. Histograms are named by their parts. */
export function series(
  name: Exclude<MetricName, HistogramName> | `${HistogramName}_${'bucket' | 'sum' | 'count'}`,
  matchers: Matchers = '',
): string {
  return matchers === '' ? name : `${name}{${matchers}}`;
}

/**
 * The growth of each series in the window. A new series counts from zero: `increase()` alone says 0 for a counter that
 * starts with the value 7. Only a series that was missing for an hour counts as new, so that a pause of Prometheus does not
 * make old counts look new.
 */
export function growth(
  name: Counter | `${HistogramName}_${'sum' | 'count'}`,
  window: string,
  matchers: Matchers = '',
): string {
  return grown(series(name, matchers), window);
}

/** The same for a complete selector. */
export function grown(counted: string, window: string): string {
  return `((${counted} unless last_over_time(${counted}[1h] offset ${window})) or increase(${counted}[${window}]))`;
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
export function bucketEdge(seconds: number): Matchers {
  const [whole = '', part] = String(seconds).split('.');
  return part === undefined ? `le=~"${whole}(\\\\.0)?"` : `le="${seconds}"`;
}

/**
 * A gauge per ledger: the maximum over the replicas of each ledger, summed over the ledgers. Correct both for one shared
 * ledger and for one ledger per replica.
 */
export function sumOverLedgers(
  name: Extract<GaugeName, `anthropic_budget_${string}`>,
  matchers: Matchers = '',
): string {
  return `sum by (budget, period, scope) (max by (budget, period, scope, ledger_id) (${series(name, matchers)}))`;
}
