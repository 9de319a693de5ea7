import type { MetricRegistry } from './registry.ts';
import type { LabelPairs } from './series.ts';

/** A sample of a metric that is not plimsoll's. */
export interface ForeignSample {
  /** `null`: the metric's own. */
  readonly name: string | null;
  readonly labels: LabelPairs;
  readonly value: number;
  readonly exemplar: { readonly labels: LabelPairs; readonly value: number; readonly timestampSeconds: number } | null;
}

/** Another metric of the registry, as it is at this moment. */
export interface ForeignMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ForeignSample[];
}

/** What prom-client's metrics answer to `get()`. */
interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly {
    readonly metricName?: string;
    readonly labels: LabelObject;
    readonly value: number;
    readonly exemplar?: { readonly labelSet: LabelObject; readonly value: number; readonly timestamp: number } | null;
  }[];
}

type LabelObject = Readonly<Record<string, string | number>>;

/** A metric object of a registry, other than plimsoll's. */
export interface ForeignMetricObject {
  get(): Promise<unknown>;
}

/** Reads a metric of somebody else's. Rejects with whatever its `collect` throws. */
export async function foreignMetric(registry: MetricRegistry, metric: ForeignMetricObject): Promise<ForeignMetric> {
  const { name, help, type, values } = (await metric.get()) as MetricJson;
  return { name: ownName(registry, metric, name), help, type, samples: values.map(sample) };
}

/** A scrape of the registry as OpenMetrics cuts `_total` off its counters for good; the registry remembers. */
function ownName(registry: MetricRegistry, metric: object, name: string): string {
  const uncut = `${name}_total`;
  return registry.getSingleMetric(uncut) === metric ? uncut : name;
}

function sample({ metricName, labels, value, exemplar }: MetricJson['values'][number]): ForeignSample {
  return {
    name: metricName ?? null,
    labels: pairs(labels),
    value,
    exemplar: exemplar
      ? { labels: pairs(exemplar.labelSet), value: exemplar.value, timestampSeconds: exemplar.timestamp }
      : null,
  };
}

function pairs(labels: LabelObject = {}): LabelPairs {
  return Object.entries(labels).map(([name, value]) => [name, String(value)]);
}

const PROBE = 'plimsoll_default_labels';

/**
 * The labels that the registry adds to every sample. It has no way to ask for them, and adds them where it
 * answers with JSON: so it is asked for the JSON of one empty sample.
 */
export async function defaultLabels(registry: MetricRegistry): Promise<LabelPairs> {
  const probe = { get: async () => ({ name: PROBE, values: [{ labels: {}, value: 0 }] }) };
  const view = Object.create(registry, { getMetricsAsArray: { value: () => [probe] } }) as MetricRegistry;
  const answers = (await view.getMetricsAsJSON()) as readonly MetricJson[];
  return pairs(answers.find(({ name }) => name === PROBE)?.values[0]?.labels);
}
