import { label, type Sample } from '../advice/samples.ts';
import { CATALOGUE } from '../record/metrics/catalogue.ts';
import type { MetricDeclaration } from '../record/metrics/metric.ts';
import type { Outcome, RateLimitReason, TokenKind } from '../vocabulary.ts';
import { OUTCOMES, RATE_LIMIT_REASONS, TOKEN_KINDS } from '../vocabulary.ts';
import { NANO_USD_PER_USD } from '../figures.ts';
import { ENDED } from './live-calls.ts';
import { Lowest } from './lowest.ts';
import { limitsOf, limitId } from './standing.ts';
import { EVERY, type Cell, type CellLabels } from './cell.ts';
import { LastHour } from './timeline.ts';
import type { Replica } from './view.ts';

const DECLARED: ReadonlyMap<string, MetricDeclaration> = new Map(
  CATALOGUE.map((declaration: MetricDeclaration) => [declaration.name, declaration]),
);

/** One metrics page, as it was read last. */
interface Page {
  readonly url: string;
  samples: readonly Sample[];
  /** Counters of the last reading, by name and labels. */
  before: ReadonlyMap<string, number> | null;
  seenAtMs: number | null;
  isSilent: boolean;
}

/** How a metrics page is read; rejects where it cannot be. */
type ReadPage = (url: string) => Promise<readonly Sample[]>;

/**
 * Counts the calls of other processes into the last hour, from the growth of the counters on their metrics pages. 429s,
 * retries and latency carry no attribution there, so they are counted without.
 */
export class Replicas {
  readonly hour = new LastHour();
  readonly lowest = new Lowest();
  readonly sinceMs: number;
  readonly #pages: readonly Page[];
  readonly #read: ReadPage;
  readonly #now: () => number;
  readonly #places = new Map<string, CellLabels>();
  #samples: readonly Sample[] = [];

  constructor(urls: readonly string[], { read, now }: { readonly read: ReadPage; readonly now: () => number }) {
    this.#pages = urls.map((url) => ({ url, samples: [], before: null, seenAtMs: null, isSilent: false }));
    this.#read = read;
    this.#now = now;
    this.sinceMs = now();
  }

  /** Counters and gauges of all pages as one, the last of a silent page included: summed, or the largest, or the smallest. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  get replicas(): readonly Replica[] {
    return this.#pages.map(({ url, seenAtMs, isSilent }) => ({ name: new URL(url).host, seenAtMs, isSilent }));
  }

  /** Reads all pages once. Never rejects: a page that cannot be read is silent. */
  async poll(): Promise<void> {
    await Promise.all(this.#pages.map((page) => this.#pollOne(page)));
    this.#samples = merged(this.#pages.flatMap(({ samples }) => samples));
    for (const { key, modelClass, dimension, remaining } of limitsOf(this.samples, new Map())) {
      this.lowest.see(limitId({ key, modelClass, dimension }), remaining, this.#now());
    }
  }

  async #pollOne(page: Page): Promise<void> {
    try {
      const samples = await this.#read(page.url);
      const now = new Map(samples.filter(({ name }) => FEEDS.has(name)).map((sample) => [idOf(sample), sample.value]));
      if (page.before !== null) this.#count(samples, page.before);
      page.samples = samples;
      page.before = now;
      page.seenAtMs = this.#now();
      page.isSilent = false;
    } catch {
      page.isSilent = true;
    }
  }

  /** A counter that fell has begun again: all of it is new. */
  #count(samples: readonly Sample[], before: ReadonlyMap<string, number>): void {
    const buckets = new Map<string, Bucket[]>();
    const nowMs = this.#now();
    for (const sample of samples) {
      const feed = FEEDS.get(sample.name);
      if (feed === undefined) continue;
      const earlier = before.get(idOf(sample)) ?? 0;
      const growth = sample.value < earlier ? sample.value : sample.value - earlier;
      if (feed === 'histogram') collect(buckets, sample, growth);
      else if (growth > 0) this.hour.count(this.#placeOf(sample), nowMs, (cell) => feed(cell, growth, sample));
    }
    for (const grown of buckets.values()) this.#countDurations(grown);
  }

  #countDurations(grown: Bucket[]): void {
    const [first] = grown;
    if (first === undefined) return;
    grown.sort((one, other) => one.le - other.le);
    let [below, from] = [0, 0];
    for (const { le, count } of grown) {
      const inside = count - below;
      const to = le === Infinity ? Math.max(from, from * 2) : le;
      if (inside > 0) this.#spread(first.sample, { from, to, count: inside });
      [below, from] = [count, to];
    }
  }

  /** A bucket does not say where in it the durations are: they are spread evenly, in whole numbers. */
  #spread(sample: Sample, { from, to, count }: { from: number; to: number; count: number }): void {
    const parts = Math.min(8, Math.ceil(count));
    const upTo = (part: number): number => Math.round((count * part) / parts);
    const isCall = sample.name === 'anthropic_request_duration_seconds_bucket';
    this.hour.count(this.#placeOf(sample), this.#now(), (cell) => {
      for (let part = 0; part < parts; part += 1) {
        const seconds = from + ((to - from) * (part + 0.5)) / parts;
        const own = upTo(part + 1) - upTo(part);
        if (isCall) cell.took(seconds, own);
        else cell.began(seconds, own);
      }
    });
  }

  #placeOf({ name, labels }: Sample): CellLabels {
    const declared = DECLARED.get(name.replace(/_bucket$/, ''));
    const own: readonly string[] = [...(declared?.labels ?? []), 'le'];
    const attribution =
      declared?.attributed === true
        ? Object.fromEntries(Object.entries(labels).filter(([label]) => !own.includes(label)))
        : EVERY;
    const place = { operation: '', key: labels['key'] ?? '', model: labels['model'] ?? '', attribution };
    const id = JSON.stringify([place, attribution === EVERY]);
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    this.#places.set(id, place);
    return place;
  }
}

const first = (one: number): number => one;

const PICKS = {
  first,
  omit: first,
  sum: (one: number, other: number) => one + other,
  max: Math.max,
  min: Math.min,
} as const;

/** One sample for each name and labels, joined as the catalogue says. Histograms and what is not of the catalogue are left out. */
function merged(samples: readonly Sample[]): readonly Sample[] {
  const found = new Map<string, Sample>();
  for (const sample of samples) {
    const declared = DECLARED.get(sample.name);
    if (declared === undefined) continue;
    const id = idOf(sample);
    const known = found.get(id);
    const value = known === undefined ? sample.value : PICKS[declared.aggregator](known.value, sample.value);
    found.set(id, { ...sample, value });
  }
  return [...found.values()];
}

interface Bucket {
  readonly le: number;
  readonly count: number;
  readonly sample: Sample;
}

function collect(buckets: Map<string, Bucket[]>, sample: Sample, count: number): void {
  const le = label(sample, 'le');
  const id = JSON.stringify([sample.name, Object.entries(sample.labels).filter(([name]) => name !== 'le')]);
  const known = buckets.get(id) ?? [];
  buckets.set(id, known);
  known.push({ le: le === '+Inf' ? Infinity : Number(le), count, sample });
}

type Feed = (cell: Cell, growth: number, sample: Sample) => void;

/** What the growth of each counter adds to a cell. */
const FEEDS: ReadonlyMap<string, Feed | 'histogram'> = new Map<string, Feed | 'histogram'>(
  Object.entries<Feed | 'histogram'>({
    anthropic_requests_total: (cell, growth, sample) => {
      const outcome = OUTCOMES.find((one): one is Outcome => one === label(sample, 'outcome'));
      cell[outcome === undefined ? 'failed' : ENDED[outcome]] += growth;
    },
    anthropic_attempts_total: (cell, growth) => (cell.attempts += growth),
    anthropic_retries_total: (cell, growth) => (cell.retries += growth),
    anthropic_retry_wait_seconds_total: (cell, growth) => (cell.waitSeconds += growth),
    anthropic_rate_limited_total: (cell, growth, sample) => {
      const reason = RATE_LIMIT_REASONS.find((one): one is RateLimitReason => one === label(sample, 'reason'));
      cell.reject(reason ?? 'unknown', growth);
    },
    anthropic_cost_usd_total: (cell, growth) => (cell.costNanoUsd += Math.round(growth * NANO_USD_PER_USD)),
    anthropic_tokens_total: (cell, growth, sample) => {
      const kind = TOKEN_KINDS.find((one): one is TokenKind => one === label(sample, 'kind'));
      if (kind !== undefined) cell.addTokens(kind, growth);
    },
    anthropic_request_duration_seconds_bucket: 'histogram',
    anthropic_time_to_first_token_seconds_bucket: 'histogram',
  }),
);

function idOf({ name, labels }: Sample): string {
  return `${name}${JSON.stringify(labels)}`;
}
