/**
 * The words of plimsoll, as types. Read this file first: every room speaks in these terms.
 *
 * A **call** is what the user asked for; it takes one or more **attempts**, each one HTTP request.
 * A finished call has a **usage** (token counts by kind) and that a **cost**; headers show **limiters**. A **recorder** follows all of it.
 *
 * Times named `…AtMs` are milliseconds since the Unix epoch; durations are named for their unit. Money is whole nano-dollars.
 */

import type { BatchOutcome, CacheMiss, CostDoubt, PartRefusal, PartRole, RefusalBilling } from './answers.ts';
import type { Limiter } from './limiter.ts';
import type { Endpoint } from './platform.ts';
import type { CallDetails, Trace } from './trace.ts';

/**
 * Kinds of tokens. They add up. `output_estimated` replaces `output` if a stream ended before the server reported its
 * count. `input_estimated` is the prompt of an attempt that was left before the server reported any.
 */
export const TOKEN_KINDS = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'output',
  'output_estimated',
  'input_estimated',
] as const;

/** What a token was: read, written to a cache, read from one, or produced. */
export type TokenKind = (typeof TOKEN_KINDS)[number];

export const COST_KINDS = [...TOKEN_KINDS, 'server_tools'] as const;

/** The kinds of cost: the kinds of tokens, and server tools billed per use. */
export type CostKind = (typeof COST_KINDS)[number];

/** Token counts by kind: whole numbers, not negative. */
export type Tokens = Readonly<Record<TokenKind, number>>;

/** Whole nano-dollars by kind. */
export type Cost = Readonly<Record<CostKind, number>>;

/**
 * Tokens billed to one model. A usage has one part, or one for each of the server's `iterations`, which may run on
 * other models (an advisor, a fallback) or be missing from the top-level counts (compaction).
 */
export interface UsagePart {
  /** The model that is billed, as the server named it; `null` if the server did not say. */
  readonly model: string | null;
  readonly tokens: Tokens;
  /** `standard` or `fast`, on which the price depends; `null` if the server did not say. */
  readonly speed: string | null;
  readonly role: PartRole;
  /** `null` where the model did not refuse. */
  readonly refusal: PartRefusal | null;
}

/** The usage of a call, as the server reported it; inferred figures are marked. */
export interface Usage {
  /** At least one part. The parts add up to what is billed. */
  readonly parts: readonly UsagePart[];
  /** Thinking tokens: already part of `output`, so do not add the two. */
  readonly thinkingTokens: number;
  /** Uses by server tool (`web_search`, `web_fetch`, …); empty if none was used. */
  readonly serverToolUses: Readonly<Record<string, number>>;
  /** `standard`, `priority` or `batch`; `null` if the server did not say. */
  readonly serviceTier: string | null;
  /** The place of inference (`us`, `global`, …); `null` if the server did not say. */
  readonly inferenceGeo: string | null;
  /** Cache writes came without a 5 m / 1 h split that adds up: what it does not explain counts as 5 m. */
  readonly cacheSplitAssumed: boolean;
  /** The server listed its steps (`iterations`): each part is one of them. */
  readonly stepsListed: boolean;
  /** A number from the server could not be a count and was left out: such a usage is counted and not priced. */
  readonly malformed: boolean;
}

/** A part's cost, with the model whose price was used. */
export interface PricedPart {
  readonly model: string | null;
  /** `null` if no price is known for the model. Never a silent zero: only a refusal that is free costs 0. */
  readonly cost: Cost | null;
  /** Absent where the model did not refuse. */
  readonly refusalBilling?: RefusalBilling;
}

/** The cost of a call, part by part, in the order of `Usage.parts`. Server tools are on the first priced part. */
export interface CallCost {
  readonly parts: readonly PricedPart[];
  /** Sum over the priced parts, in nano-dollars. */
  readonly totalNanoUsd: number;
  /** Every part had a price. */
  readonly priced: boolean;
  /** What may be otherwise, each once: a prompt whose steps are not known, cache writes without a split, a refusal. */
  readonly doubts: readonly CostDoubt[];
}

/** The outcomes of a call. */
export const OUTCOMES = [
  'ok',
  'rate_limited',
  'spend_limited',
  'overloaded',
  'server_error',
  'timeout',
  'connection_error',
  'invalid_request',
  'unauthorized',
  'not_found',
  'too_large',
  'out_of_credit',
  'payment_required',
  'cancelled',
  'stream_error',
  'truncated',
  'abandoned',
  'blocked',
  'failed_over',
] as const;

/** How a call ended. */
export type Outcome = (typeof OUTCOMES)[number];

export const RATE_LIMIT_REASONS = [
  'requests',
  'input_tokens',
  'output_tokens',
  'tokens',
  'fast_mode',
  'acceleration',
  'concurrency',
  'prompt_too_large',
  'long_context',
  'spend_limit',
  'contract_spend_limit',
  'client_limit',
  'unknown',
] as const;

/** The reasons of a 429. `acceleration` is the API's `ramp_limit_exceeded`. */
export type RateLimitReason = (typeof RATE_LIMIT_REASONS)[number];

/** The cause of a 429: a limit that waiting restores, growing traffic, money, or the request, which is refused at any time. */
export const LIMITED_BY = {
  requests: 'rate',
  input_tokens: 'rate',
  output_tokens: 'rate',
  tokens: 'rate',
  fast_mode: 'rate',
  acceleration: 'growth',
  concurrency: 'rate',
  prompt_too_large: 'request',
  long_context: 'request',
  spend_limit: 'spend',
  contract_spend_limit: 'spend',
  client_limit: 'caller',
  unknown: 'rate',
} as const satisfies Readonly<Record<RateLimitReason, 'rate' | 'growth' | 'spend' | 'request' | 'caller'>>;

export const SPEND_SCOPES = [
  'tier',
  'contract',
  'organization',
  'workspace',
  'linked_organization',
  'account',
  'gateway',
  'credit',
  'billing',
] as const;

/** Whose money refused a request. `credit`, `billing`: an account cannot pay; `account`: a subscription; `gateway`: one before the API. */
export type SpendScope = (typeof SPEND_SCOPES)[number];

/** The reason of a refused attempt. */
export interface Rejection {
  /** The outcome of the call if this was its last attempt. */
  readonly outcome: Outcome;
  /** Set on every 429, and on every rate limit that the body of a success reports. */
  readonly rateLimitReason: RateLimitReason | null;
  /** Set on every refusal for spend, whatever its status. A tier's 429 has both. */
  readonly spendScope: SpendScope | null;
}

export const RETRY_DENIALS = ['spend_limit', 'retry_budget', 'deadline', 'retry_after', 'not_retryable'] as const;

/** Why a retry policy does not send a refused request again. `retry_after`: the server asks for too long a wait. */
export type RetryDenial = (typeof RETRY_DENIALS)[number];

/** One HTTP request of a call. */
export interface Attempt {
  /** 0 for the first. */
  readonly index: number;
  /** The model that the request asked for, as it left all middleware; `null` if it named none. */
  readonly model: string | null;
  /** Wall clock when the request was handed to `fetch`. */
  readonly startedAtMs: number;
  /** Request sent to response headers, or to the failure. */
  readonly durationSeconds: number;
  /** End of the previous attempt, or start of the call, to the start of this one: 0 for a first one that nothing held back. */
  readonly waitSeconds: number;
  /** The HTTP status, or what happened instead of a response. */
  readonly status: number | 'timeout' | 'connection_error' | 'cancelled';
  /** `null` for an attempt that succeeded. */
  readonly rejection: Rejection | null;
  /** The outcome of the previous attempt; `null` for the first. */
  readonly retryReason: Outcome | null;
  /** Empty if no header of the family was sent. */
  readonly limiters: readonly Limiter[];
  /** The API's id of a refusal, from its header `request-id`; `null` for a success, whose header is not read, and without a response. */
  readonly requestId: string | null;
  /** The wait that a refusal asked for, in milliseconds, as spend guards need it; absent or `null` where it asked for none. */
  readonly retryAfterMs?: number | null;
}

/** Attribution labels of a call: only declared names, with values not capped yet. */
export type Attribution = Readonly<Record<string, string>>;

/** A call of the user: one `messages.create`, stream or batch. Fields that say "so far" are final at `finished`. */
export interface Call {
  /** `messages.create`, `messages.stream`, …; `other` for unknown operations. */
  readonly operation: string;
  /** Alias of the API key, never the key. */
  readonly key: string;
  /** Name of the gateway's client that made the call; absent outside of a gateway. */
  readonly client?: string | undefined;
  /** The model asked for, so far: after a fallback the other one. `null` for operations without one. */
  readonly requestedModel: string | null;
  /** The model that the caller requested, if the retry policy switched to another; else `null`. So far. */
  readonly fallbackFrom: string | null;
  readonly attribution: Attribution;
  /** Base URL of the API that is called, without credentials; absent if it is not known. */
  readonly baseUrl?: string;
  /** Where the call goes, so far; absent for the Claude API itself. */
  readonly endpoint?: Endpoint | undefined;
  /** The SDK's own span of this call, for recorders that use spans; absent if the SDK has none. */
  readonly sdkSpan?: unknown;
  /** For the span of a call that has none of the SDK's; absent if it has one. */
  readonly details?: CallDetails | undefined;
  /** `max_tokens` as sent, once guards have let it through; `null` if the request has none. */
  readonly maxTokens: number | null;
  /** Wall clock when the first attempt reached plimsoll. */
  readonly startedAtMs: number;
  /** The model that answered, so far. */
  readonly model: string | null;
  /** The model that was asked for, where the API itself went on with a fallback; else `null`. So far. */
  readonly serverFallbackFrom: string | null;
  /** Attempts so far. */
  readonly attempts: number;
  /** Time between attempts and for its turns so far, in seconds. */
  readonly waitSeconds: number;
  /** Streams: start of the call to the first content delta, including waits; `null` until then. */
  readonly firstTokenSeconds: number | null;
  /** Streams: start of the call to the first delta of text or tool input; `null` until then, and if thinking came later. */
  readonly answerStartSeconds: number | null;
  /** Start of the call to its last byte, including retries and waits; `null` until the end. */
  readonly durationSeconds: number | null;
  /** `null` until the end. */
  readonly outcome: Outcome | null;
  /** The reason that the last attempt was refused for, or the error in the body of its response, so far; `null` for neither. */
  readonly rejection: Rejection | null;
  /** The API's id of the last attempt, where it was refused; `null` if it was not, so far. */
  readonly requestId: string | null;
  /** The server's stop reason, so far. */
  readonly stopReason: string | null;
  /** Why the prompt cache was not used, if the request asked for a diagnosis and the API has one; else `null`. */
  readonly cacheMiss: CacheMiss | null;
  /** `null` if the server reported none. */
  readonly usage: Usage | null;
  /** `null` if there is no usage. */
  readonly cost: CallCost | null;
  /** Another organization pays the cost, because the request's `billing_policy` asks for that. So far. */
  readonly isBilledToAnother: boolean;
  /** The trace of the call as of now, for exemplars and log lines; `null` if it has none, or is not sampled. */
  trace?(): Trace | null;
}

/** One line of a batch's results. A request that did not succeed has no model, usage or cost: it is not billed. */
export interface BatchResult {
  readonly outcome: BatchOutcome;
  /** The outcome of a call with the same error; `null` for results that did not error. */
  readonly error: Outcome | null;
  /** The model that answered. */
  readonly model: string | null;
  /** The model that was asked for, where the API itself went on with a fallback; else `null`. */
  readonly serverFallbackFrom: string | null;
  readonly stopReason: string | null;
  readonly cacheMiss: CacheMiss | null;
  readonly usage: Usage | null;
  /** The cost at the batch price in force when the batch was made, if that is known, else when it was read. */
  readonly cost: CallCost | null;
}

/**
 * Follows calls. Give your own as `recorders` of `instrument()`.
 *
 * @example
 * const slow: Recorder = {
 *   started: (call) => ({
 *     finished: () => {
 *       if ((call.durationSeconds ?? 0) > 30) console.warn(call.operation, call.outcome);
 *     },
 *   }),
 * };
 */
export interface Recorder {
  /** The first request is about to be sent. Returns the recorder of this call, or nothing if it is not recorded. */
  started(call: Call): CallRecorder | undefined;
}

/**
 * Follows one call, from `started` on. A method may throw: the error is counted, and affects neither the call nor
 * another recorder. plimsoll waits for none of them; if one returns a promise, its rejection is counted. The order is
 * `attempted` once per attempt, `firstToken` at most once, `finished` once. `attempted` of a refused attempt comes when
 * the reason is known, which can be after the next attempt has begun. `usageKnown` does not wait for the others.
 */
export interface CallRecorder {
  /** An attempt got a response or failed, perhaps before it was sent. Comes at once, unlike `attempted`. */
  attemptOver?(status: Attempt['status'] | 'unsent'): void;
  /** An attempt got a response or failed. */
  attempted?(attempt: Attempt): void;
  /** The first content delta of a stream arrived; the input side of the usage is known. */
  firstToken?(): void;
  /**
   * The usage so far and its cost are known: at `message_start` of a stream, and at the end of any response that
   * reported a usage. Comes at once, while the SDK's span is still open.
   */
  usageKnown?(): void;
  /**
   * The call read a batch result that this process had not read before. The usage of the result is not the call's own,
   * which has none. Comes between `started` and `finished`.
   */
  batchResult?(result: BatchResult): void;
  /** The retry policy did not let the SDK send a refused request again. Comes before that attempt's `attempted`. */
  retryDenied?(reason: RetryDenial): void;
  /** The body of a successful response turned out to be an error, which ends the call. Its attempt was recorded as a success. */
  bodyError?(rejection: Rejection): void;
  /** The call is over. The last event, exactly once. */
  finished?(): void;
  /** The attempt is about to be sent, for a call that the SDK traces. Returns its `traceparent`; `null`: the one that it has. */
  attempting?(traceparent: string, index: number): string | null;
  /** The trace that the call belongs to, for recorders that keep its spans; `null` if it cannot be found. */
  trace?(): Trace | null;
}

/**
 * The operations that generate one message while the caller waits. They run on a model, have `max_tokens`, and use the
 * rate limits of a model class; counting tokens and batches have limits of their own under the same header names.
 */
export const MESSAGE_OPERATIONS: ReadonlySet<string> = new Set(['messages.create', 'messages.stream']);
