/** The page that Prometheus scrapes, in both of its formats. */
import {
  FamilyPage,
  exemplarText,
  labelText,
  numberText,
  escaped,
  escapedInQuotes,
  withDefaults,
} from './family-page.ts';
import type { MetricRegistry } from './registry.ts';
import type { AnyFamily, LabelPairs } from './series.ts';

/** The format of a scrape. */
interface ExpositionStyle {
  readonly format: ExpositionFormat;
  /** Labels that are added to every sample without a label of the same name. */
  readonly defaultLabels: LabelPairs;
}

/** Writes the metrics in order, with the end that the format requires. */
export function exposition(
  metrics: readonly (AnyFamily | ForeignMetric)[],
  style: ExpositionStyle,
): Buffer<ArrayBuffer> {
  const pieces: Buffer[] = [];
  for (const metric of metrics) {
    if ('declaration' in metric) {
      pieces.push(Buffer.from(headText(metric.declaration, style.format)));
      pieces.push(...pageOf(metric, style.defaultLabels).pieces(style.format === 'openmetrics'));
    } else pieces.push(Buffer.from(foreignText(metric, style)));
  }
  if (style.format === 'openmetrics') pieces.push(Buffer.from('# EOF\n'));
  return Buffer.concat(pieces);
}

function foreignText(metric: ForeignMetric, { format, defaultLabels }: ExpositionStyle): string {
  const openMetrics = format === 'openmetrics';
  const ownName = openMetrics && metric.type === 'counter' ? `${familyName(metric)}_total` : metric.name;
  const lines = metric.samples.map(({ name, labels, value, exemplar }) => {
    const before = `${name ?? ownName}${labelText(withDefaults(labels, defaultLabels))}`;
    const behind =
      openMetrics && exemplar !== null ? exemplarText(exemplar.labels, exemplar.value, exemplar.timestampSeconds) : '';
    return `${before} ${numberText(value)}${behind}\n`;
  });
  return headText(metric, format) + lines.join('');
}

const pages = new WeakMap<AnyFamily, FamilyPage>();

function pageOf(family: AnyFamily, defaultLabels: LabelPairs): FamilyPage {
  const known = pages.get(family);
  if (known !== undefined && labelText(known.defaultLabels) === labelText(defaultLabels)) return known;
  const page = new FamilyPage(family, defaultLabels);
  pages.set(family, page);
  return page;
}

/** A sample of a metric that plimsoll does not own. */
interface ForeignSample {
  /** `null`: the metric's own. */
  readonly name: string | null;
  readonly labels: LabelPairs;
  readonly value: number;
  readonly exemplar: { readonly labels: LabelPairs; readonly value: number; readonly timestampSeconds: number } | null;
}

/** Another metric of the registry, in its current state. */
export interface ForeignMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ForeignSample[];
}

/** The result of `get()` of prom-client's metrics. */
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

/** Reads a metric that plimsoll does not own. Rejects with whatever its `collect` throws. */
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
 * Returns the labels that the registry adds to every sample. It does not offer them, but adds them to its JSON, so this
 * asks for the JSON of one empty sample.
 */
export async function defaultLabels(registry: MetricRegistry): Promise<LabelPairs> {
  const probe = { get: async () => ({ name: PROBE, values: [{ labels: {}, value: 0 }] }) };
  const view = Object.create(registry, { getMetricsAsArray: { value: () => [probe] } }) as MetricRegistry;
  const answers = (await view.getMetricsAsJSON()) as readonly MetricJson[];
  return pairs(answers.find(({ name }) => name === PROBE)?.values[0]?.labels);
}

/** Prometheus text 0.0.4, or OpenMetrics 1.0, which has exemplars. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** The lines before the samples of a metric. OpenMetrics names a counter without its `_total`. */
function headText(metric: { name: string; help: string; type: string }, format: ExpositionFormat): string {
  const name = format === 'openmetrics' ? familyName(metric) : metric.name;
  const help = format === 'openmetrics' ? escapedInQuotes(metric.help) : escaped(metric.help);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${metric.type}\n`;
}

/** The name of a metric in OpenMetrics: a counter's without `_total`, which its samples have. */
function familyName({ name, type }: { name: string; type: string }): string {
  return type === 'counter' ? name.replace(/_total$/, '') : name;
}
