import { CATALOGUE, type HistogramName, type MetricName } from '../../src/record/metrics/catalogue.ts';
import { RECORDED } from '../../src/rules/recording.ts';
import { grown, type Counter } from '../../src/rules/promql.ts';

type Sample = Exclude<MetricName, HistogramName> | `${HistogramName}_${'bucket' | 'sum' | 'count'}`;

/** The variables of every dashboard that narrow queries, by the label that each narrows. */
const NARROWED = ['job', 'model', 'key'] as const;

/** Alerts of the chosen jobs, and of budgets and organizations, which have no job. */
export const FIRING = 'ALERTS{alertname=~"Plimsoll.+", alertstate="firing", job=~"$job|"}';

const DATA_LABELS: ReadonlyMap<string, readonly string[]> = new Map(
  CATALOGUE.map(({ name, labels }) => [name, labels]),
);

/** Series of the catalogue, narrowed by every variable whose label the metric has; more matchers may be added. */
export function selected(name: Sample, matchers = ''): string {
  const labels = DATA_LABELS.get(name) ?? DATA_LABELS.get(name.replace(/_(bucket|sum|count)$/, '')) ?? [];
  return narrowed(name, ['job', ...labels], matchers);
}

/** A recorded series, narrowed in the same way. The part before its first colon names its labels. */
export function recorded(name: string, matchers = ''): string {
  const labels = name.split(':')[0] ?? '';
  return narrowed(name, labels.replace('model_class', 'class').split('_'), matchers);
}

function narrowed(name: string, labels: readonly string[], matchers: string): string {
  const all = NARROWED.filter((label) => labels.includes(label)).map((label) => `${label}=~"$${label}"`);
  if (matchers !== '') all.push(matchers);
  return all.length === 0 ? name : `${name}{${all.join(', ')}}`;
}

/** Headroom by key, model class and dimension, for limits of the chosen jobs. */
export function headroomLeft(): string {
  const met = selected('anthropic_ratelimit_limit');
  return `${recorded(RECORDED.headroom)} and on (key, model_class, dimension) ${met}`;
}

/** Rate per second, over the interval that Grafana chooses for the resolution of the panel. */
export function rate(name: Sample, matchers = ''): string {
  return `rate(${selected(name, matchers)}[$__rate_interval])`;
}

/** The growth of a counter in the dashboard's time range, including series that began in it. */
export function inRange(name: Counted, matchers = ''): string {
  return grown(selected(name, matchers), '$__range');
}

type Counted = Counter | `${HistogramName}_${'bucket' | 'sum' | 'count'}`;

export function sumBy(labels: string, expression: string): string {
  return labels === '' ? `sum(${expression})` : `sum by (${labels}) (${expression})`;
}

/** Divides. The result is absent, not NaN, if the divisor is 0. */
export function share(dividend: string, divisor: string): string {
  return `${dividend} / (${divisor} > 0)`;
}

/** Quantile of a histogram, split by `by`. Absent, not NaN, if nothing was observed. */
export function quantile(
  part: number,
  buckets: `${HistogramName}_bucket`,
  { by = '', matchers = '' }: { readonly by?: string; readonly matchers?: string } = {},
): string {
  return `histogram_quantile(${part}, ${sumBy(by === '' ? 'le' : `le, ${by}`, rate(buckets, matchers))}) >= 0`;
}
