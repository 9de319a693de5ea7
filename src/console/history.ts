import { NANO_USD_PER_USD } from '../figures.ts';
import { OUTCOMES, RATE_LIMIT_REASONS, TOKEN_KINDS, type Outcome, type RateLimitReason } from '../vocabulary.ts';
import { EVERY, Sum, type CellLabels } from './cell.ts';
import type { Counted } from './counted.ts';
import { ENDED } from './live-calls.ts';
import type { Answered, Prometheus } from './prometheus.ts';
import { BINS } from './timeline.ts';
import type { Charts, Quantiles, Query, Row } from './view.ts';

/** A range of the past. */
interface Span extends Pick<Query, 'filter'> {
  readonly rangeSeconds: number;
  readonly endMs: number;
  /** The label of the table's rows. */
  readonly by: string;
}

/** What a Prometheus knows of a range. Its `increase()` is an estimate: it misses what a process counted before its first scrape. */
export interface Past {
  readonly seen: Counted;
  /** The first bin with any calls; `null` without calls. */
  readonly sinceMs: number | null;
  readonly quantiles: Readonly<Record<'latency' | 'firstToken', Quantiles | null>>;
  readonly rows: Pick<Charts, 'latency' | 'firstToken'>;
}

const LABEL_NAME = /^[A-Za-z_]\w*$/;

/** Fewer calls have no quantile, as in memory. */
const FEWEST = 20;

/** An answer is read again after so long: of a day, two seconds change nothing. */
const KEPT_MS = 15_000;

const MOST_KEPT = 20;

/** Reads ranges that are longer or older than what is in memory. */
export class History {
  readonly prometheus: Prometheus;
  readonly #matchers: string;
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly atMs: number; readonly past: Promise<Past> }>();

  constructor(
    prometheus: Prometheus,
    { matchers = '', now }: { readonly matchers?: string | undefined; readonly now: () => number },
  ) {
    this.prometheus = prometheus;
    this.#matchers = matchers;
    this.#now = now;
  }

  /** Rejects with a `PrometheusSilent`. */
  read(span: Span): Promise<Past> {
    const stepMs = (span.rangeSeconds * 1_000) / (BINS - 1);
    const lastMs = Math.floor(span.endMs / stepMs) * stepMs;
    const id = JSON.stringify([span.rangeSeconds, lastMs, span.filter, span.by]);
    const nowMs = this.#now();
    const known = this.#kept.get(id);
    if (known !== undefined && nowMs - known.atMs < KEPT_MS) return known.past;
    const past = this.#ask(span, { stepMs, lastMs });
    this.#kept.delete(id);
    this.#kept.set(id, { atMs: nowMs, past });
    if (this.#kept.size > MOST_KEPT) this.#kept.delete([...this.#kept.keys()][0] ?? '');
    past.catch(() => this.#kept.delete(id));
    return past;
  }

  async #ask(
    { filter, by }: Span,
    { stepMs, lastMs }: { readonly stepMs: number; readonly lastMs: number },
  ): Promise<Past> {
    const firstMs = lastMs - (BINS - 1) * stepMs;
    const toMs = lastMs + stepMs;
    const step = `${stepMs / 1_000}s`;
    const whole = `${(BINS * stepMs) / 1_000}s`;
    const of = (name: string, window: string): string => `increase(${this.#selector(name, filter)}[${window}])`;
    const range = (query: string): Promise<readonly Answered[]> =>
      this.prometheus.range(query, { fromMs: firstMs + stepMs, toMs, stepMs });
    const summed = (labels: string, name: string) => range(`sum by (${labels}) (${of(name, step)})`);
    const group = by === 'model' ? 'model' : `model, ${by}`;
    const total = (labels: string, name: string) =>
      this.prometheus.instant(`sum by (${labels}) (${of(name, whole)})`, toMs);
    const quantiles = (window: string, ask: (query: string) => Promise<readonly Answered[]>) =>
      Promise.all(QUANTILES.map(({ name, share }) => ask(quantileOf(name, share, (one) => of(one, window)))));
    const [bins, sets, rows, overall] = await Promise.all([
      Promise.all(BY_BIN.map(({ name, labels }) => summed(labels, name))),
      Promise.all(BY_SET.map(({ name, labels }) => total(`${group}, ${labels}`, name))),
      quantiles(step, range),
      quantiles(whole, (query) => this.prometheus.instant(query, toMs)),
    ]);
    const startsMs = Array.from({ length: BINS }, (_, at) => firstMs + at * stepMs);
    const seen = seenOf({ startsMs, stepMs, bins, sets, by });
    const firstBin = seen.bins.findIndex(({ calls }) => calls > 0);
    const [p50, p95, firstP50, firstP95] = rows.map((answer) => rowOf(answer, startsMs));
    const [of50, of95, firstOf50, firstOf95] = overall.map((answer) => answer[0]?.values[0]?.[1] ?? null);
    return {
      seen,
      sinceMs: startsMs[firstBin] ?? null,
      rows: { latency: { p50: p50 ?? [], p95: p95 ?? [] }, firstToken: { p50: firstP50 ?? [], p95: firstP95 ?? [] } },
      quantiles: { latency: both(of50, of95), firstToken: both(firstOf50, firstOf95) },
    };
  }

  /** A filter by a label that the metric lacks is left out, as the page says of the panels that do not follow it. */
  #selector(name: string, filter: Query['filter']): string {
    const chosen = Object.entries(filter).filter(
      ([label]) => LABEL_NAME.test(label) && (ATTRIBUTED.has(name) || label === 'key' || label === 'model'),
    );
    const matchers = [this.#matchers, ...chosen.map(([label, value]) => `${label}=${JSON.stringify(value)}`)];
    return `${name}{${matchers.filter((one) => one !== '').join()}}`;
  }
}

/** A name that PromQL can group by: what is none is grouped by model. */
export function groupedBy(by: string): string {
  return LABEL_NAME.test(by) ? by : 'model';
}

const ATTRIBUTED: ReadonlySet<string> = new Set([
  'anthropic_requests_total',
  'anthropic_cost_usd_total',
  'anthropic_tokens_total',
]);

const DURATION = 'anthropic_request_duration_seconds';
const FIRST_TOKEN = 'anthropic_time_to_first_token_seconds';

const QUANTILES = [
  { name: DURATION, share: 0.5 },
  { name: DURATION, share: 0.95 },
  { name: FIRST_TOKEN, share: 0.5 },
  { name: FIRST_TOKEN, share: 0.95 },
] as const;

function quantileOf(name: string, share: number, of: (name: string) => string): string {
  const enough = `sum(${of(`${name}_count`)}) >= ${FEWEST}`;
  return `histogram_quantile(${share}, sum by (le) (${of(`${name}_bucket`)})) and on () (${enough})`;
}

const both = (p50: number | null | undefined, p95: number | null | undefined): Quantiles | null =>
  typeof p50 === 'number' && typeof p95 === 'number' ? { p50, p95 } : null;

type Add = (sum: Sum, amount: number, labels: Answered['labels']) => void;

interface Read {
  readonly name: string;
  readonly labels: string;
  readonly add: Add;
}

const addCalls: Add = (sum, amount, { outcome: found }) => {
  const outcome = OUTCOMES.find((one): one is Outcome => one === found);
  sum[outcome === undefined ? 'failed' : ENDED[outcome]] += amount;
};

const addCost: Add = (sum, usd) => (sum.costNanoUsd += usd * NANO_USD_PER_USD);

const COST: Read = { name: 'anthropic_cost_usd_total', labels: 'model', add: addCost };
const WAITS: Read = {
  name: 'anthropic_retry_wait_seconds_total',
  labels: 'model',
  add: (sum, seconds) => (sum.waitSeconds += seconds),
};

/** What is read for each bin. */
const BY_BIN: readonly Read[] = [
  { name: 'anthropic_requests_total', labels: 'outcome', add: addCalls },
  { name: 'anthropic_attempts_total', labels: 'model', add: (sum, amount) => (sum.attempts += amount) },
  { name: 'anthropic_retries_total', labels: 'model', add: (sum, amount) => (sum.retries += amount) },
  {
    name: 'anthropic_rate_limited_total',
    labels: 'reason',
    add: (sum, amount, { reason: found }) => {
      const reason = RATE_LIMIT_REASONS.find((one): one is RateLimitReason => one === found) ?? 'unknown';
      const at = RATE_LIMIT_REASONS.indexOf(reason);
      sum.rejected[at] = (sum.rejected[at] ?? 0) + amount;
    },
  },
  WAITS,
  COST,
];

/** What is read for each row of the table. */
const BY_SET: readonly Read[] = [
  { name: 'anthropic_requests_total', labels: 'outcome', add: addCalls },
  {
    name: 'anthropic_tokens_total',
    labels: 'kind',
    add: (sum, amount, { kind: found }) => {
      const at = TOKEN_KINDS.findIndex((kind) => kind === found);
      if (at !== -1) sum.tokens[at] = (sum.tokens[at] ?? 0) + amount;
    },
  },
  COST,
];

interface Answers {
  readonly startsMs: readonly number[];
  readonly stepMs: number;
  readonly bins: readonly (readonly Answered[])[];
  readonly sets: readonly (readonly Answered[])[];
  readonly by: string;
}

function seenOf({ startsMs, stepMs, bins: byBin, sets: bySet, by }: Answers): Counted {
  const bins = startsMs.map(() => new Sum());
  const [waits, costs] = [new Map<string, number[]>(), new Map<string, number[]>()];
  for (const [at, { add, name }] of BY_BIN.entries()) {
    for (const { labels, values } of byBin[at] ?? []) {
      for (const [ms, amount] of values) {
        const bin = Math.round((ms - stepMs - (startsMs[0] ?? 0)) / stepMs);
        const sum = bins[bin];
        if (sum === undefined || amount === 0) continue;
        add(sum, amount, labels);
        const rows = name === COST.name ? costs : name === WAITS.name ? waits : null;
        if (rows !== null)
          rowIn(rows, labels['model'] ?? '')[bin] = name === COST.name ? amount * NANO_USD_PER_USD : amount;
      }
    }
  }
  const none = bins.map(() => null);
  return { stepMs, startsMs, bins, duration: none, firstToken: none, waits, costs, sets: setsOf(bySet, by) };
}

function rowIn(rows: Map<string, number[]>, model: string): number[] {
  const known = rows.get(model) ?? Array.from({ length: BINS }, () => 0);
  rows.set(model, known);
  return known;
}

function setsOf(answers: Answers['sets'], by: string): Counted['sets'] {
  const sums = new Map<string, readonly [CellLabels, Sum]>();
  for (const [at, { add }] of BY_SET.entries()) {
    for (const { labels, values } of answers[at] ?? []) {
      const place = placeOf(labels, by);
      const id = JSON.stringify(place);
      const known = sums.get(id) ?? ([place, new Sum()] as const);
      sums.set(id, known);
      add(known[1], values[0]?.[1] ?? 0, labels);
    }
  }
  return new Map([...sums.values()].filter(([, { calls, costNanoUsd }]) => calls > 0 || costNanoUsd > 0));
}

function placeOf(labels: Answered['labels'], by: string): CellLabels {
  const [model, value] = [labels['model'] ?? '', labels[by] ?? ''];
  if (by === 'model') return { operation: '', key: '', model, attribution: EVERY };
  if (by === 'key') return { operation: '', key: value, model, attribution: EVERY };
  return { operation: '', key: '', model, attribution: { [by]: value } };
}

function rowOf(answer: readonly Answered[], startsMs: readonly number[]): Row {
  const stepMs = (startsMs[1] ?? 0) - (startsMs[0] ?? 0);
  const values = new Map((answer[0]?.values ?? []).map(([ms, value]) => [Math.round(ms - stepMs), value]));
  return startsMs.map((start) => values.get(Math.round(start)) ?? null);
}
