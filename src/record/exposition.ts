/**
 * The text that Prometheus scrapes, in both of its formats. prom-client formats every label of every sample
 * at every scrape; here what stands before a value is made once for each series and kept.
 */
import type { AnyFamily } from './family.ts';
import type { ForeignMetric } from './foreign-metric.ts';
import { exemplarText, familyName, headText, labelText, numberText, withDefaults } from './sample-text.ts';
import type { ExpositionFormat } from './sample-text.ts';
import { HistogramSeries } from './series.ts';
import type { Exemplar, LabelPairs, Series } from './series.ts';

/** How a scrape is written. */
export interface ExpositionStyle {
  readonly format: ExpositionFormat;
  /** For every sample that has no label of the name. */
  readonly defaultLabels: LabelPairs;
}

/** The metrics in their order, ended as the format wants it. */
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

/** What stands before the values of one family's series, by their index. */
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
    if (!(series instanceof HistogramSeries)) return [`${this.#name}${labels} `];
    const others = labels === '' ? '' : `${labels.slice(1, -1)},`;
    return [
      ...[...series.bounds(), Infinity].map((bound) => `${this.#name}_bucket{${others}le="${numberText(bound)}"} `),
      `${this.#name}_sum${labels} `,
      `${this.#name}_count${labels} `,
    ];
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
