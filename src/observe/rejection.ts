import type { Attempt, Outcome, RateLimitReason, Rejection, RetryDenial, SpendScope } from '../vocabulary.ts';
import { LIMIT_HEADER } from '../limiter.ts';
import { isJson } from './usage.ts';

/** A refusal as it came. `body` is the parsed error body, or `null` where it did not come in time. */
interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** The reason of a refusal, and whether the call goes on. */
export interface Verdict {
  readonly rejection: Rejection;
  /** Set where the retry policy ended the call. */
  readonly denied: RetryDenial | null;
  /** How the call ends with this attempt; `null` if it goes on. */
  readonly ends: Outcome | null;
}

/** An attempt that is under way. Middleware of the program's may have several at once. */
export type BegunAttempt = Pick<Attempt, 'index' | 'model' | 'startedAtMs' | 'waitSeconds'> & {
  readonly startedMs: number;
};

/** An attempt that the server refused. */
export interface RefusedResponse {
  readonly status: number;
  readonly limiters: Attempt['limiters'];
  readonly requestId: Attempt['requestId'];
  readonly retryAfterMs: number | null;
  /** Settles when the body has been read. */
  readonly verdict: Promise<Verdict>;
  /** Default: the attempt that began last. `null`: it was recorded where it was seen, or is a refusal without a request. */
  readonly begun?: BegunAttempt | null;
}

/** Reads the API's id of a refusal. What is not shaped as one, as a proxy may send, is none. */
export function requestIdOf(headers: Headers): string | null {
  const id = headers.get('request-id');
  return id !== null && /^req_\w{1,64}$/.test(id) ? id : null;
}

/** What one source says of a refusal. `reason` is only read on a 429. */
interface Finding {
  readonly reason?: RateLimitReason;
  readonly scope?: SpendScope;
}

/**
 * Finds out why the server refused: for the metrics, for the retry policy and for `plimsoll check`. The sources are asked in
 * this order, and the first that says something decides:
 *
 * A gateway that refuses by a limit of its own says so in the header `plimsoll-limit`, before all of them.
 *
 * 1. `error.details.error_code`. A code that is not known says no more than none.
 * 2. The message, where it is one of the API's sentences about what no code and no header shows: `SENTENCES`.
 * 3. `error.type` or the status, where they speak of billing.
 * 4. The headers, where they show a limit with nothing left; of several such limits, the one that the message names.
 * 5. The message, where it names a limit per minute in the API's own words: `LIMIT_SENTENCES`.
 * 6. The status.
 *
 * A message decides only as a sentence known from its beginning: single words in it decide nothing. `docs/resilience.md`
 * has the same list for readers.
 */
export function rejection(refusal: Refusal): Rejection {
  if (refusal.status === 429 && refusal.headers.has(LIMIT_HEADER)) return BY_A_GATEWAY;
  const error = errorOf(refusal.body);
  const verdict = verdictOf(refusal, error);
  const scope = verdict?.scope ?? null;
  const { status } = refusal;
  return {
    outcome: scope === null ? outcomeOfStatus(status) : OUTCOME_OF_SCOPE[scope],
    rateLimitReason: status === 429 ? (verdict?.reason ?? limitReason(refusal, error.message)) : null,
    spendScope: scope,
  };
}

/** A gateway in front of the API has refused, by a limit of its own. */
const BY_A_GATEWAY: Rejection = { outcome: 'rate_limited', rateLimitReason: 'client_limit', spendScope: null };

/**
 * Finds out what went wrong from an error in the body of a success: an `error` event of a stream, or a JSON document that is
 * an error. Its type stands for the status that the server could no longer send; `stream_error` for a type that is not known.
 * The headers came before the error and say nothing of it.
 */
export function bodyRejection(body: unknown): Rejection {
  const status = STATUS_OF_TYPE.get(errorOf(body).type);
  if (status !== undefined) return rejection({ status, headers: new Headers(), body });
  return { outcome: 'stream_error', rateLimitReason: null, spendScope: null };
}

/** The API's error types, with the status that each has outside a stream. */
const STATUS_OF_TYPE: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
]);

const OUTCOME_OF_STATUS: ReadonlyMap<number, Outcome> = new Map([
  [401, 'unauthorized'],
  [403, 'unauthorized'],
  [404, 'not_found'],
  [408, 'timeout'],
  [413, 'too_large'],
  [429, 'rate_limited'],
  [529, 'overloaded'],
]);

/** The outcome of a call whose last attempt got this status and no word of money. */
function outcomeOfStatus(status: number): Outcome {
  return OUTCOME_OF_STATUS.get(status) ?? (status >= 500 ? 'server_error' : 'invalid_request');
}

/** The outcome of a call that was refused for money. */
const OUTCOME_OF_SCOPE: Readonly<Record<SpendScope, Outcome>> = {
  tier: 'spend_limited',
  contract: 'spend_limited',
  organization: 'spend_limited',
  workspace: 'spend_limited',
  linked_organization: 'spend_limited',
  account: 'spend_limited',
  gateway: 'spend_limited',
  credit: 'out_of_credit',
  billing: 'payment_required',
};

/** `error.details.error_code`. Source: `src/resources/shared.ts` of SDK 1.14.0. */
const VERDICT_OF_CODE: ReadonlyMap<string, Finding> = new Map<string, Finding>([
  ['ramp_limit_exceeded', { reason: 'acceleration' }],
  ['enforced_spend_limit_reached', { reason: 'spend_limit', scope: 'tier' }],
  ['contract_spend_limit_reached', { reason: 'contract_spend_limit', scope: 'contract' }],
  ['linked_organization_spend_limit_reached', { reason: 'spend_limit', scope: 'linked_organization' }],
  ['linked_organization_billing_unavailable', { reason: 'spend_limit', scope: 'billing' }],
]);

/**
 * The API's sentences about what it has no code and no header for, by how they begin. Sources: public reports of 2024 to
 * September 2026 with the whole body; the limits that an organization sets for itself are documented with their wording.
 */
const SENTENCES: readonly (readonly [begins: RegExp, verdict: Finding])[] = [
  [/^you have reached your specified workspace api usage limits/i, { reason: 'spend_limit', scope: 'workspace' }],
  [/^you have reached your specified api usage limits/i, { reason: 'spend_limit', scope: 'organization' }],
  [/^this request would exceed your account['’]s monthly spend limit/i, { reason: 'spend_limit', scope: 'account' }],
  [/^your credit balance is too low\b/i, { reason: 'spend_limit', scope: 'credit' }],
  [/^you['’]re out of extra usage\b/i, { reason: 'spend_limit', scope: 'credit' }],
  [/^third-party apps now draw from your extra usage\b/i, { reason: 'spend_limit', scope: 'credit' }],
  [/^extra usage is required for long context requests\b/i, { reason: 'long_context' }],
  [/^number of concurrent connections has exceeded your rate limit\b/i, { reason: 'concurrency' }],
  [/^this request would exceed your organization['’]s maximum usage increase rate\b/i, { reason: 'acceleration' }],
];

function verdictOf({ status }: Refusal, { code, message, type }: ApiError): Finding | undefined {
  const said = VERDICT_OF_CODE.get(code) ?? SENTENCES.find(([begins]) => begins.test(message))?.[1];
  if (said !== undefined) return said;
  if (type !== 'billing_error' && status !== 402) return undefined;
  // Only a gateway in front of the API has both: it keeps limits of its own for whoever calls.
  return { reason: 'spend_limit', scope: status === 429 ? 'gateway' : 'billing' };
}

/** The limits of a 429 by the headers that measure them, most telling first. */
const LIMITS: readonly (readonly [headers: string, reason: RateLimitReason])[] = [
  ['anthropic-fast-input-tokens', 'fast_mode'],
  ['anthropic-fast-output-tokens', 'fast_mode'],
  ['anthropic-ratelimit-requests', 'requests'],
  ['anthropic-ratelimit-input-tokens', 'input_tokens'],
  ['anthropic-ratelimit-output-tokens', 'output_tokens'],
  ['anthropic-ratelimit-tokens', 'tokens'],
];

/**
 * How the API names a limit per minute: “This request would exceed your organization's rate limit of 30,000 input tokens per
 * minute”, with more words between, and until 2025 “Number of request tokens has exceeded your per-minute rate limit”.
 */
const LIMIT_SENTENCES: readonly RegExp[] = [
  /^this request would exceed (?:the|your)(?: \w+['’]s)? (?:rate )?limit (?:for your \w+ (?:\([^)]*\) )?)?of [\d,.]+ ([a-z ]+?) (?:per|in the)\b/i,
  /^number of ([a-z ]+?) has exceeded your (?:per-minute|daily) rate limit/i,
];

const REASON_OF_NAME: ReadonlyMap<string, RateLimitReason> = new Map([
  ['requests', 'requests'],
  ['batch requests', 'requests'],
  ['input tokens', 'input_tokens'],
  ['output tokens', 'output_tokens'],
  ['tokens', 'tokens'],
  ['request tokens', 'tokens'],
  ['fast mode input tokens', 'fast_mode'],
  ['fast mode output tokens', 'fast_mode'],
]);

/** The reason of a 429 that is none of money. */
function limitReason({ headers }: Refusal, message: string): RateLimitReason {
  const named = namedLimit(message);
  const empty = LIMITS.filter(([name]) => headers.get(`${name}-remaining`) === '0');
  // A limit of 0 is a pool that the organization does not have: it refuses only who asks for it.
  const used = empty.filter(([name]) => headers.get(`${name}-limit`) !== '0').map(([, reason]) => reason);
  const [first] = used;
  if (first !== undefined) return named !== null && used.includes(named) ? named : first;
  if (named === 'input_tokens' && isFull(headers)) return 'prompt_too_large';
  return named ?? empty[0]?.[1] ?? 'unknown';
}

function namedLimit(message: string): RateLimitReason | null {
  for (const sentence of LIMIT_SENTENCES) {
    const [, name] = sentence.exec(message) ?? [];
    if (name !== undefined) return REASON_OF_NAME.get(name.toLowerCase()) ?? null;
  }
  return null;
}

/** All of the minute's input is left, and it is not enough: no wait makes it so. */
function isFull(headers: Headers): boolean {
  const limit = Number(headers.get('anthropic-ratelimit-input-tokens-limit') ?? 0);
  const remaining = Number(headers.get('anthropic-ratelimit-input-tokens-remaining') ?? 0);
  return limit > 0 && remaining >= limit;
}

/**
 * Does the body of a refusal with this status say more than its status and headers? It names the limit that an
 * organization ran into; of a server in trouble, a timeout or a conflict it says nothing that is counted.
 */
export function isExplained(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 409;
}

interface ApiError {
  readonly type: string;
  readonly code: string;
  readonly message: string;
}

function errorOf(body: unknown): ApiError {
  const error = isJson(body) && isJson(body['error']) ? body['error'] : {};
  const details = isJson(error['details']) ? error['details'] : {};
  return { type: textOf(error['type']), code: textOf(details['error_code']), message: textOf(error['message']) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
