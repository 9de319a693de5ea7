import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api';
import { systemClock, type Clock } from '../../clock.ts';
import { VERSION } from '../../version.ts';
import { defaultLabels } from '../metrics/exposition.ts';
import { countError, defaultRegistry, knownStore, type MetricRegistry } from '../metrics/registry.ts';
import { HistogramSeries, type AnyFamily, type LabelPairs } from '../metrics/series.ts';
import type { Store } from '../metrics/store.ts';
import { optionProblems, refuseOptions } from '../../errors.ts';

/** Options of `prometheusNames()`. */
export interface PrometheusNamesOptions {
  /** The registry that the clients are instrumented with. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** For tests. */
  readonly clock?: Clock;
}

const NAMES: Readonly<Record<keyof PrometheusNamesOptions, true>> = { registry: true, clock: true };

/**
 * Numbers of the enums of `@opentelemetry/sdk-metrics`, which are part of its stable interface. The package is not
 * imported: a program that only scrapes does not have it.
 */
const [CUMULATIVE, HISTOGRAM, GAUGE, SUM] = [1, 0, 2, 3] as const;

interface Point<Value> {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly attributes: Attributes;
  readonly value: Value;
}

interface Buckets {
  buckets: { boundaries: number[]; counts: number[] };
  count: number;
  sum: number;
}

interface Described {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    readonly valueType: ValueType;
  };
  readonly aggregationTemporality: typeof CUMULATIVE;
}

type Produced =
  | (Described & { dataPointType: typeof SUM; isMonotonic: boolean; dataPoints: Point<number>[] })
  | (Described & { dataPointType: typeof GAUGE; dataPoints: Point<number>[] })
  | (Described & { dataPointType: typeof HISTOGRAM; dataPoints: Point<Buckets>[] });

/** The resource of nothing. */
interface EmptyResource {
  readonly attributes: Attributes;
  getRawAttributes(): [];
  merge<Other>(other: Other | null): Other | EmptyResource;
}

const EMPTY: EmptyResource = { attributes: {}, getRawAttributes: () => [], merge: (other) => other ?? EMPTY };

/** What a `MetricReader` of OpenTelemetry's SDK takes in `metricProducers`. */
export interface PrometheusNames {
  /** The present values. The reader puts its own resource in place of the empty one. */
  collect(): Promise<{
    resourceMetrics: {
      resource: EmptyResource;
      scopeMetrics: { scope: { name: string; version: string }; metrics: Produced[] }[];
    };
    errors: unknown[];
  }>;
}

/**
 * Hands all metrics of plimsoll to a metric reader of OpenTelemetry's SDK, under the names, labels and bucket bounds that
 * Prometheus scrapes, so that the same dashboards and alerts stand on what is pushed. The unit is left out: receivers
 * append it to names. Sums count from `plimsoll_start_time_seconds`. Metrics of other owners in the registry, and
 * exemplars, are not in it. Reads what recording has counted: a call costs nothing more.
 *
 * @example
 * new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), metricProducers: [prometheusNames()] });
 */
export function prometheusNames(options: PrometheusNamesOptions = {}): PrometheusNames {
  refuseOptions(optionProblems(options, NAMES));
  const { registry = defaultRegistry(), clock = systemClock } = options;
  return {
    async collect() {
      const store = knownStore(registry);
      const metrics = store === null ? [] : produced(store, await labelsForAll(registry), clock.epochMs());
      const scope = { name: 'plimsoll', version: VERSION };
      return {
        resourceMetrics: { resource: EMPTY, scopeMetrics: [{ scope, metrics }] },
        errors: [],
      };
    },
  };
}

/** The registry's default labels, as on the page. */
async function labelsForAll(registry: MetricRegistry): Promise<LabelPairs> {
  try {
    return await defaultLabels(registry);
  } catch {
    countError(registry, 'scrape');
    return [];
  }
}

/** The time of a collection, and the labels that every series has unless it has its own. */
interface Collection {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly defaults: LabelPairs;
}

function produced(store: Store, defaults: LabelPairs, epochMs: number): Produced[] {
  const startSeconds = store.family('plimsoll_start_time_seconds').series({}).value() ?? epochMs / 1_000;
  const collection = { startTime: hrTime(startSeconds * 1_000), endTime: hrTime(epochMs), defaults };
  return store
    .all()
    .map((family) => metricOf(family, collection))
    .filter(({ dataPoints }) => dataPoints.length > 0);
}

function metricOf(family: AnyFamily, collection: Collection): Produced {
  const { name, help, type } = family.declaration;
  const descriptor = { name, description: help, unit: '', valueType: ValueType.DOUBLE };
  const described = { descriptor, aggregationTemporality: CUMULATIVE };
  if (type === 'histogram') {
    return { ...described, dataPointType: HISTOGRAM, dataPoints: histogramPoints(family, collection) };
  }
  const dataPoints = numberPoints(family, collection);
  if (type === 'gauge') return { ...described, dataPointType: GAUGE, dataPoints };
  return { ...described, dataPointType: SUM, isMonotonic: true, dataPoints };
}

function numberPoints(family: AnyFamily, collection: Collection): Point<number>[] {
  return family.all().flatMap((series) => {
    const value = series.value();
    return value === null ? [] : [{ ...placed(series.labels, collection), value }];
  });
}

function histogramPoints(family: AnyFamily, collection: Collection): Point<Buckets>[] {
  return family.all().flatMap((series) => {
    const count = series.value();
    if (count === null || !(series instanceof HistogramSeries)) return [];
    const boundaries = [...series.bounds()];
    const counts = [...boundaries, Infinity].map((_, bucket) => series.countIn(bucket));
    return [
      { ...placed(series.labels, collection), value: { buckets: { boundaries, counts }, count, sum: series.sum() } },
    ];
  });
}

/** An empty value is no label to Prometheus, and so no attribute here. */
function placed(labels: LabelPairs, { startTime, endTime, defaults }: Collection): Omit<Point<never>, 'value'> {
  const all = Object.fromEntries([...defaults, ...labels]);
  return {
    startTime,
    endTime,
    attributes: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '')),
  };
}

function hrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.floor((epochMs - seconds * 1_000) * 1_000_000)];
}
