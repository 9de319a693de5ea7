/**
 * The numbers of several processes in one store. Each worker tells of what has changed within 10 ms, so that one that dies
 * takes no more along; gauges are asked for at each scrape.
 */
import type { MetricDeclaration } from './metric.ts';
import { CounterSeries, GaugeSeries, HistogramSeries, MoneySeries, type LabelPairs, type Series } from './series.ts';
import type { Store } from './store.ts';

/** What a series has counted since its process began. */
type Counted =
  | { readonly kind: 'counter'; readonly value: number }
  | { readonly kind: 'money'; readonly nanoUsd: bigint }
  | { readonly kind: 'histogram'; readonly counts: readonly number[]; readonly sum: number };

/** What has changed in a process since it told of it last. */
export interface Changes {
  /** Series that it names for the first time, by the numbers that stand for them. */
  readonly named: readonly (readonly [id: number, family: string, labels: LabelPairs])[];
  readonly counted: readonly (readonly [id: number, counted: Counted])[];
}

/** The gauges of a process that have a value. */
export type Gauges = readonly (readonly [family: string, labels: LabelPairs, value: number])[];

/** Where much happens, what has changed is told together, this often: a message for each call would cost a tenth of it. */
const TOGETHER_MS = 10;

/** Follows a store, for another process. */
export class Journal {
  readonly #store: Store;
  readonly #send: (changes: Changes) => void;
  readonly #ids = new Map<Series, number>();
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
    const named: [number, string, LabelPairs][] = [];
    const counted: [number, Counted][] = [];
    for (const [series, family] of this.#changed) {
      const value = countedBy(series);
      if (value === null) continue;
      let id = this.#ids.get(series);
      if (id === undefined) {
        id = this.#ids.size;
        this.#ids.set(series, id);
        named.push([id, family, series.labels]);
      }
      counted.push([id, value]);
    }
    this.#changed.clear();
    if (counted.length > 0) this.#send({ named, counted });
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

/** `null` for a series that shows nothing yet. */
function countedBy(series: Series): Counted | null {
  if (series instanceof HistogramSeries) return histogram(series);
  if (series instanceof MoneySeries)
    return series.value() === null ? null : { kind: 'money', nanoUsd: series.totalNanoUsd() };
  const value = series.value();
  return value === null ? null : { kind: 'counter', value };
}

function histogram(series: HistogramSeries): Counted | null {
  if (series.value() === null) return null;
  const counts = Array.from({ length: series.bounds().length + 1 }, (_, bucket) => series.countIn(bucket));
  return { kind: 'histogram', counts, sum: series.sum() };
}

/** A series of the joined store, and what one process had counted when it told of it last. */
interface Followed {
  readonly series: Series;
  counted: Counted | null;
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
    for (const [id, family, labels] of named) {
      const series = this.#store.seriesOf(family, labels);
      if (series !== null) this.#followed.set(id, { series, counted: null });
    }
    for (const [id, now] of counted) {
      const followed = this.#followed.get(id);
      if (followed === undefined) continue;
      addGrowth(followed.series, now, followed.counted);
      followed.counted = now;
    }
  }
}

function addGrowth(series: Series, now: Counted, before: Counted | null): void {
  if (now.kind === 'counter' && series instanceof CounterSeries)
    series.add(now.value - (before?.kind === 'counter' ? before.value : 0));
  if (now.kind === 'money' && series instanceof MoneySeries) {
    series.showAtZero();
    series.addNanoUsd(Number(now.nanoUsd - (before?.kind === 'money' ? before.nanoUsd : 0n)));
  }
  if (now.kind === 'histogram' && series instanceof HistogramSeries) {
    const { counts, sum } = before?.kind === 'histogram' ? before : { counts: [], sum: 0 };
    series.merge(
      now.counts.map((count, bucket) => count - (counts[bucket] ?? 0)),
      now.sum - sum,
    );
  }
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
