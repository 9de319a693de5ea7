import type { Outcome, RateLimitReason, Rejection, SpendScope } from '../vocabulary.ts';
import { isJson } from './usage.ts';

/** A refusal as it came. `body` is the parsed error body, or `null` where it did not come in time. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const OUTCOME_OF_STATUS: ReadonlyMap<number, Outcome> = new Map([
  [401, 'unauthorized'],
  [402, 'payment_required'],
  [403, 'unauthorized'],
  [404, 'not_found'],
  [408, 'timeout'],
  [413, 'too_large'],
  [429, 'rate_limited'],
  [529, 'overloaded'],
]);

/** The outcome of a call whose last attempt got this status and no word of a spend limit. */
export function outcomeOfStatus(status: number): Outcome {
  return OUTCOME_OF_STATUS.get(status) ?? (status >= 500 ? 'server_error' : 'invalid_request');
}

/** `error.details.error_code` of a 429 that has one. An unknown code says no more than the bare type. */
const REASON_OF_CODE: ReadonlyMap<string, RateLimitReason> = new Map([
  ['ramp_limit_exceeded', 'acceleration'],
  ['enforced_spend_limit_reached', 'spend_limit'],
  ['contract_spend_limit_reached', 'contract_spend_limit'],
]);

const SCOPE_OF_CODE: ReadonlyMap<string, SpendScope> = new Map([
  ['enforced_spend_limit_reached', 'tier'],
  ['contract_spend_limit_reached', 'contract'],
  ['linked_organization_spend_limit_reached', 'linked_organization'],
]);

/** The buckets of a 429, most telling first. A limit of 0 is a pool that the organization does not have. */
const BUCKETS: readonly (readonly [header: string, reason: RateLimitReason])[] = [
  ['anthropic-fast-input-tokens-remaining', 'fast_mode'],
  ['anthropic-fast-output-tokens-remaining', 'fast_mode'],
  ['anthropic-ratelimit-requests-remaining', 'requests'],
  ['anthropic-ratelimit-input-tokens-remaining', 'input_tokens'],
  ['anthropic-ratelimit-output-tokens-remaining', 'output_tokens'],
  ['anthropic-ratelimit-tokens-remaining', 'tokens'],
];

const REASON_OF_MESSAGE: readonly (readonly [RegExp, RateLimitReason])[] = [
  [/fast/i, 'fast_mode'],
  [/acceleration|ramp/i, 'acceleration'],
  [/output tokens?/i, 'output_tokens'],
  [/input tokens?/i, 'input_tokens'],
  [/tokens? per/i, 'tokens'],
  [/\brequests\b/i, 'requests'], // in the plural: every message begins with "This request would exceed"
];

/** A limit that the organization or the workspace set for itself: known by its message, there is no code for it. */
const OWN_SPEND_LIMIT = /^you have reached your specified (workspace )?api usage limits/i;

/**
 * Finds out why the server refused. The reason of a 429 is read from the error's code, then from the bucket that the headers
 * show empty, and only then from the message, whose wording may change; `unknown` where none of them says.
 */
export function rejection(refusal: Refusal): Rejection {
  const { code, message } = errorOf(refusal.body);
  const spendScope = SCOPE_OF_CODE.get(code) ?? ownSpendScope(refusal.status, message);
  return {
    outcome: spendScope === null ? outcomeOfStatus(refusal.status) : 'spend_limited',
    rateLimitReason: refusal.status === 429 ? rateLimitReason(refusal, code, message) : null,
    spendScope,
  };
}

function rateLimitReason(refusal: Refusal, code: string, message: string): RateLimitReason {
  const byCode = REASON_OF_CODE.get(code);
  if (byCode !== undefined) return byCode;
  const empty = BUCKETS.find(([header]) => refusal.headers.get(header) === '0');
  if (empty !== undefined) return empty[1];
  if (OWN_SPEND_LIMIT.test(message)) return 'spend_limit';
  return REASON_OF_MESSAGE.find(([wording]) => wording.test(message))?.[1] ?? 'unknown';
}

function ownSpendScope(status: number, message: string): SpendScope | null {
  if (status !== 400 && status !== 429) return null;
  const own = OWN_SPEND_LIMIT.exec(message);
  if (own === null) return null;
  return own[1] === undefined ? 'organization' : 'workspace';
}

/**
 * Does the body of a refusal with this status say more than its status and headers? It names the limit that an
 * organization ran into; of a server in trouble, a timeout or a conflict it says nothing that is counted.
 */
export function isExplained(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 409;
}

function errorOf(body: unknown): { code: string; message: string } {
  const error = isJson(body) && isJson(body['error']) ? body['error'] : {};
  const details = isJson(error['details']) ? error['details'] : {};
  return { code: textOf(details['error_code']), message: textOf(error['message']) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
