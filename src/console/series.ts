import { headEnd, label, seriesIn, valueAfter, type Sample } from '../advice/samples.ts';
import { CATALOGUE } from '../record/metrics/catalogue.ts';
import type { MetricDeclaration } from '../record/metrics/metric.ts';
import { EVERY, type CellLabels } from './cell.ts';
import { linesOf, MOST_SERIES, type PageFault } from './metrics-pages.ts';

const DECLARED: ReadonlyMap<string, MetricDeclaration> = new Map(
  CATALOGUE.map((declaration: MetricDeclaration) => [declaration.name, declaration]),
);

/** One series of any number of pages: what is known of it without its value. */
export interface Series {
  /** Its place among the values of a page; another once series before it were forgotten. */
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
  readonly buckets: { readonly le: number; readonly series: Series }[];
}

type Known = Series & { index: number };

/** The values of a page by the index of their series; `NaN` for a series that it lacks. */
type PageValues = { readonly values: Float64Array } | { readonly fault: PageFault };

/** Lines that are taken apart before others have their turn: some milliseconds. */
const AT_A_TIME = 5_000;

/** Reads metrics pages. A line that was seen before, on whatever page, is not taken apart again. */
export class SeriesReader {
  readonly #all: Known[] = [];
  readonly #known = new Map<string, Known>();
  readonly #places = new Map<string, CellLabels>();
  readonly #histograms = new Map<string, Histogram>();
  /** Series at once. */
  readonly most: number;

  constructor(most = MOST_SERIES) {
    this.most = most;
  }

  /** The series that are known, by their index. */
  get all(): readonly Series[] {
    return this.#all;
  }

  /** The histograms of the catalogue that pages had. */
  get histograms(): Iterable<Histogram> {
    return this.#histograms.values();
  }

  /**
   * Reads the values of a page; one at a time. Nothing is kept of what is no metrics page of plimsoll, or has too many
   * series, so that it takes no room from other pages.
   */
  async read(bytes: Buffer): Promise<PageValues> {
    const before = this.#all.length;
    const found = await this.#valuesOf(bytes);
    if ('fault' in found && this.#all.length > before) this.keep(({ index }) => index < before);
    return found;
  }

  /**
   * Forgets the series that are not chosen. Returns where the others are now by where they were; -1 for those that are
   * forgotten.
   */
  keep(isKept: (series: Series) => boolean): Int32Array {
    const places = new Int32Array(this.#all.length).fill(-1);
    const kept = this.#all.filter(isKept);
    for (const [at, { index }] of kept.entries()) places[index] = at;
    for (const [head, { index }] of this.#known) if (places[index] === -1) this.#known.delete(head);
    for (const [id, { buckets }] of this.#histograms) {
      const left = buckets.filter(({ series }) => places[series.index] !== -1);
      buckets.splice(0, buckets.length, ...left);
      if (left.length === 0) this.#histograms.delete(id);
    }
    for (const [at, series] of kept.entries()) series.index = at;
    this.#all.splice(0, this.#all.length);
    for (const series of kept) this.#all.push(series);
    const named = new Set(kept.map(({ place }) => place));
    for (const [id, place] of this.#places) if (!named.has(place)) this.#places.delete(id);
    return places;
  }

  async #valuesOf(bytes: Buffer): Promise<PageValues> {
    const found: number[] = [];
    for (const line of linesOf(bytes)) {
      const head = this.#headOf(line);
      const series = this.#known.get(head) ?? this.#add(head);
      const value = valueAfter(line, head.length);
      if (series === null || value === null) return { fault: 'no_metrics' };
      if (series === 'no_room') return { fault: series };
      if (found.push(series.index, value) > 2 * this.most) return { fault: 'too_large' };
      if (found.length % (2 * AT_A_TIME) === 0) await othersFirst();
    }
    return this.#valuesFrom(found);
  }

  /** `found` has the index and the value of each line in turn. */
  #valuesFrom(found: readonly number[]): PageValues {
    const values = new Float64Array(this.#all.length).fill(NaN);
    let isOurs = false;
    for (let at = 0; at < found.length; at += 2) {
      const index = found[at] ?? 0;
      values[index] = found[at + 1] ?? NaN;
      isOurs ||= /^(?:anthropic|plimsoll)_/.test(this.#all[index]?.name ?? '');
    }
    return isOurs ? { values } : { fault: found.length === 0 ? 'no_metrics' : 'others_metrics' };
  }

  /** Most heads end at the first brace: whether one does is known if it was seen before. */
  #headOf(line: string): string {
    const guess = line.slice(0, line.indexOf('} ') + 1);
    return this.#known.has(guess) ? guess : line.slice(0, headEnd(line));
  }

  #add(head: string): Known | 'no_room' | null {
    const series = seriesIn(head);
    if (series === null) return null;
    if (this.#all.length >= this.most) return 'no_room';
    const name = series.name.replace(/_bucket$/, '');
    const own = DECLARED.get(series.name) ?? DECLARED.get(name);
    const place = this.#placeOf(series, own);
    const known = { ...series, index: this.#all.length, declared: DECLARED.get(series.name), place };
    this.#all.push(known);
    this.#known.set(head, known);
    if (own !== undefined && name !== series.name) this.#addBucket(known);
    return known;
  }

  #addBucket(series: Series): void {
    const { name, labels, place } = series;
    const others = Object.entries(labels).filter(([one]) => one !== 'le');
    const id = JSON.stringify([name, others]);
    const histogram = this.#histograms.get(id) ?? { name, place, buckets: [] };
    this.#histograms.set(id, histogram);
    const le = label({ labels, name, value: 0 }, 'le');
    histogram.buckets.push({ le: le === '+Inf' ? Infinity : Number(le), series });
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

/** Lets whoever waits for an answer have it before more is taken apart. */
function othersFirst(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
