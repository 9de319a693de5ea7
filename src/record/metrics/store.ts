import { mayHoldSecret } from '../../errors.ts';
import {
  CATALOGUE,
  type CounterName,
  type GaugeName,
  type LabelsOf,
  type MetricName,
  type MoneyName,
} from './catalogue.ts';
import type { MetricDeclaration, Stage } from './metric.ts';
import { CounterSeries, Family, GaugeSeries, HistogramSeries, MoneySeries, type AnyFamily } from './series.ts';

type Families = {
  readonly [Name in MetricName]: Family<
    LabelsOf<Name>,
    Name extends MoneyName
      ? MoneySeries
      : Name extends CounterName
        ? CounterSeries
        : Name extends GaugeName
          ? GaugeSeries
          : HistogramSeries
  >;
};

/** The values of a label that keep their place, and the number of others that get one. */
interface LabelPlaces {
  readonly reserved: Iterable<string>;
  readonly cap: number;
  /** Tells whether a value may have a place at all. */
  readonly fit?: (value: string) => boolean;
}

/** All families of the catalogue, and the caps of their labels: one for each registry. */
export class Store {
  readonly families: Families;
  readonly #labels = new Map<string, BoundedLabel>();

  constructor() {
    const onError = (): void => this.errors('scrape');
    this.families = Object.fromEntries(
      CATALOGUE.map((metric) => [metric.name, familyOf(metric, onError)]),
    ) as unknown as Families;
  }

  family<Name extends MetricName>(name: Name): Families[Name] {
    return this.families[name];
  }

  /** All families, in the order of the catalogue. */
  all(): readonly AnyFamily[] {
    return Object.values(this.families);
  }

  /** Counts an error that plimsoll swallowed. */
  errors(stage: Stage): void {
    this.families.plimsoll_errors_total.series({ stage }).add(1);
  }

  /** The cap of a label, shared by all who feed this store; more reserved values and a larger cap add to it. */
  boundedLabel(label: string, { reserved, cap, fit = fitForLabel }: LabelPlaces): BoundedLabel {
    let bounded = this.#labels.get(label);
    if (bounded === undefined) {
      bounded = new BoundedLabel(this.families.plimsoll_label_values_dropped_total.series({ label }), fit);
      this.#labels.set(label, bounded);
    }
    bounded.reserve(reserved);
    bounded.allow(cap);
    return bounded;
  }

  /** Sets counters and histograms back to 0. */
  reset(): void {
    for (const family of this.all()) family.reset();
  }
}

function familyOf(metric: MetricDeclaration, onError: () => void): AnyFamily {
  if (metric.type === 'gauge') return new Family(metric, (labels) => new GaugeSeries(labels, onError));
  if (metric.type === 'histogram')
    return new Family(metric, (labels) => new HistogramSeries(labels, metric.buckets ?? []));
  if (metric.unit === 'usd') return new Family(metric, (labels) => new MoneySeries(labels));
  return new Family(metric, (labels) => new CounterSeries(labels));
}

/**
 * Label values are bounded: a label that takes values from requests or
 * responses keeps places for the values that were declared, gives the rest out to the first that come, and
 * calls what is left over `other`, so that totals stay right.
 */

/** Stands for every value that has no place of its own. */
export const OTHER = 'other';

/** Longer values are no names. */
const MAX_LENGTH = 128;

/** Control characters, and halves of surrogate pairs: two of those would be written as the same character. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/**
 * Tells whether a value can be shown: not longer than 128 characters, nothing unprintable, and nothing that looks
 * like a secret of the API or of a gateway.
 */
export function fitForLabel(value: string): boolean {
  return value.length <= MAX_LENGTH && !UNPRINTABLE.test(value) && !mayHoldSecret(value);
}

/** The values that one label may take. */
export class BoundedLabel {
  readonly #places = new Set<string>(['', OTHER]);
  /** The places of values that nobody declared. */
  readonly #givenOut = new Set<string>();
  readonly #dropped: CounterSeries;
  readonly #fit: (value: string) => boolean;
  #cap = 0;

  /** `dropped` counts what `counted` turned into `other`; only what is `fit` ever gets a place. */
  constructor(dropped: CounterSeries, fit: (value: string) => boolean) {
    this.#dropped = dropped;
    this.#fit = fit;
  }

  /** Keeps a place for each value, for ever and outside the cap. Values that are not fit get none. */
  reserve(values: Iterable<string>): void {
    for (const value of values) if (this.#fit(value)) this.#places.add(value);
  }

  /** Gives a place to at least so many values that nobody declared. */
  allow(cap: number): void {
    this.#cap = Math.max(this.#cap, cap);
  }

  /** The value itself if it has a place or can get one, else `other`. Not counted. */
  value(raw: string): string {
    if (this.#places.has(raw)) return raw;
    if (this.#givenOut.size >= this.#cap || !this.#fit(raw)) return OTHER;
    this.#givenOut.add(raw);
    this.#places.add(raw);
    return raw;
  }

  /** Like `value`, and counts a value that was turned into `other`. Asked once per call. */
  counted(raw: string): string {
    const value = this.value(raw);
    if (value === OTHER && raw !== OTHER) this.#dropped.add(1);
    return value;
  }

  /** Takes a value of `counted`, and returns it if it was declared; else `other`, counted, even if it had a place. */
  declared(value: string): string {
    if (!this.#givenOut.has(value)) return value;
    this.#dropped.add(1);
    return OTHER;
  }
}

/** Source: `StopReason` and `BetaStopReason` of @anthropic-ai/sdk 1.12.0, 2026-11-20. */
export const STOP_REASONS = [
  'end_turn',
  'max_tokens',
  'stop_sequence',
  'tool_use',
  'pause_turn',
  'compaction',
  'refusal',
  'model_context_window_exceeded',
] as const;

/** Source: the server tools of @anthropic-ai/sdk 1.12.0, 2026-11-20; `usage.server_tool_use` counts the first two. */
export const SERVER_TOOLS = [
  'web_search',
  'web_fetch',
  'code_execution',
  'bash_code_execution',
  'text_editor_code_execution',
  'tool_search_tool_regex',
  'tool_search_tool_bm25',
  'advisor',
] as const;

/** `messages.batches.create`: words and dots, so that no id and no path is ever an operation. */
export function fitForOperation(value: string): boolean {
  return value.length <= MAX_LENGTH && /^[a-z_]+(\.[a-z_]+)*$/.test(value);
}

const STATUS_WORDS: ReadonlySet<string> = new Set(['timeout', 'connection_error', 'cancelled']);

/** An HTTP status, what came instead of one, or `other` for what is neither. */
export function statusLabel(status: number | string): string {
  if (typeof status === 'string') return STATUS_WORDS.has(status) ? status : OTHER;
  return Number.isInteger(status) && status >= 100 && status <= 599 ? String(status) : OTHER;
}
