import { RATE_LIMIT_REASONS, SPEND_SCOPES } from '../vocabulary.ts';
import type { Attempt, Call, Outcome, RateLimitReason, SpendScope, Usage } from '../vocabulary.ts';
import { statusLabel } from './labels.ts';
import { resolvedOnce } from './resolved-once.ts';
import type { CounterSeries, HistogramSeries, Trace } from './series.ts';
import type { Store } from './store.ts';

/** What the SDK retries: 408, 409, 429, 5xx, connection errors and timeouts. Source: client.ts of 1.12.0. */
const RETRIED: readonly Outcome[] = [
  'rate_limited',
  'spend_limited',
  'overloaded',
  'server_error',
  'timeout',
  'connection_error',
];

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
