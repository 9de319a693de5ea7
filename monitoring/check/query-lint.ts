import { aggregatorOf, isCounter, isGauge, labelsOf, RECORDED_NAMES } from './known.ts';
import { queryShape, type Selector } from './promql.ts';

/** Checks a query against what is known of its metrics, and returns its problems. It may contain variables. */
export function queryComplaints(query: string): readonly string[] {
  const { errors, selectors, groupingLabels, madeLabels } = queryShape(readable(query));
  if (errors.length > 0) return errors;
  const labels = new Set([...madeLabels, ...selectors.flatMap(({ metric }) => [...(labelsOf(metric) ?? [])])]);
  return [
    ...groupingLabels
      .filter((label) => !labels.has(label))
      .map((label) => `groups by ${label}, which nothing in it has`),
    ...selectors.flatMap(selectorComplaints),
  ];
}

/** Grafana's variables in places where the grammar wants a duration or a name. */
export function readable(query: string): string {
  return query
    .replaceAll('${attribution}', 'route')
    .replaceAll(/\$__interval_ms\b/g, '60000')
    .replaceAll(/\$__(rate_interval|interval|range)\b/g, '5m');
}

const OF_COUNTERS = new Set(['rate', 'irate', 'increase', 'last_over_time', 'absent']);

function selectorComplaints(selector: Selector): readonly string[] {
  const { metric, matchers, within, window, isBefore, isFixed } = selector;
  const labels = labelsOf(metric);
  if (labels === null) return [`${metric} is not in the catalogue`];
  const strangers = matchers
    .filter(({ label }) => !labels.has(label))
    .map(({ label }) => `${metric} has no label ${label}`);
  const [innermost = ''] = within;
  const isCounted = window === null && !isFixed && !isBefore && !within.includes('count');
  const raw = isCounter(metric) && isCounted;
  return [
    ...strangers,
    ...(raw ? [`${metric} is a counter and is read without rate or increase`] : []),
    ...(isCounter(metric) && window !== null && !OF_COUNTERS.has(innermost)
      ? [`${innermost} of the counter ${metric}`]
      : []),
    ...(isGauge(metric) && OF_COUNTERS.has(innermost) && !['last_over_time', 'absent'].includes(innermost)
      ? [`${innermost} of the gauge ${metric}`]
      : []),
    ...summed(metric, within),
  ];
}

/** Metrics that each process keeps for itself, if no ledger is shared. */
const SEEN_BY_EACH = 'anthropic_tier_spend_usd';

/** The same truth said by every replica: added up, it is as many times too large. */
function summed(metric: string, within: readonly string[]): readonly string[] {
  if (metric === SEEN_BY_EACH || RECORDED_NAMES.has(metric) || !isGauge(metric) || aggregatorOf(metric) === 'sum')
    return [];
  const first = within.find((name) => ['sum', 'min', 'max', 'count', 'group', 'avg'].includes(name));
  return first === 'sum' ? [`sums ${metric}, which every replica says the same of`] : [];
}
