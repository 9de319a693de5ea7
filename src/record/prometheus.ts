import { systemClock, type Clock } from '../clock.ts';
import { modelClass } from '../tier/tiers.ts';
import {
  LIMITED_OPERATIONS,
  type Attempt,
  type BatchResult,
  type Call,
  type Recorder,
  type RetryDenial,
  type Usage,
} from '../vocabulary.ts';
import {
  AttributionLabels,
  CallLabelValues,
  checkAttribution,
  type AttributionDeclaration,
  type CallLabelOptions,
} from './call-labels.ts';
import { resolvedSeries, type ResolvedSeries } from './call-series.ts';
import { limiterRecorder, type LimiterRecorder } from './limiters.ts';
import type { OnError } from './metrics/metric.ts';
import { storeFor, type MetricRegistry } from './metrics/registry.ts';
import type { Trace } from './metrics/series.ts';
import { resolvedOnce, type Store } from './metrics/store.ts';

export interface PrometheusRecorderOptions extends CallLabelOptions {
  readonly registry: MetricRegistry;
  readonly attribution?: AttributionDeclaration;
  /** How many undeclared values of each attribution label get a place: 100. */
  readonly attributionCap?: number;
  /** The group of models that share a rate limit, by canonical id. */
  readonly modelClass?: (model: string) => string;
  /** The trace of a call, for exemplars. */
  readonly trace?: (call: Call) => Trace | null;
  readonly clock?: Clock;
  /** Told what the registry threw. */
  readonly onError?: OnError;
}

/**
 * The recorder of the catalogue's sections Calls, Attempts, Tokens and cost, Rate limits, and plimsoll
 * itself, into the metrics of a prom-client registry, which are got or created. Throws for attribution
 * labels that cannot be used and for metric names that are taken; for nothing else of the registry.
 */
export function prometheusRecorder(options: PrometheusRecorderOptions): Recorder {
  checkAttribution(options.attribution ?? {});
  return new PrometheusRecorder(storeFor(options.registry, options.onError), options);
}

class PrometheusRecorder implements Recorder {
  readonly #labels: CallLabelValues;
  readonly #attribution: AttributionLabels;
  readonly #series: ResolvedSeries;
  readonly #limiters: LimiterRecorder;
  readonly #modelClass: (model: string) => string;
  readonly #trace: (call: Call) => Trace | null;

  constructor(store: Store, options: PrometheusRecorderOptions) {
    const clock = options.clock ?? systemClock;
    this.#labels = new CallLabelValues(store, options);
    this.#attribution = new AttributionLabels(store, options.attribution ?? {}, {
      ...(options.attributionCap !== undefined && { values: options.attributionCap }),
    });
    this.#series = resolvedSeries(store, this.#attribution);
    this.#limiters = limiterRecorder(store, () => clock.epochMs());
    this.#modelClass = resolvedOnce(options.modelClass ?? modelClass);
    this.#trace = options.trace ?? (() => null);
    this.#bear(options);
  }

  /** A counter that is born with the value 7 has an increase of 0: the first burst would be invisible. */
  #bear({ keys = [], models = [] }: CallLabelOptions): void {
    for (const key of keys.map((alias) => this.#labels.key.value(alias))) {
      for (const model of models.map((spelling) => this.#labels.model(spelling))) {
        this.#series.ofModel(key)(model);
        for (const operation of LIMITED_OPERATIONS) this.#series.ofOperation(operation)(key)(model);
      }
    }
  }

  started(call: Call): void {
    this.#series.inFlight(this.#labels.operation.value(call.operation))(this.#labels.key.value(call.key)).add(1);
  }

  attempted(call: Call, attempt: Attempt): void {
    const operation = this.#labels.operation.value(call.operation);
    const key = this.#labels.key.value(call.key);
    const model = this.#labels.model(call.model ?? call.requestedModel);
    this.#series.ofOperation(operation)(key)(model).attempts(attempt.status).add(1);
    this.#series.ofModel(key)(model).attempted(attempt, this.#trace(call));
    if (LIMITED_OPERATIONS.has(operation)) this.#limiters(key, this.#modelClass(model), attempt);
  }

  batchResult(call: Call, { outcome, ...result }: BatchResult): void {
    const operation = this.#labels.operation.value(call.operation);
    const key = this.#labels.key.value(call.key);
    const model = this.#labels.countedModel(result.model);
    this.#series.batchResults(key)(model)(outcome).add(1);
    if (result.usage === null) return;
    const place = { operation, key, model, values: this.#attribution.values(call.attribution) };
    this.#recordUsage({ cost: result.cost, maxTokens: null }, result.usage, place);
  }

  retryDenied(call: Call, reason: RetryDenial): void {
    this.#series.retriesDenied(this.#labels.key.value(call.key))(reason).add(1);
  }

  finished(call: Call): void {
    const operation = this.#labels.operation.counted(call.operation);
    const key = this.#labels.key.counted(call.key);
    this.#series.inFlight(operation)(key).add(-1);
    const model = this.#labels.countedModel(call.model ?? call.requestedModel);
    const place = { operation, key, model, values: this.#attribution.values(call.attribution) };
    this.#recordEnd(call, place);
    if (call.usage !== null) this.#recordUsage(call, call.usage, place);
  }

  #recordEnd(call: Call, { operation, key, model, values }: Place): void {
    const { outcome, durationSeconds, stopReason } = call;
    if (outcome === null || durationSeconds === null)
      throw new TypeError('a finished call has an outcome and a duration');
    const trace = this.#trace(call);
    const attributed = this.#series.attributed(operation)(key)(model)(values);
    attributed.requests(outcome).add(1, trace);
    if (stopReason !== null) attributed.stopReasons(this.#labels.stopReason.counted(stopReason)).add(1);
    this.#series.ofOperation(operation)(key)(model).duration(outcome).observe(durationSeconds, trace);
    this.#series.ofModel(key)(model).paced(call, trace);
    if (call.fallbackFrom === null) return;
    const from = this.#labels.model(call.fallbackFrom);
    this.#series.fallbacks(key)(from)(this.#labels.model(call.requestedModel)).add(1);
  }

  /** Tokens and cost go to the model of each part, the rest to the model of the call. */
  #recordUsage({ cost, maxTokens }: Used, usage: Usage, { operation, key, model, values }: Place): void {
    const attributed = this.#series.attributed(operation)(key);
    const ofModel = this.#series.ofModel(key);
    const modelOf = (part: string | null): string => (part === null ? model : this.#labels.model(part));
    ofModel(model).used(usage, maxTokens);
    for (const part of usage.parts) attributed(modelOf(part.model))(values).addTokens(part.tokens);
    for (const [tool, uses] of Object.entries(usage.serverToolUses)) {
      ofModel(model).usedTool(this.#labels.tool.counted(tool), uses);
    }
    if (cost === null) return ofModel(model).wasUnpriced();
    for (const { model: priced, cost: kinds } of cost.parts)
      if (kinds !== null) attributed(modelOf(priced))(values).addCost(kinds);
    if (cost.priced) return;
    const unpriced = new Set(cost.parts.filter((part) => part.cost === null).map((part) => modelOf(part.model)));
    if (unpriced.size === 0) unpriced.add(model); // what has no price is a server tool
    for (const label of unpriced) ofModel(label).wasUnpriced();
  }
}

/** What is counted of a usage besides its tokens. */
type Used = Pick<Call, 'cost' | 'maxTokens'>;

/** The label values of one call. */
interface Place {
  readonly operation: string;
  readonly key: string;
  readonly model: string;
  readonly values: readonly string[];
}
