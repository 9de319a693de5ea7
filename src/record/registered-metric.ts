import type { AnyFamily } from './family.ts';
import { HistogramSeries } from './series.ts';
import type { Exemplar, LabelPairs, Series } from './series.ts';

/** A sample as prom-client has it in `getMetricsAsJSON()`. `sharedLabels` is for its text writer. */
interface Sample {
  labels: Record<string, string | number>;
  value: number;
  metricName?: string;
  sharedLabels?: Readonly<Record<string, string>>;
  exemplar?: { labelSet: { trace_id: string; span_id: string }; value: number; timestamp: number };
}

interface MetricJson {
  name: string;
  help: string;
  type: string;
  aggregator: string;
  values: Sample[];
}

/** What a prom-client registry needs of a metric. */
export interface RegisteredMetric {
  name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  get(): Promise<MetricJson>;
  getForPromString(): Promise<MetricJson>;
  collect(): void;
  reset(): void;
}

const OPEN_METRICS = 'application/openmetrics-text';

const familyOf = new WeakMap<object, AnyFamily>();

/** The family behind a metric object of a registry; `undefined` for a metric that is not plimsoll's. */
export function registeredFamily(metric: object): AnyFamily | undefined {
  return familyOf.get(metric);
}

/**
 * A family as a metric object of a prom-client registry. An OpenMetrics registry cuts `_total` off a
 * counter's name by assigning it, for ever, and puts it back on each sample: so the name cannot be assigned
 * here, and what is printed follows the `contentType` of the moment.
 */
export function registeredMetric(family: AnyFamily, contentType: () => string): RegisteredMetric {
  const { name, help, type, aggregator } = family.declaration;
  const json = (shownName: string, values: Sample[]): MetricJson => ({
    name: shownName,
    help,
    type,
    aggregator,
    values,
  });
  const metric: RegisteredMetric = {
    get name() {
      return name;
    },
    set name(_assigned) {},
    help,
    type,
    aggregator,
    get: async () => json(name, samples(family).map(splayed)),
    getForPromString: async () => {
      const cut = type === 'counter' && contentType().startsWith(OPEN_METRICS);
      return json(cut ? name.replace(/_total$/, '') : name, samples(family));
    },
    collect() {},
    reset: () => family.reset(),
  };
  familyOf.set(metric, family);
  return metric;
}

function samples(family: AnyFamily): Sample[] {
  const { name } = family.declaration;
  const shown: Sample[] = [];
  for (const series of family.all()) {
    const value = series.value();
    if (value === null) continue;
    if (series instanceof HistogramSeries) shown.push(...histogramSamples(name, series, value));
    else shown.push(scalarSample(series, value));
  }
  return shown;
}

function scalarSample(series: Exclude<Series, HistogramSeries>, value: number): Sample {
  const sample: Sample = { labels: labelObject(series.labels), value };
  const exemplar = series.exemplar();
  if (exemplar !== null) sample.exemplar = exemplarJson(exemplar);
  return sample;
}

function histogramSamples(name: string, series: HistogramSeries, count: number): Sample[] {
  const sharedLabels = labelObject(series.labels);
  const metricName = `${name}_bucket`;
  const bounds: readonly (number | '+Inf')[] = [...series.bounds(), '+Inf'];
  let cumulated = 0;
  const buckets = bounds.map((le, bucket) => {
    cumulated += series.countIn(bucket);
    const sample: Sample = { labels: { le }, sharedLabels, value: cumulated, metricName };
    const exemplar = series.exemplarIn(bucket);
    if (exemplar !== null) sample.exemplar = exemplarJson(exemplar);
    return sample;
  });
  return [
    ...buckets,
    { labels: {}, sharedLabels, value: series.sum(), metricName: `${name}_sum` },
    { labels: {}, sharedLabels, value: count, metricName: `${name}_count` },
  ];
}

function splayed({ sharedLabels, ...sample }: Sample): Sample {
  return { ...sample, labels: { ...sample.labels, ...sharedLabels } };
}

function exemplarJson({ traceId, spanId, value, timestampSeconds }: Exemplar): NonNullable<Sample['exemplar']> {
  return { labelSet: { trace_id: traceId, span_id: spanId }, value, timestamp: timestampSeconds };
}

function labelObject(pairs: LabelPairs): Record<string, string> {
  return Object.fromEntries(pairs);
}
