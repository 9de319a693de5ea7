import { metrics, type Attributes, type MeterProvider } from '@opentelemetry/api';
import { VERSION } from '../../version.ts';
import {
  COST_KINDS,
  TOKEN_KINDS,
  type Attempt,
  type BatchResult,
  type Call,
  type CallCost,
  type Cost,
  type Recorder,
  type RetryDenial,
  type Usage,
  type UsagePart,
} from '../../vocabulary.ts';
import { AttributionLabels, CallLabelValues, checkAttribution, type AttributionDeclaration } from '../call-labels.ts';
import { Store } from '../metrics/store.ts';
import {
  ANTHROPIC,
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
  serverAttributes,
  tokenSums,
  usd,
  type Instruments,
} from './instruments.ts';

export interface OtelMetricsOptions {
  /** Default: the provider that is registered with the OpenTelemetry API when a call is recorded. */
  readonly meterProvider?: MeterProvider;
  /**
   * Attribution labels that become attributes `plimsoll.attribution.<name>` of calls, tokens and cost, each with values
   * that are sure of a place. Of others the first hundred get one, and the rest is counted as `other`.
   */
  readonly attribution?: AttributionDeclaration;
}

/**
 * A recorder that feeds OpenTelemetry metrics: those of the conventions for generative AI, and under `plimsoll.client.`
 * cost, attempts, retries and refusals. All are sums since the start, whatever an exporter then makes of them. Their
 * totals are those of the Prometheus metrics; no name is in both, so that one process can export the two.
 * Models, keys and attribution values are bounded as they are there. `gen_ai.operation.name` is `chat`, or plimsoll's
 * name of the operation where the conventions have none; `error.type` is the outcome.
 * Throws for attribution labels that cannot be used.
 *
 * @example
 * const claude = instrument(new Anthropic(), { recorders: [otelMetrics()] });
 */
export function otelMetrics(options: OtelMetricsOptions = {}): Recorder {
  checkAttribution(options.attribution ?? {});
  return new OtelMetrics(options);
}

/** The attributes of one call, made once for all that is recorded of it. */
interface CallAttributes {
  /** Of the conventions, without the model that answered: that can differ for parts of a usage. */
  readonly convention: Attributes;
  /** Of plimsoll's metrics, without the model that answered. */
  readonly own: Attributes;
  readonly answeredBy: string | null;
}

/** A usage with its cost, and whether it is all that there was. */
interface Used {
  readonly usage: Usage;
  readonly cost: CallCost | null;
  readonly isComplete: boolean;
}

class OtelMetrics implements Recorder {
  readonly #given: MeterProvider | undefined;
  readonly #labels: CallLabelValues;
  readonly #attribution: AttributionLabels;
  readonly #attributionNames: readonly string[];
  #provider: MeterProvider | null = null;
  #instruments: Instruments | null = null;

  constructor({ meterProvider, attribution = {} }: OtelMetricsOptions) {
    this.#given = meterProvider;
    const bounds = new Store();
    this.#labels = new CallLabelValues(bounds, {});
    this.#attribution = new AttributionLabels(bounds, attribution);
    this.#attributionNames = Object.keys(attribution).map((name) => `${ATTRIBUTION}${name}`);
  }

  attempted(call: Call, attempt: Attempt): void {
    const { status, rejection, retryReason } = attempt;
    const feeds = this.#feeds();
    const own = this.#ownAttributes(call);
    const answer =
      typeof status === 'number' ? { ...own, 'http.response.status_code': status } : { ...own, [ERROR_TYPE]: status };
    feeds.attempts.add(1, answer);
    feeds.attemptDuration.record(attempt.durationSeconds, answer);
    if (status === 429) {
      feeds.rateLimited.add(1, { ...own, 'plimsoll.rate_limited.reason': rejection?.rateLimitReason ?? 'unknown' });
    }
    if (rejection !== null && rejection.spendScope !== null) {
      feeds.spendLimited.add(1, { ...own, 'plimsoll.spend_limited.scope': rejection.spendScope });
    }
    if (retryReason === null) return;
    feeds.retries.add(1, { ...own, 'plimsoll.retry.reason': retryReason });
    feeds.retryWait.add(attempt.waitSeconds, own);
  }

  retryDenied(call: Call, reason: RetryDenial): void {
    this.#feeds().retriesDenied.add(1, { ...this.#ownAttributes(call), 'plimsoll.retry.denied': reason });
  }

  batchResult(call: Call, { outcome, model, usage, cost }: BatchResult): void {
    const answeredBy = model === null ? null : this.#labels.countedModel(model);
    const attributes = { ...this.#attributesOf(call), answeredBy };
    this.#feeds().batchResults.add(1, { ...answered(attributes.own, answeredBy), 'plimsoll.batch.result': outcome });
    if (usage !== null) this.#recordUsage({ usage, cost, isComplete: true }, attributes);
  }

  finished(call: Call): void {
    const attributes = this.#attributesOf(call);
    this.#recordEnd(call, attributes);
    if (call.fallbackFrom !== null) {
      const from = this.#labels.model(call.fallbackFrom);
      this.#feeds().fallbacks.add(1, { ...attributes.own, 'plimsoll.fallback_from': from });
    }
    const { usage, cost, outcome } = call;
    if (usage !== null) this.#recordUsage({ usage, cost, isComplete: outcome === 'ok' }, attributes);
  }

  #recordEnd(call: Call, { convention, own, answeredBy }: CallAttributes): void {
    const { outcome, durationSeconds, firstTokenSeconds, usage } = call;
    if (outcome === null || durationSeconds === null)
      throw new TypeError('a finished call has an outcome and a duration');
    const feeds = this.#feeds();
    const error = errorType(call);
    const whole = answered(convention, answeredBy);
    feeds.calls.add(1, { ...answered(own, answeredBy), 'plimsoll.outcome': outcome });
    feeds.duration.record(durationSeconds, error === null ? whole : { ...whole, [ERROR_TYPE]: error });
    if (firstTokenSeconds === null) return;
    feeds.timeToFirstChunk.record(firstTokenSeconds, whole);
    const sums = usage === null ? null : tokenSums(usage.parts);
    if (sums === null || sums.estimatedOutput > 0 || sums.output <= 1) return;
    feeds.timePerOutputToken.record((durationSeconds - firstTokenSeconds) / (sums.output - 1), whole);
  }

  #recordUsage({ usage, cost: whole, isComplete }: Used, attributes: CallAttributes): void {
    const unpriced = new Set<string | null>();
    for (const [index, part] of usage.parts.entries()) {
      this.#recordTokens(part, attributes, isComplete);
      const cost = whole?.parts[index]?.cost ?? null;
      const model = this.#billed(part.model, attributes);
      if (cost === null) unpriced.add(model);
      else this.#recordCost(cost, answered(attributes.own, model));
    }
    // What has no price although every part has one is a server tool.
    if (whole?.priced === false && unpriced.size === 0) unpriced.add(attributes.answeredBy);
    for (const model of unpriced) this.#feeds().unpriced.add(1, answered(attributes.own, model));
  }

  #recordTokens(part: UsagePart, attributes: CallAttributes, isComplete: boolean): void {
    const feeds = this.#feeds();
    const model = this.#billed(part.model, attributes);
    const whole = answered(attributes.convention, model);
    const own = answered(attributes.own, model);
    const { input, output, estimatedOutput } = tokenSums([part]);
    feeds.tokenUsage.record(input, { ...whole, [TOKEN_TYPE]: 'input' });
    // An estimate is no report: `plimsoll.client.tokens` has it, as a kind of its own.
    if (output > 0 || (estimatedOutput === 0 && isComplete)) {
      feeds.tokenUsage.record(output, { ...whole, [TOKEN_TYPE]: 'output' });
    }
    for (const kind of TOKEN_KINDS) {
      if (part.tokens[kind] > 0) feeds.tokens.add(part.tokens[kind], { ...own, 'plimsoll.token.kind': kind });
    }
  }

  #recordCost(cost: Cost, own: Attributes): void {
    for (const kind of COST_KINDS) {
      if (cost[kind] > 0) this.#feeds().cost.add(usd(cost[kind]), { ...own, 'plimsoll.cost.kind': kind });
    }
  }

  /** The model of a part of a usage: the one that answered, unless the server named another. */
  #billed(part: string | null, { answeredBy }: CallAttributes): string | null {
    return part === null ? answeredBy : this.#labels.model(part);
  }

  #attributesOf(call: Call): CallAttributes {
    const own = this.#ownAttributes(call);
    const values = this.#attribution.values(call.attribution);
    for (const [index, name] of this.#attributionNames.entries()) {
      const value = values[index] ?? '';
      if (value !== '') own[name] = value;
    }
    const convention = serverAttributes(call.baseUrl);
    convention[PROVIDER_NAME] = ANTHROPIC;
    convention[OPERATION_NAME] = isChat(call) ? 'chat' : this.#labels.operation.value(call.operation);
    if (call.requestedModel !== null) convention[REQUEST_MODEL] = this.#labels.model(call.requestedModel);
    return { convention, own, answeredBy: call.model === null ? null : this.#labels.countedModel(call.model) };
  }

  #ownAttributes(call: Call): Attributes {
    const own: Attributes = {
      'plimsoll.operation': this.#labels.operation.value(call.operation),
      'plimsoll.key': this.#labels.key.value(call.key),
    };
    if (call.requestedModel !== null) own[REQUEST_MODEL] = this.#labels.model(call.requestedModel);
    return own;
  }

  /** Made again when another provider is there: until one is registered, the API has one that does nothing. */
  #feeds(): Instruments {
    const provider = this.#given ?? metrics.getMeterProvider();
    if (this.#instruments === null || provider !== this.#provider) {
      this.#provider = provider;
      this.#instruments = instruments(provider.getMeter('plimsoll', VERSION));
    }
    return this.#instruments;
  }
}

function answered(attributes: Attributes, model: string | null): Attributes {
  return model === null ? attributes : { ...attributes, [RESPONSE_MODEL]: model };
}
