import type { CounterName, GaugeName, HistogramName, MetricName, MoneyName } from '../record/metrics/catalogue.ts';

/** A counter of the catalogue, money included. */
export type Counter = CounterName | MoneyName;

/** Label matchers as they are written between braces: `outcome="ok"`. */
type Matchers = string;

/** A series of the catalogue, its name checked by the compiler. Histograms are asked for by their parts. */
export function series(
  name: Exclude<MetricName, HistogramName> | `${HistogramName}_${'bucket' | 'sum' | 'count'}`,
  matchers: Matchers = '',
): string {
  return matchers === '' ? name : `${name}{${matchers}}`;
}

/**
 * What each series grew by in the window. A series that was not there before counts from zero: `increase()` alone says 0 of
 * a counter that is born with the value 7. Only what was missing for an hour before counts as new, so that a pause of
 * Prometheus does not make old counts look new.
 */
export function growth(
  name: Counter | `${HistogramName}_${'sum' | 'count'}`,
  window: string,
  matchers: Matchers = '',
): string {
  return grown(series(name, matchers), window);
}

/** The same of a selector that is written already. */
export function grown(counted: string, window: string): string {
  return `((${counted} unless last_over_time(${counted}[1h] offset ${window})) or increase(${counted}[${window}]))`;
}

export function sumBy(labels: string, expression: string): string {
  return `sum by (${labels}) (${expression})`;
}

/** A quotient that is absent, not NaN, where the divisor is 0. */
export function ratio(dividend: string, divisor: string, matching = ''): string {
  return `${dividend} / ${matching}${matching === '' ? '' : ' '}(${divisor} > 0)`;
}

/** `dividend` where it is counted, and 0 where only `whole` is: a share of nothing is 0, not "no data". */
export function orZero(dividend: string, whole: string): string {
  return `(${dividend} or 0 * ${whole})`;
}

/**
 * `le` of a bucket in the spelling of Prometheus 2 (`32`) and of Prometheus 3 (`32.0`), which normalises it: a plain
 * `le="32"` is empty in one of the two.
 */
export function bucketEdge(seconds: number): Matchers {
  const [whole = '', part] = String(seconds).split('.');
  return part === undefined ? `le=~"${whole}(\\\\.0)?"` : `le="${seconds}"`;
}

/**
 * A gauge that every ledger has for itself: the most that any replica says of one ledger, summed over the ledgers. Right
 * for one that all replicas share and for as many as there are replicas.
 */
export function sumOverLedgers(
  name: Extract<GaugeName, `anthropic_budget_${string}`>,
  matchers: Matchers = '',
): string {
  return `sum by (budget, period, scope) (max by (budget, period, scope, ledger_id) (${series(name, matchers)}))`;
}
