import type { FallbackBy } from '../answers.ts';
import { systemClock, type Clock } from '../clock.ts';
import { sumOfKinds } from '../pricing/cost.ts';
import { modelClass } from '../tier/tiers.ts';
import type {
  Attempt,
  BatchResult,
  Call,
  CallCost,
  CallRecorder,
  Recorder,
  Rejection,
  RetryDenial,
  Usage,
} from '../vocabulary.ts';
import {
  AttributionLabels,
  CallLabelValues,
  checkAttribution,
  type AttributionDeclaration,
  type CallLabelOptions,
} from './call-labels.ts';
import { CallSeriesTable, type CallGroup, type CallSeries } from './call-series.ts';
import { ClassLimits, limiterGauges } from './limiters.ts';
import type { OnError } from './metrics/metric.ts';
import { storeFor, type MetricRegistry } from './metrics/registry.ts';
import { OTHER, type Store } from './metrics/store.ts';
import { organizationTierOf, showKey, type OrganizationTier, type TierOptions } from './tier.ts';

export interface PrometheusRecorderOptions extends CallLabelOptions {
  readonly registry: MetricRegistry;
  readonly attribution?: AttributionDeclaration;
  /** The number of undeclared values of each attribution label that get a series: 100. */
  readonly attributionCap?: number;
  /** The group of models that share a rate limit, by canonical id. */
  readonly modelClass?: (model: string) => string;
  /** Feeds the section Tier too. */
  readonly tier?: TierOptions;
  readonly clock?: Clock;
  /** A part of a usage had no price; gets its model, `null` where it named none. */
  readonly onUnpriced?: (model: string | null) => void;
  /** Called with what the registry threw. */
  readonly onError?: OnError;
}

/**
 * Records the catalogue's sections Calls, Attempts, Tokens and cost, Rate limits, Tier, and plimsoll itself, in the
 * metrics of a prom-client registry, which are created if necessary. Throws for unusable attribution labels and for
 * metric names that are taken; for nothing else of the registry.
 */
export function prometheusRecorder(options: PrometheusRecorderOptions): Recorder {
  checkAttribution(options.attribution ?? {});
  return new PrometheusRecorder(storeFor(options.registry, options.onError), options);
}

class PrometheusRecorder implements Recorder {
  readonly #onUnpriced: (model: string | null) => void;
  readonly #series: CallSeriesTable;
  readonly #tier: OrganizationTier | null;

  constructor(store: Store, options: PrometheusRecorderOptions) {
    const { clock = systemClock, attributionCap, modelClass: classOf = modelClass } = options;
    const tier = options.tier === undefined ? null : organizationTierOf(store, options.tier, clock);
    const gauges = limiterGauges(store, () => clock.epochMs());
    const labels = new CallLabelValues(store, options);
    this.#tier = tier;
    this.#onUnpriced = options.onUnpriced ?? (() => undefined);
    this.#series = new CallSeriesTable(store, {
      labels,
      attribution: new AttributionLabels(store, options.attribution ?? {}, {
        ...(attributionCap !== undefined && { values: attributionCap }),
      }),
      limitsOf(key, model) {
        const place = { key, modelClass: classOf(model) };
        const isKnown = model !== '' && model !== OTHER;
        return new ClassLimits(gauges.of(place), tier === null || !isKnown ? null : tier.limitsOf(place));
      },
      onGroup: (key) => {
        if (tier !== null) showKey(store, key);
      },
    });
    this.#showAtZero(store, options, labels);
  }

  /** Shows series at 0: the increase of a counter that appears with the value 7 is 0, and hides the first burst. */
  #showAtZero(store: Store, { keys = [], models = [] }: CallLabelOptions, labels: CallLabelValues): void {
    for (const key of keys.map((alias) => labels.key.value(alias))) {
      if (this.#tier !== null) showKey(store, key);
      for (const model of models) this.#series.showAtZero(key, labels.model(model));
    }
  }

  started(call: Call): CallRecorder {
    const group = this.#series.groupOf(call);
    group.inFlight.add(1);
    return new CallMetrics(call, {
      group,
      labels: this.#series.labels,
      tier: this.#tier,
      onUnpriced: this.#onUnpriced,
    });
  }
}

interface CallMetricsOptions {
  readonly group: CallGroup;
  readonly labels: CallLabelValues;
  readonly tier: OrganizationTier | null;
  /** A part had no price. */
  readonly onUnpriced: (model: string | null) => void;
}

/** One call, and the series that it feeds. */
class CallMetrics implements CallRecorder {
  readonly #call: Call;
  readonly #group: CallGroup;
  readonly #labels: CallLabelValues;
  readonly #tier: OrganizationTier | null;
  readonly #onUnpriced: (model: string | null) => void;
  #spelling: string | null = null;
  #series: CallSeries | null = null;

  constructor(call: Call, { group, labels, tier, onUnpriced }: CallMetricsOptions) {
    this.#call = call;
    this.#group = group;
    this.#labels = labels;
    this.#tier = tier;
    this.#onUnpriced = onUnpriced;
    // Its series are scraped at zero while the call is in progress. A call without a model so far would show them
    // without one.
    if (call.requestedModel !== null) this.#seriesNow();
  }

  /** The series of the model that responded, or else of the requested one. Either can change during a call. */
  #seriesNow(): CallSeries {
    const spelling = this.#call.model ?? this.#call.requestedModel;
    if (this.#series === null || spelling !== this.#spelling) {
      this.#spelling = spelling;
      this.#series = this.#group.ofModel(spelling);
    }
    return this.#series;
  }

  attempted(attempt: Attempt): void {
    const { model } = attempt;
    const series = model === null ? this.#seriesNow() : this.#group.ofModel(model);
    series.addAttempt(attempt, this.#call.trace?.() ?? null);
    series.limits?.see(attempt);
  }

  batchResult(result: BatchResult): void {
    const { model, usage, cost, serverFallbackFrom } = result;
    const series = this.#group.ofModel(model);
    if (series.model === OTHER) this.#labels.countedModel(model);
    series.addBatchResult(result);
    if (serverFallbackFrom !== null) this.#fallBack(serverFallbackFrom, model, 'server');
    if (usage !== null) this.#addUsage(series, usage, { cost, maxTokens: null, isBilledToAnother: false });
    if (cost !== null) this.#tier?.addSpend(cost.totalNanoUsd, this.#call.startedAtMs);
  }

  bodyError(rejection: Rejection): void {
    this.#seriesNow().addBodyError(rejection, this.#call.trace?.() ?? null);
  }

  retryDenied(reason: RetryDenial): void {
    this.#group.deny(reason);
  }

  finished(): void {
    const call = this.#call;
    const series = this.#seriesNow();
    const trace = call.trace?.() ?? null;
    if (series.model === OTHER) this.#labels.countedModel(this.#spelling);
    this.#group.inFlight.add(-1);
    series.addCall(call, trace);
    if (call.fallbackFrom !== null) this.#fallBack(call.fallbackFrom, call.requestedModel, 'policy');
    if (call.serverFallbackFrom !== null) this.#fallBack(call.serverFallbackFrom, call.model, 'server');
    if (call.usage !== null) this.#addUsage(series, call.usage, call);
    if (call.cost !== null && !call.isBilledToAnother) this.#tier?.addSpend(call.cost.totalNanoUsd, call.startedAtMs);
  }

  #fallBack(from: string, to: string | null, by: FallbackBy): void {
    this.#group.fallBack(this.#labels.model(from), this.#labels.model(to), by);
  }

  /** Tokens and cost go to the model of each part, if the server named one; the rest to the model of the call. */
  #addUsage(ofCall: CallSeries, usage: Usage, used: Pick<Call, 'cost' | 'maxTokens' | 'isBilledToAnother'>): void {
    const { cost } = used;
    ofCall.ofModel.addUsage(usage, used.maxTokens);
    let index = 0;
    for (const { model, tokens, refusal } of usage.parts) {
      const series = this.#seriesOfPart(ofCall, model);
      series.addTokens(tokens);
      if (refusal !== null) series.ofModel.addRefusal(refusal.category, cost?.parts[index]?.refusalBilling ?? 'unsure');
      index++;
    }
    for (const tool of Object.keys(usage.serverToolUses)) {
      ofCall.ofModel.addToolUses(this.#labels.tool.counted(tool), usage.serverToolUses[tool] ?? 0);
    }
    if (used.isBilledToAnother) this.#addCostToOthers(ofCall, cost);
    else if (cost === null) ofCall.ofModel.addUnpriced();
    else this.#addCost(ofCall, cost);
  }

  /** What has no price is no gap in the organization's own costs. */
  #addCostToOthers(ofCall: CallSeries, cost: CallCost | null): void {
    for (const { model, cost: kinds } of cost?.parts ?? []) {
      if (kinds !== null) this.#seriesOfPart(ofCall, model).ofModel.addCostToOthers(sumOfKinds(kinds));
    }
  }

  #addCost(ofCall: CallSeries, cost: CallCost): void {
    for (const doubt of cost.doubts) ofCall.ofModel.addDoubt(doubt);
    for (const { model, cost: kinds } of cost.parts) {
      if (kinds !== null) this.#seriesOfPart(ofCall, model).addCost(kinds);
    }
    if (!cost.priced) this.#addUnpriced(ofCall, cost);
  }

  #addUnpriced(ofCall: CallSeries, cost: CallCost): void {
    const unpriced = new Set<CallSeries>();
    for (const { model, cost: kinds } of cost.parts) {
      if (kinds !== null) continue;
      unpriced.add(this.#seriesOfPart(ofCall, model));
      this.#onUnpriced(model);
    }
    if (unpriced.size === 0) unpriced.add(ofCall); // what has no price is a server tool
    for (const series of unpriced) series.ofModel.addUnpriced();
  }

  #seriesOfPart(ofCall: CallSeries, model: string | null): CallSeries {
    return model === null || model === ofCall.model ? ofCall : this.#group.ofModel(model);
  }
}
