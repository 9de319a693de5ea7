import { NANO_USD_PER_USD, usdOf } from '../../figures.ts';
import type { Trace } from '../../trace.ts';
import type { MetricDeclaration } from './metric.ts';

/**
 * The numbers. A series is one label set and its number; its feeder finds it once and keeps it, so that an update is an
 * addition and allocates nothing. prom-client hashes and validates the labels at each update instead, which is most of
 * what recording a call costs there.
 */

/** Names and values in the order in which they are shown. */
export type LabelPairs = readonly (readonly [name: string, value: string])[];

/** The last observation that had a trace. */
export interface Exemplar extends Trace {
  readonly value: number;
}

/** Where the series of a family note that they have changed; `null` where nobody follows them. */
export interface ChangeNotes {
  note: ((series: Series) => void) | null;
}

const UNFOLLOWED: ChangeNotes = { note: null };

/** A number that only goes up. Hidden until the first `add`, even of 0, or until `showAtZero`. */
export class CounterSeries {
  readonly labels: LabelPairs;
  readonly #changes: ChangeNotes;
  #value = 0;
  #shown = false;
  #showsZero = false;
  #trace: Trace | null = null;
  #tracedAmount = 0;

  constructor(labels: LabelPairs, changes: ChangeNotes = UNFOLLOWED) {
    this.labels = labels;
    this.#changes = changes;
  }

  /** Throws a `RangeError` for a negative amount or one that is not a number: it could never be undone. */
  add(amount: number, trace?: Trace | null): void {
    if (!(amount >= 0 && amount < Infinity)) throw new RangeError('a counter takes finite amounts from 0 up');
    this.#value += amount;
    this.#shown = true;
    if (trace) {
      this.#trace = trace;
      this.#tracedAmount = amount;
    }
    this.#changes.note?.(this);
  }

  /** Shows the series at 0 from now on. */
  showAtZero(): void {
    this.#showsZero = true;
    this.#shown = true;
    this.#changes.note?.(this);
  }

  /** Goes back to 0, and hides the series again unless `showAtZero` was called. */
  reset(): void {
    this.#value = 0;
    this.#shown = this.#showsZero;
    this.#trace = null;
  }

  /** `null` while hidden. */
  value(): number | null {
    return this.#shown ? this.#value : null;
  }

  exemplar(): Exemplar | null {
    return this.#trace && { ...this.#trace, value: this.#tracedAmount };
  }
}

/**
 * A sum of money that only goes up: exact at any size, since whole dollars and the nano-dollars left over
 * are two integers. Hidden until the first `addNanoUsd`, or until `showAtZero`.
 */
export class MoneySeries {
  readonly labels: LabelPairs;
  readonly #changes: ChangeNotes;
  #usd = 0;
  #nanoUsd = 0;
  #shown = false;
  #showsZero = false;

  constructor(labels: LabelPairs, changes: ChangeNotes = UNFOLLOWED) {
    this.labels = labels;
    this.#changes = changes;
  }

  /** Throws a `RangeError` for anything but a whole number of nano-dollars from 0 to 2^53 - 1. */
  addNanoUsd(amount: number): void {
    if (!(Number.isSafeInteger(amount) && amount >= 0)) throw new RangeError('expected whole nano-dollars from 0 up');
    const usd = Math.floor(amount / NANO_USD_PER_USD);
    this.#usd += usd;
    this.#nanoUsd += amount - usd * NANO_USD_PER_USD;
    if (this.#nanoUsd >= NANO_USD_PER_USD) {
      this.#nanoUsd -= NANO_USD_PER_USD;
      this.#usd += 1;
    }
    this.#shown = true;
    this.#changes.note?.(this);
  }

  /** Shows the series at 0 from now on. */
  showAtZero(): void {
    this.#showsZero = true;
    this.#shown = true;
    this.#changes.note?.(this);
  }

  /** Goes back to 0, and hides the series again unless `showAtZero` was called. */
  reset(): void {
    this.#usd = 0;
    this.#nanoUsd = 0;
    this.#shown = this.#showsZero;
  }

  /** The exact sum. */
  totalNanoUsd(): bigint {
    return BigInt(this.#usd) * BigInt(NANO_USD_PER_USD) + BigInt(this.#nanoUsd);
  }

  /** In US dollars, the double nearest to the exact sum; `null` while hidden. */
  value(): number | null {
    if (!this.#shown) return null;
    const nanoUsd = this.#usd * NANO_USD_PER_USD + this.#nanoUsd;
    // Up to 2^53 the dividend is exact and the division rounds once; beyond, only the decimals are exact.
    if (nanoUsd <= Number.MAX_SAFE_INTEGER) return usdOf(nanoUsd);
    return Number(`${this.#usd}.${String(this.#nanoUsd).padStart(9, '0')}`);
  }

  exemplar(): null {
    return null;
  }
}

/** A number that rises and falls. Hidden until it is set. */
export class GaugeSeries {
  readonly labels: LabelPairs;
  readonly #onError: () => void;
  #value = 0;
  #shown = false;
  #read: (() => number | null) | null = null;
  #atReset: (() => number) | null = null;

  /** `onError` is called for each value that could not be computed. */
  constructor(labels: LabelPairs, onError: () => void = () => {}) {
    this.labels = labels;
    this.#onError = onError;
  }

  set(value: number): void {
    this.#value = value;
    this.#shown = true;
  }

  /** Goes up, or down by a negative amount. */
  add(amount: number): void {
    this.#value += amount;
    this.#shown = true;
  }

  /** Hides it, because what it measured is no longer known. */
  clear(): void {
    this.#value = 0;
    this.#shown = false;
  }

  /** Computes the value by `read` at each scrape from now on; `null` hides the series, and so does an error. */
  computeBy(read: () => number | null): void {
    this.#read = read;
  }

  /** Sets it to what `read` says now, and again at each `reset`. */
  setAtReset(read: () => number): void {
    this.#atReset = read;
    this.set(read());
  }

  /** Changes only what `setAtReset` computes: otherwise calls in progress would drop below 0. */
  reset(): void {
    if (this.#atReset !== null) this.set(this.#atReset());
  }

  /** `null` while hidden. */
  value(): number | null {
    if (this.#read === null) return this.#shown ? this.#value : null;
    try {
      return this.#read();
    } catch {
      this.#onError();
      return null;
    }
  }

  exemplar(): null {
    return null;
  }
}

/** Observations counted by size. Hidden until the first. */
export class HistogramSeries {
  readonly labels: LabelPairs;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;
  /** The last trace of each bucket, and the value that it was observed with. */
  #traces: (Trace | null)[] | null = null;
  #tracedValues: number[] = [];
  readonly #changes: ChangeNotes;

  constructor(labels: LabelPairs, bounds: readonly number[], changes: ChangeNotes = UNFOLLOWED) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#changes = changes;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** Throws a `RangeError` for anything but a finite number: it would make the sum unusable permanently. */
  observe(value: number, trace?: Trace | null): void {
    if (!(value - value === 0)) throw new RangeError('a histogram takes finite numbers');
    let bucket = 0;
    while (value > (this.#bounds[bucket] ?? Infinity)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    this.#count += 1;
    if (trace) this.#keepTrace(bucket, value, trace);
    this.#changes.note?.(this);
  }

  #keepTrace(bucket: number, value: number, trace: Trace): void {
    if (this.#traces === null) {
      this.#traces = new Array<Trace | null>(this.#counts.length).fill(null);
      this.#tracedValues = new Array<number>(this.#counts.length).fill(0);
    }
    this.#traces[bucket] = trace;
    this.#tracedValues[bucket] = value;
  }

  /** Adds observations in one bucket that another process counted. Their sum is added apart. */
  addCount(bucket: number, count: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#count += count;
  }

  /** Adds the sum of observations that another process counted. */
  addSum(sum: number): void {
    this.#sum += sum;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#sum = 0;
    this.#count = 0;
    this.#traces = null;
  }

  /** Number of observations; `null` while hidden. */
  value(): number | null {
    return this.#count === 0 ? null : this.#count;
  }

  sum(): number {
    return this.#sum;
  }

  /** Upper bounds, without `+Inf`. */
  bounds(): readonly number[] {
    return this.#bounds;
  }

  /** Observations in one bucket only, not cumulative; the last bucket is `+Inf`. */
  countIn(bucket: number): number {
    return this.#counts[bucket] ?? 0;
  }

  exemplarIn(bucket: number): Exemplar | null {
    const trace = this.#traces?.[bucket] ?? null;
    return trace && { ...trace, value: this.#tracedValues[bucket] ?? 0 };
  }
}

export type Series = CounterSeries | MoneySeries | GaugeSeries | HistogramSeries;

/** One metric and all its series. `Labels` are those that the catalogue declares for it. */
export class Family<Labels extends Readonly<Record<string, string>>, S extends Series> {
  readonly declaration: MetricDeclaration;
  readonly #create: (labels: LabelPairs) => S;
  readonly #byLabels = new Map<string, S>();
  readonly #all: S[] = [];

  constructor(declaration: MetricDeclaration, create: (labels: LabelPairs) => S) {
    this.declaration = declaration;
    this.#create = create;
  }

  /**
   * Returns the series of a label set, always the same object for the same labels. Getting it does not show it. An
   * attribution label without a value is left out, which means the same to Prometheus: two clients of one registry that
   * declare different labels then share a series instead of showing it twice.
   */
  series(labels: Labels, attribution: Readonly<Record<string, string>> = {}): S {
    const pairs: (readonly [string, string])[] = [];
    for (const name of this.declaration.labels) pairs.push([name, labels[name] ?? '']);
    for (const name of Object.keys(attribution).sort()) {
      const value = attribution[name];
      if (value !== undefined && value !== '') pairs.push([name, value]);
    }
    const id = JSON.stringify(pairs);
    const known = this.#byLabels.get(id);
    if (known !== undefined) return known;
    const created = this.#create(pairs);
    this.#byLabels.set(id, created);
    this.#all.push(created);
    return created;
  }

  /** In the order of creation, hidden ones included. Only ever grows, so an index stands for one series. */
  all(): readonly S[] {
    return this.#all;
  }

  reset(): void {
    for (const series of this.#all) series.reset();
  }
}

/** Any family, for those who only read. */
export type AnyFamily = Pick<Family<never, Series>, 'declaration' | 'all' | 'reset'>;
