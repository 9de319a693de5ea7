import { randomUUID } from 'node:crypto';
import type { BudgetExceededError } from '../budget/budget-exceeded.ts';
import { LIMIT_HEADER } from '../limiter.ts';
import type { FaultCause, GatewayRefusal } from '../record/metrics/catalogue-gateway.ts';
import { paceRefused } from '../pace/pace-refused.ts';
import type { BufferedResponse } from './response-body.ts';

/** An error of the gateway itself, in the API's format. */
export interface ApiError {
  readonly status: number;
  /** The API's `error.type`. */
  readonly type: string;
  readonly message: string;
  /** Seconds after which a retry can help. */
  readonly retryAfterSeconds?: number;
  /** Tells whether sending the same request again can help. Default: true for a status that the SDKs retry. */
  readonly isRetryable?: boolean;
  /** What failed, for the header `plimsoll-cause`, which the request log reads. */
  readonly cause?: FaultCause;
  /** Names and values of further headers, in turn. */
  readonly headers?: readonly string[];
}

/** Names the cause of an error of the gateway. */
export const CAUSE_HEADER = 'plimsoll-cause';

/** Makes the response of an error. It tells the SDKs not to retry an error that is not retryable. */
export function errorResponse(error: ApiError): BufferedResponse {
  const { status, type, message, retryAfterSeconds, isRetryable = isRetried(status), cause, headers = [] } = error;
  const requestId = `req_plimsoll_${randomUUID().replaceAll('-', '')}`;
  const body = JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
  return {
    status,
    headers: [
      ...['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'request-id', requestId],
      ...(retryAfterSeconds === undefined ? [] : ['Retry-After', String(retryAfterSeconds)]),
      ...(isRetryable ? [] : ['x-should-retry', 'false']),
      ...(cause === undefined ? [] : [CAUSE_HEADER, cause]),
      // Whatever limit it is, it is none of the API's.
      ...(status === 429 ? [LIMIT_HEADER, 'client'] : []),
      ...headers,
    ],
    body: Buffer.from(body),
  };
}

/** A limit of the gateway's own that was reached. */
interface ReachedLimit {
  readonly message: string;
  readonly retryAfterSeconds: number;
  headers(nowMs: number): readonly string[];
}

/** The error of a request that has reached a limit of its client. */
export function limitError(reached: ReachedLimit, nowMs: number): ApiError {
  const { message, retryAfterSeconds } = reached;
  return { status: 429, type: 'rate_limit_error', message, retryAfterSeconds, headers: reached.headers(nowMs) };
}

/** Statuses that the SDKs retry unless `x-should-retry` forbids it. */
function isRetried(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** The error of a call that a pace refused; `null` for any other error. What never fits is not tried again. */
export function paceError(refusal: unknown): ApiError | null {
  const refused = paceRefused(refusal);
  if (refused === null) return null;
  const { reason, message } = refused;
  const error = { status: 429, type: 'rate_limit_error', message };
  return reason === 'never_fits' ? { ...error, isRetryable: false } : { ...error, retryAfterSeconds: 5 };
}

/** The error of a request that the gateway refuses before it is a call. `message` replaces the general one. */
export function refusalError(reason: GatewayRefusal, message?: string): ApiError {
  const error = REFUSALS[reason];
  return message === undefined ? error : { ...error, message };
}

const REFUSALS: Readonly<Record<GatewayRefusal, ApiError>> = {
  missing: unauthorized(
    'Expected a gateway token in x-api-key or as Authorization: Bearer, got none. Set one as the API key.',
  ),
  malformed: unauthorized(
    'Expected all of a gateway token, plk_…, got something else. Copy the whole token; an API key is none.',
  ),
  unknown: unauthorized('The gateway does not know this token. Check that it is complete and belongs to this gateway.'),
  expired: unauthorized('The token has expired. Get a new one.'),
  revoked: unauthorized('The token was revoked. Get a new one.'),
  wrong_origin: unauthorized('The token is bound to another web origin. Send it from there.'),
  unavailable: {
    ...overloaded('The gateway cannot reach its token store (tokens_unavailable). Try again in a moment.'),
    cause: 'tokens_unavailable',
  },
  not_found: {
    status: 404,
    type: 'not_found_error',
    message: 'The gateway does not forward this method and path. Check both against the API reference.',
  },
  invalid: { status: 400, type: 'invalid_request_error', message: 'The gateway cannot forward this request.' },
  too_large: { status: 413, type: 'request_too_large', message: 'The request body is too long.' },
  overloaded: overloaded('The gateway is overloaded. Try again in a moment.'),
  busy: {
    status: 429,
    type: 'rate_limit_error',
    message: 'This token has as many requests in progress as it may have. Wait for one to end.',
    retryAfterSeconds: 1,
  },
  draining: overloaded('The gateway is shutting down. Try again in a moment.'),
};

function unauthorized(message: string): ApiError {
  return { status: 401, type: 'authentication_error', message, isRetryable: false };
}

function overloaded(message: string): ApiError {
  return { status: 529, type: 'overloaded_error', message, retryAfterSeconds: 1 };
}

/** Puts into words what the error has in fields, which a client over HTTP does not get. */
export function budgetError({ message, reason, budget, limitUsd, resetsAt }: BudgetExceededError): ApiError {
  switch (reason) {
    case 'ledger_unavailable':
      return { status: 529, type: 'overloaded_error', message, retryAfterSeconds: 5, cause: 'ledger_unavailable' };
    case 'exceeded': {
      const limit = `the budget "${budget}" of ${dollars(limitUsd)}, which resets at ${resetsAt.toISOString()}`;
      return unpaid(`Not sent: the call would exceed ${limit}.`);
    }
    case 'unknown_price':
      return unpaid(
        `Not sent: no price is known for the model, and the budget "${budget}" blocks what it cannot price.`,
      );
  }
}

function unpaid(message: string): ApiError {
  return { status: 402, type: 'billing_error', message, isRetryable: false };
}

/** Shows cents, and digits down to the nano-dollar if the limit has them. */
function dollars(usd: number): string {
  return `$${usd.toFixed(9).replace(/(\.\d\d\d*?)0+$/, '$1')}`;
}
