import type { FallbackBy } from '../answers.ts';
import {
  COST_KINDS,
  MESSAGE_OPERATIONS,
  TOKEN_KINDS,
  type Attempt,
  type Attribution,
  type BatchResult,
  type Call,
  type Cost,
  type CostKind,
  type Outcome,
  type Rejection,
  type RetryDenial,
  type TokenKind,
  type Tokens,
} from '../vocabulary.ts';
import type { Trace } from '../trace.ts';
import type { AttributionLabels, CallLabelValues } from './call-labels.ts';
import type { ClassLimits } from './limiters.ts';
import type { CounterSeries, GaugeSeries, MoneySeries } from './metrics/series.ts';
import type { CallPlace, Store } from './metrics/store.ts';
import { ModelSeries, OperationSeries, type CallLabels } from './model-series.ts';

/** The series of all calls. Each is made when a call first needs it; later calls find it in one look-up. */
export class CallSeriesTable {
  readonly store: Store;
  readonly labels: CallLabelValues;
  readonly #attribution: AttributionLabels;
  readonly #limitsOf: (key: string, model: string) => ClassLimits;
  readonly #onGroup: (key: string) => void;
  readonly #root: Branch = { next: new Map(), group: null };
  readonly #byModel = new Map<string, ModelSeries>();
  readonly #byOperation = new Map<string, OperationSeries>();

  constructor(store: Store, { labels, attribution, limitsOf, onGroup }: CallSeriesOptions) {
    this.store = store;
    this.labels = labels;
    this.#attribution = attribution;
    this.#limitsOf = limitsOf;
    this.#onGroup = onGroup;
  }

  /**
   * Returns the group of a call. Counts the label values that the call lost or lacks, so it is called once per call. A
   * value with a series of its own is its own label, so the call's values find the group of an earlier call without
   * separate look-ups.
   */
  groupOf(call: Call): CallGroup {
    let branch: Branch | undefined = this.#root.next.get(call.operation)?.next.get(call.key);
    for (const name of this.#attribution.names) branch = branch?.next.get(call.attribution[name] ?? '');
    const group = branch?.group ?? this.#newGroup(call);
    if (group.isIncomplete) this.#attribution.countMissing(group.values);
    return group;
  }

  #newGroup(call: Call): CallGroup {
    const operation = this.labels.operation.counted(call.operation);
    const key = this.labels.key.counted(call.key);
    const values = this.#attribution.values(call.attribution);
    let branch = this.#root;
    for (const value of [operation, key, ...values]) {
      const next: Branch = branch.next.get(value) ?? { next: new Map(), group: null };
      branch.next.set(value, next);
      branch = next;
    }
    if (branch.group !== null) return branch.group;
    this.#onGroup(key);
    return (branch.group = new CallGroup(this, {
      operation,
      key,
      values,
      attribution: this.#attribution.named(values),
    }));
  }

  /** Shows the series of a key and model that alerts use, at 0. Both are labels. */
  showAtZero(key: string, model: string): void {
    this.ofModel(key, model);
    for (const operation of MESSAGE_OPERATIONS) this.ofOperation({ operation, key, model });
  }

  /** Shared by the groups of a key. */
  ofModel(key: string, model: string): ModelSeries {
    const id = `${key}\n${model}`;
    const known = this.#byModel.get(id);
    if (known !== undefined) return known;
    const made = new ModelSeries(this.store, { model, key });
    this.#byModel.set(id, made);
    return made;
  }

  /** Shared by the groups of an operation and key. */
  ofOperation(labels: CallLabels): OperationSeries {
    const id = `${labels.operation}\n${labels.key}\n${labels.model}`;
    const known = this.#byOperation.get(id);
    if (known !== undefined) return known;
    const made = new OperationSeries(this.store, labels);
    this.#byOperation.set(id, made);
    return made;
  }

  /** The limits that calls of this operation use up; `null` for operations that have limits of their own. */
  limitsOf({ operation, key, model }: CallLabels): ClassLimits | null {
    return MESSAGE_OPERATIONS.has(operation) ? this.#limitsOf(key, model) : null;
  }
}

interface CallSeriesOptions {
  readonly labels: CallLabelValues;
  readonly attribution: AttributionLabels;
  /** The limits of a key and model. */
  readonly limitsOf: (key: string, model: string) => ClassLimits;
  /** A key has its first call, or its first of another kind. */
  readonly onGroup: (key: string) => void;
}

interface Branch {
  readonly next: Map<string, Branch>;
  group: CallGroup | null;
}

interface GroupLabels extends Omit<CallLabels, 'model'> {
  readonly values: readonly string[];
  readonly attribution: Attribution;
}

/** The series of the calls that share operation, key and attribution, by model. */
export class CallGroup {
  readonly inFlight: GaugeSeries;
  /** The attribution values, in the order of their declaration. */
  readonly values: readonly string[];
  /** Whether an attribution value is missing. */
  readonly isIncomplete: boolean;
  readonly #table: CallSeriesTable;
  readonly #labels: GroupLabels;
  readonly #byModel = new Map<string, CallSeries>();

  constructor(table: CallSeriesTable, labels: GroupLabels) {
    const { operation, key, values } = labels;
    this.#table = table;
    this.#labels = labels;
    this.values = values;
    this.isIncomplete = values.includes('');
    this.inFlight = table.store.families.anthropic_requests_in_flight.series({ operation, key });
  }

  /** Returns the series of a model, however it is spelled, or of calls without one. */
  ofModel(spelling: string | null): CallSeries {
    return this.#byModel.get(spelling ?? '') ?? this.#ofLabel(this.#table.labels.model(spelling));
  }

  #ofLabel(model: string): CallSeries {
    const known = this.#byModel.get(model);
    if (known !== undefined) return known;
    const { attribution, operation, key } = this.#labels;
    const made = new CallSeries(this.#table, { operation, key, model }, attribution);
    this.#byModel.set(model, made);
    return made;
  }

  /** Counts a retry that the policy denied. */
  deny(reason: RetryDenial): void {
    const { key } = this.#labels;
    this.#table.store.families.anthropic_retries_denied_total.series({ key, reason }).add(1);
  }

  /** Counts a call that continued on a fallback model. Both are labels. */
  fallBack(model: string, fallbackModel: string, by: FallbackBy): void {
    const { key } = this.#labels;
    const fallbacks = this.#table.store.families.anthropic_model_fallbacks_total;
    fallbacks.series({ model, fallback_model: fallbackModel, key, by }).add(1);
  }
}

/** The series of one operation, key, model and combination of attribution values. */
export class CallSeries {
  readonly model: string;
  /** The labels of the series, one object for the life of the store. */
  readonly place: CallPlace;
  /** The limits that the calls use up; `null` if there are none. */
  readonly limits: ClassLimits | null;
  readonly ofModel: ModelSeries;
  readonly #ofOperation: OperationSeries;
  readonly #table: CallSeriesTable;
  readonly #labels: CallLabels;
  readonly #attribution: Attribution;
  readonly #requests: Partial<Record<Outcome, CounterSeries>> = {};
  readonly #stopReasons = new Map<string, CounterSeries>();
  readonly #tokens: Partial<Record<TokenKind, CounterSeries>> = {};
  readonly #cost: Partial<Record<CostKind, MoneySeries>> = {};

  constructor(table: CallSeriesTable, labels: CallLabels, attribution: Attribution) {
    this.model = labels.model;
    this.place = { ...labels, attribution };
    this.limits = table.limitsOf(labels);
    this.ofModel = table.ofModel(labels.key, labels.model);
    this.#ofOperation = table.ofOperation(labels);
    this.#table = table;
    this.#labels = labels;
    this.#attribution = attribution;
    this.#showAtZero();
  }

  /**
   * Shows the series that nearly every call feeds, before it does: `increase()` of a counter that appears with a value
   * does not count that value. Other outcomes and kinds appear with their first call, which the recording rules count. A
   * model without a price shows no cost of 0.
   */
  #showAtZero(): void {
    this.#requestsEnded('ok').showAtZero();
    if (!MESSAGE_OPERATIONS.has(this.#labels.operation)) return;
    const isPriced = this.#table.labels.priced.has(this.model);
    for (const kind of ['input', 'output'] as const) {
      this.#tokensOf(kind).showAtZero();
      if (isPriced) this.#costOf(kind).showAtZero();
    }
  }

  #requestsEnded(outcome: Outcome): CounterSeries {
    const family = this.#table.store.families.anthropic_requests_total;
    return (this.#requests[outcome] ??= family.series({ ...this.#labels, outcome }, this.#attribution));
  }

  #tokensOf(kind: TokenKind): CounterSeries {
    const family = this.#table.store.families.anthropic_tokens_total;
    return (this.#tokens[kind] ??= family.series({ ...this.#labels, kind }, this.#attribution));
  }

  #costOf(kind: CostKind): MoneySeries {
    const family = this.#table.store.families.anthropic_cost_usd_total;
    return (this.#cost[kind] ??= family.series({ ...this.#labels, kind }, this.#attribution));
  }

  /** Adds one HTTP request. */
  addAttempt(attempt: Attempt, trace: Trace | null): void {
    const attempts = this.#ofOperation.attempts(attempt.status);
    this.ofModel.addAttempt(attempt, trace);
    attempts.add(1);
    this.#table.store.watcher?.attempted(this.place, attempt);
  }

  /** Adds an error in the body of a success. */
  addBodyError(rejection: Rejection, trace: Trace | null): void {
    this.ofModel.addBodyError(rejection, trace);
    this.#table.store.watcher?.bodyError(this.place, rejection);
  }

  /** Adds a finished call. Throws a `TypeError` for an unfinished one. */
  addCall(call: Call, trace: Trace | null): void {
    const { outcome, durationSeconds, stopReason } = call;
    if (outcome === null || durationSeconds === null)
      throw new TypeError('a finished call has an outcome and a duration');
    const requests = this.#requestsEnded(outcome);
    const duration = this.#ofOperation.duration(outcome);
    const stops = stopReason === null ? null : (this.#stopReasons.get(stopReason) ?? this.#stops(stopReason));
    requests.add(1, trace);
    stops?.add(1);
    duration.observe(durationSeconds, trace);
    if (call.firstTokenSeconds !== null) this.ofModel.addPace(call, call.firstTokenSeconds, trace);
    if (call.cacheMiss !== null) this.ofModel.addCacheMiss(call.cacheMiss);
    this.#table.store.watcher?.finished(this.place, call);
  }

  /** Adds the stop reason of a batch result. */
  addStop(stopReason: string): void {
    (this.#stopReasons.get(stopReason) ?? this.#stops(stopReason)).add(1);
  }

  /**
   * Returns the series of a new stop reason. One that became `other` stays new, and is counted as dropped each time.
   */
  #stops(reason: string): CounterSeries {
    const stop_reason = this.#table.labels.stopReason.counted(reason);
    const { families } = this.#table.store;
    const series = families.anthropic_stop_reasons_total.series({ ...this.#labels, stop_reason }, this.#attribution);
    if (stop_reason === reason) this.#stopReasons.set(reason, series);
    return series;
  }

  /** Adds tokens. Kinds other than input and output are shown once there were some. */
  addTokens(tokens: Tokens): void {
    for (const kind of TOKEN_KINDS) {
      const count = tokens[kind];
      if (count !== 0) this.#tokensOf(kind).add(count);
    }
    this.#table.store.watcher?.used(this.place, tokens);
  }

  /** Adds a cost. Kinds other than input and output are shown once they cost something. */
  addCost(cost: Cost): void {
    for (const kind of COST_KINDS) {
      const nanoUsd = cost[kind];
      if (nanoUsd !== 0) this.#costOf(kind).addNanoUsd(nanoUsd);
    }
    this.#table.store.watcher?.cost(this.place, cost);
  }

  /** Adds one result of a batch. */
  addBatchResult({ outcome: result, error, stopReason, cacheMiss }: BatchResult): void {
    const { key, model } = this.#labels;
    const labels = { model, key, result, error: error ?? '' };
    this.#table.store.families.anthropic_batch_results_total.series(labels).add(1);
    if (stopReason !== null) this.addStop(stopReason);
    if (cacheMiss !== null) this.ofModel.addCacheMiss(cacheMiss);
  }
}
