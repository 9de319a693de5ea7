import {
  OUTCOMES,
  RATE_LIMIT_REASONS,
  SPEND_SCOPES,
  type Attempt,
  type Call,
  type Outcome,
  type RateLimitReason,
  type Rejection,
  type SpendScope,
  type Usage,
} from '../vocabulary.ts';
import type { Trace } from '../trace.ts';
import type { CacheMiss, CostDoubt, RefusalBilling, RefusalCategory } from '../answers.ts';
import { answerTokens, isReported } from '../pricing/cost.ts';
import type { CounterSeries, HistogramSeries } from './metrics/series.ts';
import { statusLabel, type Store } from './metrics/store.ts';

/** Labels that most metrics of calls have. */
export interface CallLabels {
  readonly operation: string;
  readonly model: string;
  readonly key: string;
}

/** Statuses whose first appearance an alert must see. */
const SHOWN_STATUSES = ['200', '400', '429', '500', '529', 'timeout', 'connection_error', 'cancelled'] as const;

/** The series of one operation, model and key. Making one shows its ◇ series at 0. */
export class OperationSeries {
  readonly #families: Store['families'];
  readonly #labels: CallLabels;
  readonly #attempts = new Map<Attempt['status'], CounterSeries>();
  readonly #duration: Partial<Record<Outcome, HistogramSeries>> = {};

  constructor({ families }: Store, labels: CallLabels) {
    this.#families = families;
    this.#labels = labels;
    for (const status of SHOWN_STATUSES) families.anthropic_attempts_total.series({ ...labels, status }).showAtZero();
  }

  attempts(status: Attempt['status']): CounterSeries {
    const known = this.#attempts.get(status);
    if (known !== undefined) return known;
    const label = { ...this.#labels, status: statusLabel(status) };
    const series = this.#families.anthropic_attempts_total.series(label);
    this.#attempts.set(status, series);
    return series;
  }

  duration(outcome: Outcome): HistogramSeries {
    return (this.#duration[outcome] ??= this.#families.anthropic_request_duration_seconds.series({
      ...this.#labels,
      outcome,
    }));
  }
}

/** The outcomes that the SDK retries: 408, 409, 429, 5xx, connection errors and timeouts. Source: client.ts of 1.14.0. */
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
  out_of_credit: false,
  payment_required: false,
  cancelled: false,
  stream_error: false,
  truncated: false,
  abandoned: false,
  blocked: false,
  failed_over: false,
};

const RETRIED = OUTCOMES.filter((outcome) => IS_RETRIED[outcome]);

/** The series of one model and key. Making one shows its ◇ series at 0. */
export class ModelSeries {
  readonly #store: Store;
  readonly #labels: { readonly model: string; readonly key: string };
  readonly #firstToken: HistogramSeries;
  readonly #perOutputToken: HistogramSeries;
  readonly #maxTokensRatio: HistogramSeries;
  readonly #thinkingTokens: CounterSeries;
  readonly #unpriced: CounterSeries;
  readonly #overloaded: CounterSeries;
  readonly #retryWait: CounterSeries;
  readonly #attemptDuration = new Map<Attempt['status'], HistogramSeries>();

  constructor(store: Store, labels: { readonly model: string; readonly key: string }) {
    const { families } = store;
    this.#store = store;
    this.#labels = labels;
    this.#firstToken = families.anthropic_time_to_first_token_seconds.series(labels);
    this.#perOutputToken = families.anthropic_time_per_output_token_seconds.series(labels);
    this.#maxTokensRatio = families.anthropic_max_tokens_ratio.series(labels);
    this.#thinkingTokens = families.anthropic_thinking_tokens_total.series(labels);
    this.#unpriced = families.anthropic_unpriced_requests_total.series(labels);
    this.#overloaded = families.anthropic_overloaded_total.series(labels);
    this.#retryWait = families.anthropic_retry_wait_seconds_total.series(labels);
    this.#overloaded.showAtZero();
    this.#retryWait.showAtZero();
    for (const reason of RATE_LIMIT_REASONS) this.#rateLimited(reason).showAtZero();
    for (const scope of SPEND_SCOPES) this.#spendLimited(scope).showAtZero();
    for (const reason of RETRIED) this.#retries(reason).showAtZero();
  }

  #rateLimited(reason: RateLimitReason): CounterSeries {
    return this.#store.families.anthropic_rate_limited_total.series({ ...this.#labels, reason });
  }

  #spendLimited(scope: SpendScope): CounterSeries {
    return this.#store.families.anthropic_spend_limited_total.series({ ...this.#labels, scope });
  }

  #retries(reason: Outcome): CounterSeries {
    return this.#store.families.anthropic_retries_total.series({ ...this.#labels, reason });
  }

  /** Adds one HTTP request: how long it took, why it was refused, and what it is a retry of. */
  addAttempt(attempt: Attempt, trace: Trace | null): void {
    const { status, rejection } = attempt;
    (this.#attemptDuration.get(status) ?? this.#newAttemptDuration(status)).observe(attempt.durationSeconds, trace);
    if (status === 429) this.#rateLimited(rejection?.rateLimitReason ?? 'unknown').add(1, trace);
    if (status === 529) this.#overloaded.add(1, trace);
    if (rejection !== null && rejection.spendScope !== null) this.#spendLimited(rejection.spendScope).add(1, trace);
    if (attempt.retryReason === null) return;
    this.#retries(attempt.retryReason).add(1);
    this.#retryWait.add(attempt.waitSeconds);
  }

  /** Adds an error that came in the body of a success: what refused the call, though its status does not say so. */
  addBodyError({ outcome, rateLimitReason, spendScope }: Rejection, trace: Trace | null): void {
    if (rateLimitReason !== null) this.#rateLimited(rateLimitReason).add(1, trace);
    if (outcome === 'overloaded') this.#overloaded.add(1, trace);
    if (spendScope !== null) this.#spendLimited(spendScope).add(1, trace);
  }

  #newAttemptDuration(status: Attempt['status']): HistogramSeries {
    const labels = { ...this.#labels, status: statusLabel(status) };
    const series = this.#store.families.anthropic_attempt_duration_seconds.series(labels);
    this.#attemptDuration.set(status, series);
    return series;
  }

  /** Adds how soon and how fast the content of a stream came. */
  addPace(call: Call, firstTokenSeconds: number, trace: Trace | null): void {
    const pace = secondsPerOutputToken(call);
    this.#firstToken.observe(firstTokenSeconds, trace);
    if (pace !== null) this.#perOutputToken.observe(pace, trace);
  }

  /** Adds the parts of a usage that are counted for the model of the whole call. */
  addUsage(usage: Usage, maxTokens: number | null): void {
    if (usage.thinkingTokens > 0) this.#thinkingTokens.add(usage.thinkingTokens);
    const output = maxTokens === null || maxTokens <= 0 ? null : reportedOutput(usage);
    if (output !== null && maxTokens !== null) this.#maxTokensRatio.observe(output / maxTokens);
  }

  /** Adds uses of a server tool; `tool` is a label. */
  addToolUses(tool: string, uses: number): void {
    this.#store.families.anthropic_server_tool_uses_total.series({ ...this.#labels, tool }).add(uses);
  }

  /** Adds a refusal of this model. */
  addRefusal(category: RefusalCategory, billing: RefusalBilling): void {
    this.#store.families.anthropic_refusals_total.series({ ...this.#labels, category, billing }).add(1);
  }

  /** Adds a cost that another organization pays, in whole nano-dollars. */
  addCostToOthers(nanoUsd: number): void {
    this.#store.families.anthropic_cost_billed_to_others_usd_total.series(this.#labels).addNanoUsd(nanoUsd);
  }

  /** Adds a call whose cost may be another. */
  addDoubt(doubt: CostDoubt): void {
    this.#store.families.anthropic_uncertain_costs_total.series({ ...this.#labels, doubt }).add(1);
  }

  /** Adds a diagnosed miss of the prompt cache. */
  addCacheMiss({ reason, inputTokens }: CacheMiss): void {
    const { anthropic_cache_misses_total, anthropic_cache_missed_tokens_total } = this.#store.families;
    anthropic_cache_misses_total.series({ ...this.#labels, reason }).add(1);
    if (inputTokens !== null) anthropic_cache_missed_tokens_total.series({ ...this.#labels, reason }).add(inputTokens);
  }

  /** Adds a call that used tokens of this model, which has no known price. */
  addUnpriced(): void {
    this.#unpriced.add(1);
  }
}

/** Output tokens of the answer; `null` if they are an estimate, or there is no answer. */
function reportedOutput(usage: Usage): number | null {
  const { output, output_estimated } = answerTokens(usage.parts);
  if (!isReported(usage)) return null;
  return output_estimated > 0 ? null : output;
}

/**
 * Seconds for each token of text and tool input after the first, from the first such delta to the last byte: thinking
 * came before it. `null` where there was none, where the output is an estimate, and where thinking is not told apart.
 */
export function secondsPerOutputToken({ answerStartSeconds, durationSeconds, usage }: Call): number | null {
  if (usage === null || answerStartSeconds === null || durationSeconds === null) return null;
  if (usage.parts.some(({ role }) => role === 'discarded')) return null; // its thinking is not told apart
  const output = reportedOutput(usage);
  const flowed = output === null ? 0 : output - usage.thinkingTokens;
  return flowed > 1 ? (durationSeconds - answerStartSeconds) / (flowed - 1) : null;
}
