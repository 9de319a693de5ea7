import { randomUUID } from 'node:crypto';
import type { Denial } from './grant.ts';
import type { RawHeaders } from './headers.ts';

/** What the gateway itself answers, in the API's own shape of an error. */
export interface Refusal {
  readonly status: number;
  /** `error.type` of the API's. */
  readonly type: string;
  readonly message: string;
  /** Seconds after which another try can help; without it none is invited where the SDKs would make one. */
  readonly retryAfterSeconds?: number;
}

/** A whole answer. */
export interface ShortAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: Buffer;
}

/** Statuses that the SDKs send again unless they are told not to. */
function isRetried(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/** A refusal as it goes out. `helps`: whether sending the same again can help at all; default: where the status says so. */
export function refused({ status, type, message, retryAfterSeconds }: Refusal, helps = isRetried(status)): ShortAnswer {
  const requestId = `req_plimsoll_${randomUUID().replaceAll('-', '')}`;
  const body = JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
  return {
    status,
    headers: [
      ...['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'request-id', requestId],
      ...(retryAfterSeconds === undefined ? [] : ['Retry-After', String(retryAfterSeconds)]),
      ...(helps ? [] : ['x-should-retry', 'false']),
    ],
    body: Buffer.from(body),
  };
}

/** Why a token does not hold, for who presented it. */
const DENIALS: Readonly<Record<Denial, string>> = {
  missing: 'Expected a token of the gateway in x-api-key, or in Authorization as a Bearer, got none.',
  malformed: 'Expected a token of the gateway, which begins with plk_, got something else.',
  unknown: 'The token is not known here.',
  expired: 'The token has expired.',
  revoked: 'The token was revoked.',
  wrong_origin: 'The token is bound to another origin.',
};

export function unauthorized(denial: Denial): ShortAnswer {
  return refused({ status: 401, type: 'authentication_error', message: DENIALS[denial] }, false);
}
