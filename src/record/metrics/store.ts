import { mayHoldSecret } from '../../errors.ts';
import type { TurnEnd } from '../../pace/turn.ts';
import type { Attempt, Attribution, Call, Cost, Rejection, Tokens } from '../../vocabulary.ts';
import {
  CATALOGUE,
  type CounterName,
  type GaugeName,
  type LabelsOf,
  type MetricName,
  type MoneyName,
} from './catalogue.ts';
import type { MetricDeclaration, Stage } from './metric.ts';
import {
  CounterSeries,
  Family,
  GaugeSeries,
  HistogramSeries,
  MoneySeries,
  type AnyFamily,
  type ChangeNotes,
  type LabelPairs,
  type Series,
} from './series.ts';

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

/** The values of a label that always have a series, and the number of others that get one. */
interface LabelPlaces {
  readonly reserved: Iterable<string>;
  readonly cap: number;
  /** Tells whether a value may have a series at all. */
  readonly fit?: (value: string) => boolean;
}

/** The labels of calls that are counted together. */
export interface CallPlace {
  readonly operation: string;
  readonly key: string;
  readonly model: string;
  readonly attribution: Attribution;
}

/** Sees each call as it is counted, with the labels of its series, which are the same object for the same labels. */
export interface CallWatcher {
  attempted(place: CallPlace, attempt: Attempt): void;
  bodyError(place: CallPlace, rejection: Rejection): void;
  finished(place: CallPlace, call: Call): void;
  used(place: CallPlace, tokens: Tokens): void;
  cost(place: CallPlace, cost: Cost): void;
  /** The turn of an attempt at a pace has ended. */
  pacedTurn(lane: string, end: TurnEnd): void;
}

/** All families of the catalogue, and the caps of their labels; one per registry. */
export class Store {
  readonly families: Families;
  /** Sees what is counted from when it is set; `null` where nobody looks. */
  watcher: CallWatcher | null = null;
  readonly #labels = new Map<string, BoundedLabel>();
  readonly #changes = new Map<string, ChangeNotes>();

  constructor() {
    const onError = (): void => this.errors('scrape');
    const made = (metric: MetricDeclaration): AnyFamily => {
      const changes: ChangeNotes = { note: null };
      this.#changes.set(metric.name, changes);
      return familyOf(metric, { onError, changes });
    };
    this.families = Object.fromEntries(CATALOGUE.map((metric) => [metric.name, made(metric)])) as unknown as Families;
  }

  family<Name extends MetricName>(name: Name): Families[Name] {
    return this.families[name];
  }

  /** All families, in the order of the catalogue. */
  all(): readonly AnyFamily[] {
    return Object.values(this.families);
  }

  /**
   * Calls back with each counter and histogram that is there, and again at each change of one. Only one may follow a store.
   */
  follow(changed: (family: string, series: Series) => void): void {
    for (const [family, changes] of this.#changes) changes.note = (series) => changed(family, series);
    for (const family of this.all()) {
      if (family.declaration.type === 'gauge') continue;
      for (const series of family.all()) changed(family.declaration.name, series);
    }
  }

  /** The series of a family that has these labels; `null` where the catalogue has no such family. */
  seriesOf(name: string, pairs: LabelPairs): Series | null {
    if (!Object.hasOwn(this.families, name)) return null;
    const family = this.families[name as MetricName] as unknown as Family<Readonly<Record<string, string>>, Series>;
    const own = new Set(family.declaration.labels);
    const of = (isOwn: boolean): Readonly<Record<string, string>> =>
      Object.fromEntries(pairs.filter(([label]) => own.has(label) === isOwn));
    return family.series(of(true), of(false));
  }

  /** Counts an error that plimsoll swallowed. */
  errors(stage: Stage): void {
    this.families.plimsoll_errors_total.series({ stage }).add(1);
  }

  /**
   * Returns the cap of a label, shared by everything that feeds this store; more reserved values and a larger cap add
   * to it.
   */
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

  /** The cap of a label if this value counts toward it, else `null`. */
  capOver(label: string, value: string): number | null {
    return this.#labels.get(label)?.capOver(value) ?? null;
  }

  /** Sets counters and histograms back to 0. */
  reset(): void {
    for (const family of this.all()) family.reset();
  }
}

interface Feeding {
  readonly onError: () => void;
  readonly changes: ChangeNotes;
}

function familyOf(metric: MetricDeclaration, { onError, changes }: Feeding): AnyFamily {
  if (metric.type === 'gauge') return new Family(metric, (labels) => new GaugeSeries(labels, onError));
  if (metric.type === 'histogram')
    return new Family(metric, (labels) => new HistogramSeries(labels, metric.buckets ?? [], changes));
  if (metric.unit === 'usd') return new Family(metric, (labels) => new MoneySeries(labels, changes));
  return new Family(metric, (labels) => new CounterSeries(labels, changes));
}

/**
 * Label values are bounded: a label with values from requests or responses reserves series for the declared values,
 * gives the rest to the first others, and counts what is left over as `other`, so that totals stay correct.
 */

/** Replaces every value that has no series of its own. */
export const OTHER = 'other';

/** Longer values are not names. */
const MAX_LENGTH = 128;

/** Control characters, and halves of surrogate pairs: two of those would be written as the same character. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/**
 * Tells whether a value can be shown: at most 128 characters, nothing unprintable, and nothing that looks like a secret
 * of the API or of a gateway.
 */
export function fitForLabel(value: string): boolean {
  return value.length <= MAX_LENGTH && !UNPRINTABLE.test(value) && !mayHoldSecret(value);
}

/** The values that one label may take. */
export class BoundedLabel {
  readonly #places = new Set<string>(['', OTHER]);
  /** The undeclared values that have a series. */
  readonly #givenOut = new Set<string>();
  readonly #dropped: CounterSeries;
  readonly #fit: (value: string) => boolean;
  #cap = 0;

  /** `dropped` counts the values that `counted` turned into `other`; only `fit` values ever get a series. */
  constructor(dropped: CounterSeries, fit: (value: string) => boolean) {
    this.#dropped = dropped;
    this.#fit = fit;
  }

  /** Reserves a series for each value, permanently and outside the cap. Values that are not fit get none. */
  reserve(values: Iterable<string>): void {
    for (const value of values) if (this.#fit(value)) this.#places.add(value);
  }

  /** Allows at least this many undeclared values. */
  allow(cap: number): void {
    this.#cap = Math.max(this.#cap, cap);
  }

  /** The cap if this value counts toward it; `null` for a declared value. */
  capOver(value: string): number | null {
    return this.#givenOut.has(value) ? this.#cap : null;
  }

  /** Returns the value itself if it has a series or can get one, else `other`. Not counted. */
  value(raw: string): string {
    if (this.#places.has(raw)) return raw;
    if (this.#givenOut.size >= this.#cap || !this.#fit(raw)) return OTHER;
    this.#givenOut.add(raw);
    this.#places.add(raw);
    return raw;
  }

  /** Like `value`, but counts a value that becomes `other`. Called once per call. */
  counted(raw: string): string {
    const value = this.value(raw);
    if (value === OTHER && raw !== OTHER) this.#dropped.add(1);
    return value;
  }

  /** Takes a result of `counted`, and returns it if it was declared; else `other`, counted, even if it had a series. */
  declared(value: string): string {
    if (!this.#givenOut.has(value)) return value;
    this.#dropped.add(1);
    return OTHER;
  }
}

/** Source: `StopReason` and `BetaStopReason` of @anthropic-ai/sdk 1.14.0, 2026-11-24. */
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

/** Source: the server tools of @anthropic-ai/sdk 1.14.0, 2026-11-24; `usage.server_tool_use` counts the first two. */
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

/** `messages.batches.create`: only words and dots, so that no id and no path is ever an operation. */
export function fitForOperation(value: string): boolean {
  return value.length <= MAX_LENGTH && /^[a-z_]+(\.[a-z_]+)*$/.test(value);
}

const STATUS_WORDS: ReadonlySet<string> = new Set(['timeout', 'connection_error', 'cancelled']);

/** An HTTP status, what happened instead of one, or `other`. */
export function statusLabel(status: number | string): string {
  if (typeof status === 'string') return STATUS_WORDS.has(status) ? status : OTHER;
  return Number.isInteger(status) && status >= 100 && status <= 599 ? String(status) : OTHER;
}
