import { headEnd, label, seriesIn, valueAfter, type Sample } from '../advice/samples.ts';
import { CATALOGUE } from '../record/metrics/catalogue.ts';
import type { MetricDeclaration } from '../record/metrics/metric.ts';
import { EVERY, type CellLabels } from './cell.ts';

const DECLARED: ReadonlyMap<string, MetricDeclaration> = new Map(
  CATALOGUE.map((declaration: MetricDeclaration) => [declaration.name, declaration]),
);

/** Series at once, of all pages. Replicas have most of theirs in common. */
const MOST_SERIES = 200_000;

/** One series of any number of pages: what is known of it without its value. */
export interface Series {
  /** Its place among the values of a page. */
  readonly index: number;
  readonly name: string;
  readonly labels: Sample['labels'];
  readonly declared: MetricDeclaration | undefined;
  readonly place: CellLabels;
}

/** The buckets of one histogram, the lowest first. */
export interface Histogram {
  readonly name: string;
  readonly place: CellLabels;
  readonly buckets: { readonly le: number; readonly index: number }[];
}

/** Reads metrics pages. A line that was seen before, on whatever page, is not taken apart again. */
export class SeriesReader {
  readonly all: Series[] = [];
  readonly #known = new Map<string, Series>();
  readonly #places = new Map<string, CellLabels>();
  readonly #histograms = new Map<string, Histogram>();

  /** The histograms of the catalogue that pages had. */
  get histograms(): Iterable<Histogram> {
    return this.#histograms.values();
  }

  /**
   * The values of a page by the index of their series; `NaN` for a series that it lacks. Returns `null` for a text that is no
   * metrics page of plimsoll, or has too many series: nothing of it is kept then, so that it takes no room from other pages.
   */
  read(text: string): Float64Array | null {
    const before = this.all.length;
    const values = this.#valuesOf(text);
    if (values === null && this.all.length > before) this.#forgetFrom(before);
    return values;
  }

  #valuesOf(text: string): Float64Array | null {
    const found: number[] = [];
    for (const line of text.split(/\r?\n/)) {
      if (line === '' || line.startsWith('#')) continue;
      const head = this.#headOf(line);
      const series = this.#known.get(head) ?? this.#add(head);
      const value = valueAfter(line, head.length);
      if (series === null || value === null) return null;
      found.push(series.index, value);
    }
    const values = new Float64Array(this.all.length).fill(NaN);
    let isOurs = false;
    for (let at = 0; at < found.length; at += 2) {
      const index = found[at] ?? 0;
      values[index] = found[at + 1] ?? NaN;
      isOurs ||= /^(?:anthropic|plimsoll)_/.test(this.all[index]?.name ?? '');
    }
    return isOurs ? values : null;
  }

  #forgetFrom(length: number): void {
    this.all.length = length;
    for (const [head, { index }] of this.#known) if (index >= length) this.#known.delete(head);
    for (const [id, { buckets }] of this.#histograms) {
      const kept = buckets.filter(({ index }) => index < length);
      buckets.splice(0, buckets.length, ...kept);
      if (kept.length === 0) this.#histograms.delete(id);
    }
    const places = new Set(this.all.map(({ place }) => place));
    for (const [id, place] of this.#places) if (!places.has(place)) this.#places.delete(id);
  }

  /** Most heads end at the first brace: whether one does is known if it was seen before. */
  #headOf(line: string): string {
    const guess = line.slice(0, line.indexOf('} ') + 1);
    return this.#known.has(guess) ? guess : line.slice(0, headEnd(line));
  }

  #add(head: string): Series | null {
    const series = seriesIn(head);
    if (series === null || this.all.length >= MOST_SERIES) return null;
    const name = series.name.replace(/_bucket$/, '');
    const own = DECLARED.get(series.name) ?? DECLARED.get(name);
    const place = this.#placeOf(series, own);
    const known = { ...series, index: this.all.length, declared: DECLARED.get(series.name), place };
    this.all.push(known);
    this.#known.set(head, known);
    if (own !== undefined && name !== series.name) this.#addBucket(known);
    return known;
  }

  #addBucket({ name, labels, index, place }: Series): void {
    const others = Object.entries(labels).filter(([one]) => one !== 'le');
    const id = JSON.stringify([name, others]);
    const histogram = this.#histograms.get(id) ?? { name, place, buckets: [] };
    this.#histograms.set(id, histogram);
    const le = label({ labels, name, value: 0 }, 'le');
    histogram.buckets.push({ le: le === '+Inf' ? Infinity : Number(le), index });
    histogram.buckets.sort((one, other) => one.le - other.le);
  }

  /** The same object for the same labels. */
  #placeOf({ labels }: Pick<Series, 'labels'>, declared: MetricDeclaration | undefined): CellLabels {
    const own: readonly string[] = [...(declared?.labels ?? []), 'le'];
    const attribution =
      declared?.attributed === true
        ? Object.fromEntries(Object.entries(labels).filter(([name]) => !own.includes(name)))
        : EVERY;
    const place = { operation: '', key: labels['key'] ?? '', model: labels['model'] ?? '', attribution };
    const id = JSON.stringify([place, attribution === EVERY]);
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    this.#places.set(id, place);
    return place;
  }
}
