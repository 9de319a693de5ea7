import { metrics, type Attributes, type MeterProvider } from '@opentelemetry/api';
import type { CacheMiss, FallbackBy, RefusalBilling } from '../../answers.ts';
import { usdOf } from '../../figures.ts';
import { answerTokens, isReported } from '../../pricing/cost.ts';
import { VERSION } from '../../version.ts';
import {
  COST_KINDS,
  TOKEN_KINDS,
  type Attempt,
  type BatchResult,
  type Call,
  type CallCost,
  type CallRecorder,
  type Cost,
  type Recorder,
  type Rejection,
  type RetryDenial,
  type Usage,
  type UsagePart,
} from '../../vocabulary.ts';
import { AttributionLabels, CallLabelValues, checkAttribution, type AttributionDeclaration } from '../call-labels.ts';
import { Store } from '../metrics/store.ts';
import { secondsPerOutputToken } from '../model-series.ts';
import {
  ATTRIBUTION,
  ERROR_TYPE,
  OPERATION_NAME,
  PROVIDER_NAME,
  REQUEST_MODEL,
  RESPONSE_MODEL,
  TOKEN_TYPE,
  errorType,
  instruments,
  isChat,
  providerName,
  serverAttributes,
  tokenSums,
  type Instruments,
} from './instruments.ts';
import { optionProblems, refuseOptions } from '../../errors.ts';

/** Options of `otelMetrics()`. */
export interface OtelMetricsOptions {
  /** Default: the provider that is registered with the OpenTelemetry API when a call is recorded. */
  readonly meterProvider?: MeterProvider;
  /**
   * Attribution labels that become attributes `plimsoll.attribution.<name>` of calls, tokens and cost, each with values
   * that always have a series. Of other values, the first hundred get one, and the rest counts as `other`.
   */
  readonly attribution?: AttributionDeclaration;
}

const NAMES: Readonly<Record<keyof OtelMetricsOptions, true>> = { meterProvider: true, attribution: true };

/**
 * A recorder that feeds OpenTelemetry metrics: those of the conventions for generative AI, and under `plimsoll.client.`
 * cost, attempts, retries and refusals. All are sums since the start, whatever an exporter then makes of them. Their
 * totals are those of the Prometheus metrics; no name is in both, so that one process can export the two.
 * Models, keys and attribution values are bounded as they are there. `gen_ai.operation.name` is `chat`, or plimsoll's
 * name of the operation if the conventions have none; `error.type` is the outcome.
 * Throws for attribution labels that cannot be used.
 *
 * @example
 * const claude = instrument(new Anthropic(), { recorders: [otelMetrics()] });
 */
export function otelMetrics(options: OtelMetricsOptions = {}): Recorder {
  refuseOptions(optionProblems(options, NAMES));
  checkAttribution(options.attribution ?? {});
  return new OtelMetrics(options);
}

/** A usage with its cost, and whether it is complete. */
interface Used {
  readonly usage: Usage;
  readonly cost: CallCost | null;
  readonly responseModel: string | null;
  readonly isComplete: boolean;
  readonly isBilledToAnother: boolean;
}

class OtelMetrics implements Recorder {
  readonly labels: CallLabelValues;
  readonly attribution: AttributionLabels;
  readonly #given: MeterProvider | undefined;
  #provider: MeterProvider | null = null;
  #instruments: Instruments | null = null;

  constructor({ meterProvider, attribution = {} }: OtelMetricsOptions) {
    this.#given = meterProvider;
    const bounds = new Store();
    this.labels = new CallLabelValues(bounds, {});
    this.attribution = new AttributionLabels(bounds, attribution);
  }

  started(call: Call): CallRecorder {
    return new CallFeed(this, call);
  }

  /** Made again if the provider changes: until one is registered, the API has one that does nothing. */
  get instruments(): Instruments {
    const provider = this.#given ?? metrics.getMeterProvider();
    if (this.#instruments === null || provider !== this.#provider) {
      this.#provider = provider;
      this.#instruments = instruments(provider.getMeter('plimsoll', VERSION));
    }
    return this.#instruments;
  }
}

/** One call, and the attributes of everything recorded for it. */
class CallFeed implements CallRecorder {
  readonly #metrics: OtelMetrics;
  readonly #call: Call;
  /** Attributes of every metric of the call under `plimsoll.`, without attribution and models. */
  readonly #owner: Attributes;
  #attribution: Attributes | null = null;

  constructor(metrics: OtelMetrics, call: Call) {
    const { labels } = metrics;
    this.#metrics = metrics;
    this.#call = call;
    this.#owner = {
      'plimsoll.operation': labels.operation.value(call.operation),
      'plimsoll.key': labels.key.value(call.key),
    };
  }

  attempted(attempt: Attempt): void {
    const { status, rejection, retryReason } = attempt;
    const feeds = this.#metrics.instruments;
    const own = this.#withRequestModel(this.#owner, { requestedModel: attempt.model });
    const response =
      typeof status === 'number' ? { ...own, 'http.response.status_code': status } : { ...own, [ERROR_TYPE]: status };
    feeds.attempts.add(1, response);
    feeds.attemptDuration.record(attempt.durationSeconds, response);
    if (rejection !== null) this.#recordRejection(rejection, own);
    if (retryReason === null) return;
    feeds.retries.add(1, { ...own, 'plimsoll.retry.reason': retryReason });
    feeds.retryWait.add(attempt.waitSeconds, own);
  }

  bodyError(rejection: Rejection): void {
    this.#recordRejection(rejection, this.#withRequestModel(this.#owner));
  }

  #recordRejection({ rateLimitReason, spendScope }: Rejection, own: Attributes): void {
    const { rateLimited, spendLimited } = this.#metrics.instruments;
    if (rateLimitReason !== null) rateLimited.add(1, { ...own, 'plimsoll.rate_limited.reason': rateLimitReason });
    if (spendScope !== null) spendLimited.add(1, { ...own, 'plimsoll.spend_limited.scope': spendScope });
  }

  retryDenied(reason: RetryDenial): void {
    const own = this.#withRequestModel(this.#owner);
    this.#metrics.instruments.retriesDenied.add(1, { ...own, 'plimsoll.retry.denied': reason });
  }

  batchResult({ outcome, error, model, serverFallbackFrom, cacheMiss, usage, cost }: BatchResult): void {
    const responseModel = model === null ? null : this.#metrics.labels.countedModel(model);
    const result = { ...withResponseModel(this.#own(), responseModel), 'plimsoll.batch.result': outcome };
    this.#metrics.instruments.batchResults.add(1, error === null ? result : { ...result, [ERROR_TYPE]: error });
    if (serverFallbackFrom !== null) this.#fallBack(serverFallbackFrom, 'server', responseModel);
    this.#recordCacheMiss(cacheMiss, responseModel);
    if (usage !== null) this.#recordUsage({ usage, cost, responseModel, isComplete: true, isBilledToAnother: false });
  }

  finished(): void {
    const { fallbackFrom, serverFallbackFrom, cacheMiss, usage, cost, outcome, model, isBilledToAnother } = this.#call;
    const responseModel = model === null ? null : this.#metrics.labels.countedModel(model);
    this.#recordEnd(responseModel);
    if (fallbackFrom !== null) this.#fallBack(fallbackFrom, 'policy', responseModel);
    if (serverFallbackFrom !== null) this.#fallBack(serverFallbackFrom, 'server', responseModel);
    this.#recordCacheMiss(cacheMiss, responseModel);
    const isComplete = outcome === 'ok';
    if (usage !== null) this.#recordUsage({ usage, cost, responseModel, isComplete, isBilledToAnother });
  }

  #recordEnd(responseModel: string | null): void {
    const { outcome, durationSeconds, firstTokenSeconds } = this.#call;
    if (outcome === null || durationSeconds === null)
      throw new TypeError('a finished call has an outcome and a duration');
    const feeds = this.#metrics.instruments;
    const error = errorType(this.#call);
    const whole = withResponseModel(this.#convention(), responseModel);
    feeds.calls.add(1, { ...withResponseModel(this.#own(), responseModel), 'plimsoll.outcome': outcome });
    feeds.duration.record(durationSeconds, error === null ? whole : { ...whole, [ERROR_TYPE]: error });
    if (firstTokenSeconds === null) return;
    feeds.timeToFirstChunk.record(firstTokenSeconds, whole);
    const pace = secondsPerOutputToken(this.#call);
    if (pace !== null) feeds.timePerOutputToken.record(pace, whole);
  }

  #recordCacheMiss(cacheMiss: CacheMiss | null, responseModel: string | null): void {
    if (cacheMiss === null) return;
    const own = withResponseModel(this.#own(), responseModel);
    this.#metrics.instruments.cacheMisses.add(1, { ...own, 'plimsoll.cache_miss.reason': cacheMiss.reason });
  }

  #fallBack(from: string, by: FallbackBy, responseModel: string | null): void {
    const { labels, instruments } = this.#metrics;
    const own = withResponseModel(this.#own(), responseModel);
    instruments.fallbacks.add(1, {
      ...own,
      'plimsoll.fallback_from': labels.model(from),
      'plimsoll.fallback.by': by,
    });
  }

  #recordUsage(used: Used): void {
    const { usage, cost: whole, responseModel, isBilledToAnother } = used;
    const unpriced = new Set<string | null>();
    this.#recordAnswer(usage, responseModel, used.isComplete);
    for (const [index, part] of usage.parts.entries()) {
      // The model that responded, unless the server named another for this part.
      const model = part.model === null ? responseModel : this.#metrics.labels.model(part.model);
      const priced = whole?.parts[index];
      this.#recordPart(part, model, priced?.refusalBilling ?? 'unsure');
      const cost = priced?.cost ?? null;
      if (cost === null) unpriced.add(model);
      else this.#recordCost(cost, withResponseModel(this.#own(), model), isBilledToAnother);
    }
    if (!isBilledToAnother) this.#recordGaps(used, unpriced);
  }

  /** What is not known of the organization's own costs. */
  #recordGaps({ cost: whole, responseModel }: Used, unpriced: Set<string | null>): void {
    this.#recordDoubts(whole?.doubts ?? [], responseModel);
    // If every part has a price, the missing price is that of a server tool.
    if (whole?.priced === false && unpriced.size === 0) unpriced.add(responseModel);
    for (const model of unpriced) this.#metrics.instruments.unpriced.add(1, withResponseModel(this.#own(), model));
  }

  /** The tokens of the call in the sense of the conventions, once a call: those of the answer. */
  #recordAnswer(usage: Usage, model: string | null, isComplete: boolean): void {
    if (!isReported(usage)) return;
    const feeds = this.#metrics.instruments;
    const whole = withResponseModel(this.#convention(), model);
    const { input, output, estimatedOutput } = tokenSums(answerTokens(usage.parts));
    feeds.tokenUsage.record(input, { ...whole, [TOKEN_TYPE]: 'input' });
    // An estimate is not a report: `plimsoll.client.tokens` has it, as a kind of its own.
    if (output > 0 || (estimatedOutput === 0 && isComplete)) {
      feeds.tokenUsage.record(output, { ...whole, [TOKEN_TYPE]: 'output' });
    }
  }

  #recordDoubts(doubts: CallCost['doubts'], model: string | null): void {
    for (const doubt of doubts) {
      const own = withResponseModel(this.#own(), model);
      this.#metrics.instruments.uncertainCosts.add(1, { ...own, 'plimsoll.cost.doubt': doubt });
    }
  }

  #recordPart(part: UsagePart, model: string | null, billing: RefusalBilling): void {
    const feeds = this.#metrics.instruments;
    const own = withResponseModel(this.#own(), model);
    if (part.refusal !== null) {
      feeds.refusals.add(1, {
        ...own,
        'plimsoll.refusal.category': part.refusal.category,
        'plimsoll.refusal.billing': billing,
      });
    }
    for (const kind of TOKEN_KINDS) {
      if (part.tokens[kind] > 0) feeds.tokens.add(part.tokens[kind], { ...own, 'plimsoll.token.kind': kind });
    }
  }

  #recordCost(cost: Cost, own: Attributes, isBilledToAnother: boolean): void {
    const { costToOthers, cost: ownCost } = this.#metrics.instruments;
    const counter = isBilledToAnother ? costToOthers : ownCost;
    for (const kind of COST_KINDS) {
      if (cost[kind] > 0) counter.add(usdOf(cost[kind]), { ...own, 'plimsoll.cost.kind': kind });
    }
  }

  /** Attributes of the conventions, without the model that responded. */
  #convention(): Attributes {
    return this.#withRequestModel({
      ...serverAttributes(this.#call.baseUrl),
      [PROVIDER_NAME]: providerName(this.#call),
      [OPERATION_NAME]: isChat(this.#call) ? 'chat' : (this.#owner['plimsoll.operation'] ?? ''),
    });
  }

  /** Attributes of plimsoll's metrics, with attribution, without the model that responded. */
  #own(): Attributes {
    this.#attribution ??= this.#attributionAttributes();
    return this.#withRequestModel({ ...this.#owner, ...this.#attribution });
  }

  #attributionAttributes(): Attributes {
    const { attribution } = this.#metrics;
    const values = attribution.values(this.#call.attribution);
    const named = attribution.names.map((name, index) => [`${ATTRIBUTION}${name}`, values[index] ?? ''] as const);
    return Object.fromEntries(named.filter(([, value]) => value !== ''));
  }

  /** The requested model can change between two attempts. */
  #withRequestModel(attributes: Attributes, { requestedModel }: Pick<Call, 'requestedModel'> = this.#call): Attributes {
    if (requestedModel === null) return attributes;
    return { ...attributes, [REQUEST_MODEL]: this.#metrics.labels.model(requestedModel) };
  }
}

function withResponseModel(attributes: Attributes, model: string | null): Attributes {
  return model === null ? attributes : { ...attributes, [RESPONSE_MODEL]: model };
}
