import { label, type Sample } from '../advice/samples.ts';
import type { Outcome, RateLimitReason, TokenKind } from '../vocabulary.ts';
import { OUTCOMES, RATE_LIMIT_REASONS, TOKEN_KINDS } from '../vocabulary.ts';
import { NANO_USD_PER_USD } from '../figures.ts';
import type { Cell } from './cell.ts';
import { ENDED } from './live-calls.ts';
import { Lowest } from './lowest.ts';
import { MOST_SERIES, wordsOf, type PageRead } from './metrics-pages.ts';
import { countPaced, Paced } from './paced.ts';
import { SeriesReader, type Histogram, type Series } from './series.ts';
import { limitsOf, limitId } from './standing.ts';
import { LastHour } from './timeline.ts';
import type { Replica } from './view.ts';

/** One metrics page, as it was read last. */
interface Page {
  readonly url: string;
  /** By the index of their series; `null` until it answered. */
  values: Float64Array | null;
  seenAtMs: number | null;
  /** What came in place of the page, last; `null` if it came. */
  trouble: string | null;
}

/** Reads a metrics page. Never rejects. */
type ReadPage = (url: string) => Promise<PageRead>;

interface ReplicasOptions {
  readonly read: ReadPage;
  readonly now: () => number;
  /** Series of all pages together. Default: 200,000. */
  readonly mostSeries?: number;
}

/** Series that vanished are forgotten once there are so many of them, and no fewer than of others. */
const MOST_VANISHED = 1_000;

/**
 * Counts the calls of other processes into the last hour, from the growth of the counters on their metrics pages. 429s,
 * retries and latency carry no attribution there, so they are counted without.
 */
export class Replicas {
  readonly hour = new LastHour();
  readonly lowest = new Lowest();
  readonly paced = new Paced();
  readonly sinceMs: number;
  readonly #pages: readonly Page[];
  readonly #read: ReadPage;
  readonly #now: () => number;
  readonly #reader: SeriesReader;
  #samples: readonly Sample[] = [];
  #forgotten = 0;
  /** Series that were known when it was last looked which had vanished. */
  #looked = 0;

  constructor(urls: readonly string[], { read, now, mostSeries = MOST_SERIES }: ReplicasOptions) {
    this.#reader = new SeriesReader(mostSeries);
    this.#pages = urls.map((url) => ({ url, values: null, seenAtMs: null, trouble: null }));
    this.#read = read;
    this.#now = now;
    this.sinceMs = now();
  }

  /** Counters and gauges of all pages as one, the last of a silent page included: summed, or the largest, or the smallest. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  get replicas(): readonly Replica[] {
    return this.#pages.map(({ url, seenAtMs, trouble }) => ({ name: new URL(url).host, seenAtMs, trouble }));
  }

  /** Series that vanished from all pages and were forgotten. What they had counted stays counted. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Reads all pages once. Never rejects: a page that cannot be read is silent. */
  async poll(): Promise<void> {
    // All bytes first: while one page is taken apart, the time of the others would run out.
    const reads = await Promise.all(this.#pages.map(({ url }) => this.#read(url)));
    for (const [at, page] of this.#pages.entries()) await this.#take(page, reads[at]);
    if (this.#reader.all.length > 2 * this.#looked + MOST_VANISHED) this.#forgetVanished();
    this.#samples = this.#merged();
    for (const { key, modelClass, dimension, remaining } of limitsOf(this.samples, new Map())) {
      this.lowest.see(limitId({ key, modelClass, dimension }), remaining, this.#now());
    }
  }

  async #take(page: Page, read: PageRead | undefined): Promise<void> {
    if (read === undefined || 'trouble' in read) {
      page.trouble = read?.trouble ?? wordsOf('no_metrics', 0);
      return;
    }
    let found = await this.#reader.read(read.bytes);
    if ('fault' in found && found.fault === 'no_room' && this.#forgetVanished())
      found = await this.#reader.read(read.bytes);
    page.trouble = 'fault' in found ? wordsOf(found.fault, this.#reader.most) : null;
    if ('fault' in found) return;
    if (page.values !== null) this.#count(found.values, page.values);
    page.values = found.values;
    page.seenAtMs = this.#now();
  }

  /** Forgets the series that no page has any more; tells whether there were any. */
  #forgetVanished(): boolean {
    const before = this.#reader.all.length;
    const isHeld = new Uint8Array(before);
    for (const { values } of this.#pages)
      values?.forEach((value, index) => {
        if (!Number.isNaN(value)) isHeld[index] = 1;
      });
    const places = this.#reader.keep(({ index }) => isHeld[index] === 1);
    this.#looked = this.#reader.all.length;
    this.#forgotten += before - this.#looked;
    for (const page of this.#pages) page.values &&= moved(page.values, places, this.#looked);
    return this.#looked < before;
  }

  #count(values: Float64Array, before: Float64Array): void {
    const nowMs = this.#now();
    for (const series of this.#reader.all) {
      const feed = FEEDS.get(series.name);
      const isPaced = series.name.startsWith('anthropic_pace_');
      const growth = feed === undefined && !isPaced ? 0 : grown(series.index, values, before);
      if (isPaced && growth > 0) countPaced(this.paced, { sample: { ...series, value: growth }, growth }, nowMs);
      if (feed !== undefined && growth > 0) this.hour.count(series.place, nowMs, (cell) => feed(cell, growth, series));
    }
    for (const histogram of this.#reader.histograms) this.#countDurations(histogram, values, before);
  }

  #countDurations(histogram: Histogram, values: Float64Array, before: Float64Array): void {
    if (!DURATIONS.has(histogram.name)) return;
    let [below, from] = [0, 0];
    for (const { le, series } of histogram.buckets) {
      const count = grown(series.index, values, before);
      const to = le === Infinity ? Math.max(from, from * 2) : le;
      if (count > below) this.#spread(histogram, { from, to, count: count - below });
      [below, from] = [count, to];
    }
  }

  /** A bucket does not say where in it the durations are: they are spread evenly, in whole numbers. */
  #spread(
    { name, place }: Histogram,
    { from, to, count }: { readonly from: number; readonly to: number; readonly count: number },
  ): void {
    const parts = Math.min(8, Math.ceil(count));
    const upTo = (part: number): number => Math.round((count * part) / parts);
    const isCall = name === 'anthropic_request_duration_seconds_bucket';
    this.hour.count(place, this.#now(), (cell) => {
      for (let part = 0; part < parts; part += 1) {
        const seconds = from + ((to - from) * (part + 0.5)) / parts;
        const own = upTo(part + 1) - upTo(part);
        if (isCall) cell.took(seconds, own);
        else cell.began(seconds, own);
      }
    });
  }

  /** One sample for each series, joined as the catalogue says. Histograms and what is not of the catalogue are left out. */
  #merged(): readonly Sample[] {
    return this.#reader.all.flatMap(({ name, labels, index, declared }): readonly Sample[] => {
      if (declared === undefined) return [];
      const pick = PICKS[declared.aggregator];
      let value = NaN;
      for (const { values } of this.#pages) {
        const own = values?.[index] ?? NaN;
        if (!Number.isNaN(own)) value = Number.isNaN(value) ? own : pick(value, own);
      }
      return Number.isNaN(value) ? [] : [{ name, labels, value }];
    });
  }
}

/** The same values where their series are now. */
function moved(values: Float64Array, places: Int32Array, length: number): Float64Array {
  const now = new Float64Array(length).fill(NaN);
  for (const [index, value] of values.entries()) {
    const place = places[index] ?? -1;
    if (place !== -1) now[place] = value;
  }
  return now;
}

/** How much a counter grew. One that fell has begun again: all of it is new. One that was not there began at 0. */
function grown(index: number, values: Float64Array, before: Float64Array): number {
  const value = values[index] ?? NaN;
  const earlier = before[index] ?? NaN;
  if (Number.isNaN(value)) return 0;
  return Number.isNaN(earlier) || value < earlier ? value : value - earlier;
}

const first = (one: number): number => one;

const PICKS = {
  first,
  omit: first,
  sum: (one: number, other: number) => one + other,
  max: Math.max,
  min: Math.min,
} as const;

const DURATIONS: ReadonlySet<string> = new Set([
  'anthropic_request_duration_seconds_bucket',
  'anthropic_time_to_first_token_seconds_bucket',
]);

type Feed = (cell: Cell, growth: number, series: Series) => void;

/** What the growth of each counter adds to a cell. */
const FEEDS: ReadonlyMap<string, Feed> = new Map<string, Feed>(
  Object.entries<Feed>({
    anthropic_requests_total: (cell, growth, series) => {
      const outcome = OUTCOMES.find((one): one is Outcome => one === valueOf(series, 'outcome'));
      cell[outcome === undefined ? 'failed' : ENDED[outcome]] += growth;
    },
    anthropic_attempts_total: (cell, growth) => (cell.attempts += growth),
    anthropic_retries_total: (cell, growth) => (cell.retries += growth),
    anthropic_retry_wait_seconds_total: (cell, growth) => (cell.waitSeconds += growth),
    anthropic_rate_limited_total: (cell, growth, series) => {
      const reason = RATE_LIMIT_REASONS.find((one): one is RateLimitReason => one === valueOf(series, 'reason'));
      cell.reject(reason ?? 'unknown', growth);
    },
    anthropic_cost_usd_total: (cell, growth) => (cell.costNanoUsd += Math.round(growth * NANO_USD_PER_USD)),
    anthropic_tokens_total: (cell, growth, series) => {
      const kind = TOKEN_KINDS.find((one): one is TokenKind => one === valueOf(series, 'kind'));
      if (kind !== undefined) cell.addTokens(kind, growth);
    },
  }),
);

const valueOf = ({ name, labels }: Series, of: string): string => label({ name, labels, value: 0 }, of);
