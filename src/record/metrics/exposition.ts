/**
 * The text that Prometheus scrapes, in both of its formats. prom-client formats every label of every sample at every
 * scrape; here, the text before a value is made once per series and kept.
 */
import type { MetricRegistry } from './registry.ts';
import { HistogramSeries, type AnyFamily, type Exemplar, type LabelPairs, type Series } from './series.ts';

/** The format of a scrape. */
interface ExpositionStyle {
  readonly format: ExpositionFormat;
  /** Labels that are added to every sample without a label of the same name. */
  readonly defaultLabels: LabelPairs;
}

/** Writes the metrics in order, with the end that the format requires. */
export function exposition(metrics: readonly (AnyFamily | ForeignMetric)[], style: ExpositionStyle): string {
  const texts = metrics.map((metric) =>
    'declaration' in metric ? familyText(metric, style) : foreignText(metric, style),
  );
  if (style.format === 'openmetrics') texts.push('# EOF\n');
  return texts.join('');
}

function familyText(family: AnyFamily, { format, defaultLabels }: ExpositionStyle): string {
  const prefixes = prefixesOf(family, defaultLabels);
  const withExemplars = format === 'openmetrics';
  let text = headText(family.declaration, format);
  family.all().forEach((series, index) => {
    const value = series.value();
    if (value === null) return;
    const before = prefixes.of(series, index);
    if (series instanceof HistogramSeries) text += histogramText(series, before, withExemplars);
    else text += `${before[0]}${numberText(value)}${withExemplars ? traceText(series.exemplar()) : ''}\n`;
  });
  return text;
}

/** `before` has a prefix for each bucket, then those of the sum and the count. */
function histogramText(series: HistogramSeries, before: readonly string[], withExemplars: boolean): string {
  const buckets = before.length - 2;
  let text = '';
  let cumulated = 0;
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    cumulated += series.countIn(bucket);
    text += `${before[bucket]}${cumulated}${withExemplars ? traceText(series.exemplarIn(bucket)) : ''}\n`;
  }
  return `${text}${before[buckets]}${numberText(series.sum())}\n${before[buckets + 1]}${cumulated}\n`;
}

function traceText(exemplar: Exemplar | null): string {
  if (exemplar === null) return '';
  const labels: LabelPairs = [
    ['trace_id', exemplar.traceId],
    ['span_id', exemplar.spanId],
  ];
  return exemplarText(labels, exemplar.value, exemplar.timestampSeconds);
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

/** The text before the values of one family's series, by their index. */
class Prefixes {
  readonly defaultLabels: LabelPairs;
  readonly #name: string;
  readonly #bySeries: (readonly string[])[] = [];

  constructor(name: string, defaultLabels: LabelPairs) {
    this.#name = name;
    this.defaultLabels = defaultLabels;
  }

  of(series: Series, index: number): readonly string[] {
    return (this.#bySeries[index] ??= this.#made(series));
  }

  #made(series: Series): readonly string[] {
    const labels = labelText(withDefaults(series.labels, this.defaultLabels));
    if (!(series instanceof HistogramSeries)) return [this.#flat('', labels)];
    const others = labels === '' ? '' : `${labels.slice(1, -1)},`;
    return [
      ...[...series.bounds(), Infinity].map((bound) => this.#flat('_bucket', `{${others}le="${numberText(bound)}"}`)),
      this.#flat('_sum', labels),
      this.#flat('_count', labels),
    ];
  }

  /** Joined, because what is put together by `+` stays a tree of its parts, and each scrape would walk all of it. */
  #flat(suffix: string, labels: string): string {
    return [this.#name, suffix, labels, ' '].join('');
  }
}

const prefixesByFamily = new WeakMap<AnyFamily, Prefixes>();

/** A sample has the same name in both formats, since every counter is named `…_total`: one cache serves both. */
function prefixesOf(family: AnyFamily, defaultLabels: LabelPairs): Prefixes {
  const known = prefixesByFamily.get(family);
  if (known !== undefined && labelText(known.defaultLabels) === labelText(defaultLabels)) return known;
  const prefixes = new Prefixes(family.declaration.name, defaultLabels);
  prefixesByFamily.set(family, prefixes);
  return prefixes;
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

/** The pieces of Prometheus text 0.0.4 and OpenMetrics 1.0 that samples are written in. */

/** Prometheus text 0.0.4, or OpenMetrics 1.0, which has exemplars. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** `{a="1",b="2"}`, or nothing if there is no label. */
function labelText(labels: LabelPairs): string {
  let text = '';
  for (const [name, value] of labels) text += `${text === '' ? '' : ','}${name}="${quotable(value)}"`;
  return text === '' ? '' : `{${text}}`;
}

/** Adds the registry's labels that the sample does not have itself. */
function withDefaults(labels: LabelPairs, defaultLabels: LabelPairs): LabelPairs {
  if (defaultLabels.length === 0) return labels;
  const own = new Set(labels.map(([name]) => name));
  return [...labels, ...defaultLabels.filter(([name]) => !own.has(name))];
}

/** Writes a number as both formats spell it. */
function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return `${value}`;
}

/** Writes an exemplar after a sample, which only OpenMetrics has. */
function exemplarText(labels: LabelPairs, value: number, timestampSeconds: number): string {
  return ` # ${labelText(labels)} ${numberText(value)} ${numberText(timestampSeconds)}`;
}

/** The lines before the samples of a metric. OpenMetrics names a counter without its `_total`. */
function headText(metric: { name: string; help: string; type: string }, format: ExpositionFormat): string {
  const name = format === 'openmetrics' ? familyName(metric) : metric.name;
  const help = format === 'openmetrics' ? quotable(metric.help) : unbroken(metric.help);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${metric.type}\n`;
}

/** The name of a metric in OpenMetrics: a counter's without `_total`, which its samples have. */
function familyName({ name, type }: { name: string; type: string }): string {
  return type === 'counter' ? name.replace(/_total$/, '') : name;
}

/** Almost no value has anything to escape, and a test is cheaper than a replacement that finds nothing. */
function quotable(text: string): string {
  return /["\\\n]/.test(text) ? unbroken(text).replaceAll('"', '\\"') : text;
}

function unbroken(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
