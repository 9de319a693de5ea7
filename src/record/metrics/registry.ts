import { register } from 'prom-client';
import { ConfigurationError } from '../../errors.ts';
import type { OnError, Stage } from './metric.ts';
import { HistogramSeries, type AnyFamily, type Exemplar, type LabelPairs, type Series } from './series.ts';
import { Store } from './store.ts';

/** The part of a prom-client `Registry` that plimsoll uses, for any content type. */
export interface MetricRegistry {
  readonly contentType: string;
  /** As in prom-client: adds a metric. */
  registerMetric(metric: never): void;
  /** As in prom-client: the metric of that name, if it is registered. */
  getSingleMetric(name: string): object | undefined;
  /** As in prom-client: all metrics. */
  getMetricsAsArray(): readonly object[];
  /** As in prom-client: the values of all metrics. */
  getMetricsAsJSON(): Promise<readonly object[]>;
}

interface Registered {
  readonly store: Store;
  readonly metrics: ReadonlyMap<string, object>;
}

const STORES = Symbol.for('plimsoll.stores');

/** The stores by registry, shared by all copies of the package in the process: a metric is registered once. */
function stores(): WeakMap<MetricRegistry, Registered> {
  const home = globalThis as { [STORES]?: WeakMap<MetricRegistry, Registered> };
  home[STORES] ??= new WeakMap();
  return home[STORES];
}

/**
 * Returns the store of a registry, and creates it if necessary, with all families of the catalogue in the registry.
 * After `registry.clear()`, the next call registers the same families again and starts from 0. Throws a
 * `ConfigurationError` (`PLIMSOLL_METRIC_NAME_TAKEN`) if another metric has one of the names. Whatever else the
 * registry throws is counted and passed to `onError`, and the store still counts.
 */
export function storeFor(registry: MetricRegistry, onError: OnError = () => {}): Store {
  const known = stores().get(registry);
  const registered = known ?? newlyRegistered(registry);
  try {
    const missing = absentNames(registry, registered.metrics);
    if (known !== undefined && missing.length === registered.metrics.size) registered.store.reset();
    for (const name of missing) registry.registerMetric(registered.metrics.get(name) as never);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    registered.store.errors('registry');
    onError('registry', error);
  }
  stores().set(registry, registered);
  return registered.store;
}

function newlyRegistered(registry: MetricRegistry): Registered {
  const store = new Store();
  const metric = (family: AnyFamily): object => registeredMetric(family, () => registry.contentType);
  return { store, metrics: new Map(store.all().map((family) => [family.declaration.name, metric(family)])) };
}

function absentNames(registry: MetricRegistry, metrics: ReadonlyMap<string, object>): readonly string[] {
  const absent: string[] = [];
  const taken: string[] = [];
  for (const [name, metric] of metrics) {
    const present = registry.getSingleMetric(name);
    if (present === undefined) absent.push(name);
    else if (present !== metric) taken.push(name);
  }
  if (taken.length > 0) throw namesTaken(taken);
  return absent;
}

function namesTaken(names: readonly string[]): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_METRIC_NAME_TAKEN', [
    {
      kind: 'conflict',
      field: 'registry',
      expected: "a registry whose metrics have other names than plimsoll's",
      got: `metrics named ${names.join(', ')}`,
      advice: 'rename them, or pass another registry',
    },
  ]);
}

/** Returns the existing store of a registry; creates and registers nothing. */
export function knownStore(registry: MetricRegistry): Store | null {
  return stores().get(registry)?.store ?? null;
}

/** Counts an error at the store of a registry, if it has one. */
export function countError(registry: MetricRegistry, stage: Stage): void {
  knownStore(registry)?.errors(stage);
}

/** prom-client's own `register`: an import, so that a bundle has the one copy that its program uses. */
export function defaultRegistry(): MetricRegistry {
  return register;
}

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

/** A metric, as far as a prom-client registry needs it. */
interface RegisteredMetric {
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
 * Presents a family as a metric object of a prom-client registry. An OpenMetrics registry cuts `_total` off a counter's
 * name by assigning it, permanently, and puts it back on each sample. So the name cannot be assigned here, and the text
 * follows the current `contentType`.
 */
function registeredMetric(family: AnyFamily, contentType: () => string): RegisteredMetric {
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
