import {
  COST_KINDS,
  OUTCOMES,
  RATE_LIMIT_REASONS,
  SPEND_SCOPES,
  TOKEN_KINDS,
  type Attempt,
  type Attribution,
  type BatchOutcome,
  type Call,
  type Cost,
  type CostKind,
  type Outcome,
  type RateLimitReason,
  type RetryDenial,
  type SpendScope,
  type TokenKind,
  type Tokens,
  type Usage,
} from '../vocabulary.ts';
import type { AttributionLabels } from './call-labels.ts';
import type { CounterSeries, GaugeSeries, HistogramSeries, MoneySeries, Trace } from './metrics/series.ts';
import { resolvedOnce, statusLabel, type Store } from './metrics/store.ts';

/** What most metrics of calls are told apart by. */
export interface CallLabels {
  readonly operation: string;
  readonly model: string;
  readonly key: string;
}

/** Statuses whose first appearance an alert must see. */
const BORN_STATUSES = ['200', '400', '429', '500', '529', 'timeout', 'connection_error', 'cancelled'] as const;

/** The series of one operation, model and key. Making one bears its ◇ series. */
export class OperationSeries {
  readonly attempts: (status: Attempt['status']) => CounterSeries;
  readonly duration: (outcome: Outcome) => HistogramSeries;

  constructor({ families }: Store, labels: CallLabels) {
    const attempts = families.anthropic_attempts_total;
    this.attempts = resolvedOnce((status) => attempts.series({ ...labels, status: statusLabel(status) }));
    this.duration = resolvedOnce((outcome) =>
      families.anthropic_request_duration_seconds.series({ ...labels, outcome }),
    );
    for (const status of BORN_STATUSES) attempts.series({ ...labels, status }).bear();
  }
}

/** The series of one operation, model, key and combination of attribution values. */
export class AttributedSeries {
  readonly requests: (outcome: Outcome) => CounterSeries;
  readonly stopReasons: (reason: string) => CounterSeries;
  readonly #tokens: (kind: TokenKind) => CounterSeries;
  readonly #cost: (kind: CostKind) => MoneySeries;

  constructor({ families }: Store, labels: CallLabels, attribution: Attribution) {
    this.requests = resolvedOnce((outcome) =>
      families.anthropic_requests_total.series({ ...labels, outcome }, attribution),
    );
    this.stopReasons = resolvedOnce((stop_reason) =>
      families.anthropic_stop_reasons_total.series({ ...labels, stop_reason }, attribution),
    );
    this.#tokens = resolvedOnce((kind) => families.anthropic_tokens_total.series({ ...labels, kind }, attribution));
    this.#cost = resolvedOnce((kind) => families.anthropic_cost_usd_total.series({ ...labels, kind }, attribution));
  }

  /** Kinds of which there were none are not shown. */
  addTokens(tokens: Tokens): void {
    for (const kind of TOKEN_KINDS) {
      const count = tokens[kind];
      if (count !== 0) this.#tokens(kind).add(count);
    }
  }

  /** Kinds that cost nothing are not shown. */
  addCost(cost: Cost): void {
    for (const kind of COST_KINDS) {
      const nanoUsd = cost[kind];
      if (nanoUsd !== 0) this.#cost(kind).addNanoUsd(nanoUsd);
    }
  }
}

/** All series that calls feed, by label values, each made when it is first asked for. */
export interface ResolvedSeries {
  readonly inFlight: (operation: string) => (key: string) => GaugeSeries;
  readonly retriesDenied: (key: string) => (reason: RetryDenial) => CounterSeries;
  readonly fallbacks: (key: string) => (model: string) => (fallbackModel: string) => CounterSeries;
  readonly batchResults: (key: string) => (model: string) => (result: BatchOutcome) => CounterSeries;
  readonly ofModel: (key: string) => (model: string) => ModelSeries;
  readonly ofOperation: (operation: string) => (key: string) => (model: string) => OperationSeries;
  readonly attributed: (
    operation: string,
  ) => (key: string) => (model: string) => (values: readonly string[]) => AttributedSeries;
}

/** The label values asked for must be bounded: what was asked for once is kept. */
export function resolvedSeries(store: Store, attribution: AttributionLabels): ResolvedSeries {
  const inFlight = store.families.anthropic_requests_in_flight;
  const denied = store.families.anthropic_retries_denied_total;
  const fallbacks = store.families.anthropic_model_fallbacks_total;
  const results = store.families.anthropic_batch_results_total;
  const byCall = <Thing>(make: (labels: CallLabels) => Thing) =>
    resolvedOnce((operation: string) =>
      resolvedOnce((key: string) => resolvedOnce((model: string) => make({ operation, key, model }))),
    );
  return {
    inFlight: resolvedOnce((operation) => resolvedOnce((key) => inFlight.series({ operation, key }))),
    retriesDenied: resolvedOnce((key) => resolvedOnce((reason) => denied.series({ key, reason }))),
    fallbacks: resolvedOnce((key) =>
      resolvedOnce((model) => resolvedOnce((fallback_model) => fallbacks.series({ model, fallback_model, key }))),
    ),
    batchResults: resolvedOnce((key) =>
      resolvedOnce((model) => resolvedOnce((result) => results.series({ model, key, result }))),
    ),
    ofModel: resolvedOnce((key) => resolvedOnce((model) => new ModelSeries(store, { model, key }))),
    ofOperation: byCall((labels) => new OperationSeries(store, labels)),
    attributed: byCall((labels) => attribution.resolvedOnce((values) => new AttributedSeries(store, labels, values))),
  };
}

/** What the SDK retries: 408, 409, 429, 5xx, connection errors and timeouts. Source: client.ts of 1.12.0. */
const IS_RETRIED: Readonly<Record<Outcome, boolean>> = {
  ok: false,
  rate_limited: true,
  spend_limited: true,
  overloaded: true,
  server_error: true,
  timeout: true,
  connection_error: true,
  invalid_request: false,
  unauthorized: false,
  not_found: false,
  too_large: false,
  payment_required: false,
  cancelled: false,
  stream_error: false,
  truncated: false,
  abandoned: false,
  blocked: false,
};

const RETRIED = OUTCOMES.filter((outcome) => IS_RETRIED[outcome]);

/** The series of one model and key, and what feeds them. Making one bears its ◇ series. */
export class ModelSeries {
  readonly #firstToken: HistogramSeries;
  readonly #perOutputToken: HistogramSeries;
  readonly #maxTokensRatio: HistogramSeries;
  readonly #thinkingTokens: CounterSeries;
  readonly #unpriced: CounterSeries;
  readonly #overloaded: CounterSeries;
  readonly #retryWait: CounterSeries;
  readonly #serverTools: (tool: string) => CounterSeries;
  readonly #rateLimited: (reason: RateLimitReason) => CounterSeries;
  readonly #spendLimited: (scope: SpendScope) => CounterSeries;
  readonly #retries: (reason: Outcome) => CounterSeries;
  readonly #attemptDuration: (status: Attempt['status']) => HistogramSeries;

  constructor({ families }: Store, labels: { readonly model: string; readonly key: string }) {
    this.#firstToken = families.anthropic_time_to_first_token_seconds.series(labels);
    this.#perOutputToken = families.anthropic_time_per_output_token_seconds.series(labels);
    this.#maxTokensRatio = families.anthropic_max_tokens_ratio.series(labels);
    this.#thinkingTokens = families.anthropic_thinking_tokens_total.series(labels);
    this.#unpriced = families.anthropic_unpriced_requests_total.series(labels);
    this.#overloaded = families.anthropic_overloaded_total.series(labels);
    this.#retryWait = families.anthropic_retry_wait_seconds_total.series(labels);
    this.#serverTools = resolvedOnce((tool) => families.anthropic_server_tool_uses_total.series({ ...labels, tool }));
    this.#rateLimited = resolvedOnce((reason) => families.anthropic_rate_limited_total.series({ ...labels, reason }));
    this.#spendLimited = resolvedOnce((scope) => families.anthropic_spend_limited_total.series({ ...labels, scope }));
    this.#retries = resolvedOnce((reason) => families.anthropic_retries_total.series({ ...labels, reason }));
    this.#attemptDuration = resolvedOnce((status) =>
      families.anthropic_attempt_duration_seconds.series({ ...labels, status: statusLabel(status) }),
    );
    this.#bear();
  }

  #bear(): void {
    this.#overloaded.bear();
    this.#retryWait.bear();
    for (const reason of RATE_LIMIT_REASONS) this.#rateLimited(reason).bear();
    for (const scope of SPEND_SCOPES) this.#spendLimited(scope).bear();
    for (const reason of RETRIED) this.#retries(reason).bear();
  }

  /** One HTTP request: how long it took, why it was refused, and what it is a retry of. */
  attempted(attempt: Attempt, trace: Trace | null): void {
    const { status, rejection } = attempt;
    this.#attemptDuration(status).observe(attempt.durationSeconds, trace);
    if (status === 429) this.#rateLimited(rejection?.rateLimitReason ?? 'unknown').add(1, trace);
    if (status === 529) this.#overloaded.add(1, trace);
    if (rejection !== null && rejection.spendScope !== null) this.#spendLimited(rejection.spendScope).add(1, trace);
    if (attempt.retryReason === null) return;
    this.#retries(attempt.retryReason).add(1);
    this.#retryWait.add(attempt.waitSeconds);
  }

  /** How soon and how fast the answer of a stream came. */
  paced({ firstTokenSeconds, durationSeconds, usage }: Call, trace: Trace | null): void {
    if (firstTokenSeconds === null) return;
    this.#firstToken.observe(firstTokenSeconds, trace);
    const output = usage === null ? null : reportedOutput(usage);
    if (output === null || output <= 1 || durationSeconds === null) return;
    this.#perOutputToken.observe((durationSeconds - firstTokenSeconds) / (output - 1), trace);
  }

  /** What is counted of a usage for the model of the call as a whole. */
  used(usage: Usage, maxTokens: number | null): void {
    if (usage.thinkingTokens > 0) this.#thinkingTokens.add(usage.thinkingTokens);
    const output = reportedOutput(usage);
    if (output !== null && maxTokens !== null && maxTokens > 0) this.#maxTokensRatio.observe(output / maxTokens);
  }

  /** `tool` must be bounded. */
  usedTool(tool: string, uses: number): void {
    this.#serverTools(tool).add(uses);
  }

  /** A call used tokens of this model and no price is known for it. */
  wasUnpriced(): void {
    this.#unpriced.add(1);
  }
}

/** Output tokens of all parts; `null` where any of it is an estimate. */
function reportedOutput({ parts }: Usage): number | null {
  let output = 0;
  for (const { tokens } of parts) {
    if (tokens.output_estimated > 0) return null;
    output += tokens.output;
  }
  return output;
}
