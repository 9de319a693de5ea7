/**
 * The numbers of several processes in one store. Each worker tells of what has changed within 10 ms, so that one that dies
 * takes no more along; gauges are asked for at each scrape.
 */
import type { MetricDeclaration } from './metric.ts';
import { CounterSeries, GaugeSeries, HistogramSeries, MoneySeries, type LabelPairs, type Series } from './series.ts';
import type { Store } from './store.ts';

/** A series, and the caps of its labels whose values nobody has declared, by label. */
type Named = readonly [id: number, family: string, labels: LabelPairs, caps: Readonly<Record<string, number>>];

/** What has changed in a process since it told of it last. */
export interface Changes {
  /** Series that it names for the first time, by the numbers that stand for them. */
  readonly named: readonly Named[];
  /**
   * The growth of each series: its number, how many figures follow, and those. For a counter, its growth; for money, in
   * nano-dollars; for a histogram, that of its sum, then each bucket that grew, and by how many observations. One array: an object
   * for each series would cost more than all the counting.
   */
  readonly counted: Float64Array;
}

/** The gauges of a process that have a value. */
export type Gauges = readonly (readonly [family: string, labels: LabelPairs, value: number])[];

/** Where much happens, what has changed is told together, this often: a message for each call would cost a tenth of it. */
const TOGETHER_MS = 10;

/** Follows a store, for another process. */
export class Journal {
  readonly #store: Store;
  readonly #send: (changes: Changes) => void;
  readonly #told = new Map<Series, Told>();
  readonly #changed = new Map<Series, string>();
  #sentMs = -Infinity;

  /**
   * `send` is called at the end of a turn in which a counter or a histogram changed, or, if it was called less than 10 ms
   * before, after these.
   */
  constructor(store: Store, send: (changes: Changes) => void) {
    this.#store = store;
    this.#send = send;
    store.follow((family, series) => {
      if (this.#changed.size === 0) this.#plan();
      this.#changed.set(series, family);
    });
  }

  #plan(): void {
    const waitMs = this.#sentMs + TOGETHER_MS - performance.now();
    if (waitMs > 0) setTimeout(() => this.flush(), waitMs);
    else setImmediate(() => this.flush());
  }

  /** Sends what has changed now. */
  flush(): void {
    if (this.#changed.size === 0) return;
    this.#sentMs = performance.now();
    const named: Named[] = [];
    const counted: number[] = [];
    for (const [series, family] of this.#changed) {
      if (series instanceof GaugeSeries || series.value() === null) continue;
      let told = this.#told.get(series);
      if (told === undefined) {
        told = new Told(this.#told.size);
        this.#told.set(series, told);
        named.push([told.id, family, series.labels, this.#capsOf(series)]);
      }
      told.pushGrowth(series, counted);
    }
    this.#changed.clear();
    if (counted.length > 0) this.#send({ named, counted: Float64Array.from(counted) });
  }

  #capsOf({ labels }: Series): Readonly<Record<string, number>> {
    const caps: Record<string, number> = {};
    for (const [label, value] of labels) {
      const cap = this.#store.capOver(label, value);
      if (cap !== null) caps[label] = cap;
    }
    return caps;
  }

  /** The gauges of this moment. What has changed is sent before. */
  gauges(): Gauges {
    this.flush();
    return this.#store.all().flatMap((family) => {
      const { name, type } = family.declaration;
      if (type !== 'gauge') return [];
      return family.all().flatMap((series) => {
        const value = series.value();
        return value === null ? [] : [[name, series.labels, value] as const];
      });
    });
  }
}

/** What a process has reported of a series. */
class Told {
  readonly id: number;
  #value = 0;
  #nanoUsd = 0n;
  readonly #counts: number[] = [];

  constructor(id: number) {
    this.id = id;
  }

  /** Appends what the series has grown by since the last report. A growth of 0 makes it appear. */
  pushGrowth(series: Exclude<Series, GaugeSeries>, counted: number[]): void {
    if (series instanceof HistogramSeries) return this.#pushHistogram(series, counted);
    if (series instanceof MoneySeries) {
      const nanoUsd = series.totalNanoUsd();
      counted.push(this.id, 1, Number(nanoUsd - this.#nanoUsd));
      this.#nanoUsd = nanoUsd;
      return;
    }
    const value = series.value() ?? 0;
    counted.push(this.id, 1, value - this.#value);
    this.#value = value;
  }

  #pushHistogram(series: HistogramSeries, counted: number[]): void {
    const sum = series.sum();
    const lengthAt = counted.push(this.id, 1, sum - this.#value) - 2;
    this.#value = sum;
    for (let bucket = 0; bucket <= series.bounds().length; bucket += 1) {
      const growth = series.countIn(bucket) - (this.#counts[bucket] ?? 0);
      this.#counts[bucket] = series.countIn(bucket);
      if (growth > 0) counted.push(bucket, growth);
    }
    counted[lengthAt] = counted.length - lengthAt - 1;
  }
}

/** Counts each call once, so its growth says how many calls had a value dropped. */
const CALLS = 'anthropic_requests_total';

interface Followed {
  readonly series: Series;
  /** Labels whose value became `other` here. */
  readonly dropped: readonly string[];
}

/** What one process has told. Its counts stay in the joined store after its end. */
export class Account {
  readonly #store: Store;
  readonly #followed = new Map<number, Followed>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Adds what has been counted since. What the catalogue of this process does not have is left out. */
  add({ named, counted }: Changes): void {
    for (const [id, family, labels, caps] of named) {
      const bounded = labels.map(([label, value]) => [label, this.#bounded(label, value, caps[label])] as const);
      const series = this.#store.seriesOf(family, bounded);
      if (series === null) continue;
      const dropped = labels.filter(([, value], index) => family === CALLS && value !== bounded[index]?.[1]);
      this.#followed.set(id, { series, dropped: dropped.map(([label]) => label) });
    }
    for (let at = 0; at < counted.length;) {
      const [id = 0, length = 0] = [counted[at], counted[at + 1]];
      const followed = this.#followed.get(id);
      at += 2;
      if (followed !== undefined) {
        addGrowth(followed.series, counted, { from: at, to: at + length });
        for (const label of followed.dropped)
          this.#store.families.plimsoll_label_values_dropped_total.series({ label }).add(counted[at] ?? 0);
      }
      at += length;
    }
  }

  /** Applies the cap again: all processes together get no more series than one would. */
  #bounded(label: string, value: string, cap: number | undefined): string {
    return cap === undefined ? value : this.#store.boundedLabel(label, { reserved: [], cap }).value(value);
  }
}

interface Part {
  readonly from: number;
  readonly to: number;
}

function addGrowth(series: Series, counted: Float64Array, { from, to }: Part): void {
  const growth = counted[from] ?? 0;
  if (series instanceof CounterSeries) series.add(growth);
  if (series instanceof MoneySeries) {
    series.showAtZero();
    series.addNanoUsd(growth);
  }
  if (!(series instanceof HistogramSeries)) return;
  series.addSum(growth);
  for (let at = from + 1; at < to; at += 2) series.addCount(counted[at] ?? 0, counted[at + 1] ?? 0);
}

/** Shows the gauges of several processes in one store, each as the catalogue says that they combine. */
export class JoinedGauges {
  readonly #store: Store;
  #shown = new Set<GaugeSeries>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Sets what these processes have now. What none of them has any more is hidden. */
  set(all: readonly Gauges[]): void {
    const joined = new Map<GaugeSeries, number>();
    for (const [family, labels, value] of all.flat()) {
      const series = this.#store.seriesOf(family, labels);
      const join = JOINS[this.#aggregatorOf(family)];
      if (!(series instanceof GaugeSeries) || join === null) continue;
      const before = joined.get(series);
      joined.set(series, before === undefined ? value : join(before, value));
    }
    for (const series of this.#shown) if (!joined.has(series)) series.clear();
    for (const [series, value] of joined) series.set(value);
    this.#shown = new Set(joined.keys());
  }

  #aggregatorOf(family: string): MetricDeclaration['aggregator'] {
    const families: Readonly<Record<string, { readonly declaration: MetricDeclaration }>> = this.#store.families;
    return families[family]?.declaration.aggregator ?? 'omit';
  }
}

/** `null` for what means nothing of several processes together: the page shows what its own process has. */
const JOINS: Readonly<Record<MetricDeclaration['aggregator'], ((one: number, other: number) => number) | null>> = {
  sum: (one, other) => one + other,
  min: Math.min,
  max: Math.max,
  first: (one) => one,
  omit: null,
};
