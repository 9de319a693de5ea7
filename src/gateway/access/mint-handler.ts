import { randomUUID } from 'node:crypto';
import { usdOf } from '../../budget/nano-usd.ts';
import { systemClock, type Clock } from '../../clock.ts';
import type { Denial } from '../grant.ts';
import type { GatewayClient } from './client.ts';
import { judged, type Judged } from './judge.ts';
import { mint, type Minted } from './mint.ts';
import { mintRequest } from './mint-request.ts';
import { RateLimitedError } from './rate-limited.ts';
import { memoryRateLimiter, type RateLimiter } from './rate-limiter.ts';
import type { TokenStore } from './token-store.ts';

export interface MintHandlerOptions {
  readonly store: TokenStore;
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Minting counts against the limit of the client. Default: of this process alone. */
  readonly limiter?: RateLimiter;
  /** Told of a store that does not answer. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
}

/**
 * `POST /plimsoll/tokens`: mints a short-lived token with the token of a client whose configuration says `mints`. Errors
 * have the API's own shape. Never rejects.
 */
export function mintHandler(options: MintHandlerOptions): (request: Request) => Promise<Response> {
  const { limiter = memoryRateLimiter(), clock = systemClock, onError = () => undefined } = options;
  return async function mintTokens(request) {
    try {
      return await answered(request, { ...options, limiter, clock, onError });
    } catch (error) {
      onError(error);
      return refusal({
        status: 529,
        type: 'overloaded_error',
        message: 'The gateway cannot reach the place where tokens are kept.',
      });
    }
  };
}

async function answered(request: Request, options: Required<MintHandlerOptions>): Promise<Response> {
  if (request.method !== 'POST') {
    return refusal({
      status: 405,
      type: 'invalid_request_error',
      message: 'Expected POST.',
      headers: { allow: 'POST' },
    });
  }
  const parent = await judged({ token: tokenIn(request.headers), origin: request.headers.get('origin') }, options);
  if (typeof parent === 'string') return unauthorized(parent);
  const limited = await overLimit(parent.client, options.limiter);
  if (limited !== null) return limited;
  const asked = mintRequest(await bodyOf(request));
  if ('problems' in asked)
    return refusal({ status: 400, type: 'invalid_request_error', message: asked.problems.join('; ') });
  const minted = mint(parent, asked, options.clock.epochMs());
  if ('reasons' in minted) return refusal({ status: 403, type: 'permission_error', message: minted.reasons.join(' ') });
  await options.store.put(minted.record);
  return told(minted, parent);
}

async function overLimit({ name, requestsPerMinute }: GatewayClient, limiter: RateLimiter): Promise<Response | null> {
  if (requestsPerMinute === null) return null;
  const waitMs = await limiter.take(`client:${name}`, requestsPerMinute);
  if (waitMs === 0) return null;
  const { message, retryAfterSeconds } = new RateLimitedError(requestsPerMinute, waitMs);
  const headers = { 'retry-after': String(retryAfterSeconds) };
  return refusal({ status: 429, type: 'rate_limit_error', message, headers });
}

/** Of `x-api-key`, or of `Authorization: Bearer`. */
function tokenIn(headers: Headers): string | null {
  return headers.get('x-api-key') ?? /^Bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null;
}

const LONGEST_BODY = 16_384;

/** `undefined` for what is no JSON, or too much of it. */
async function bodyOf(request: Request): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > LONGEST_BODY) return undefined;
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    // The client is told that it is none.
    return undefined;
  }
}

function told({ token, record }: Minted, { client }: Judged): Response {
  const { id, minted, expiresAtMs } = record;
  const spend = minted?.spendNanoUsd ?? null;
  const answer = {
    type: 'token',
    id,
    token,
    subject: minted?.subject,
    origin: minted?.origin,
    models: minted?.models ?? client.models,
    spendUsd: spend === null ? null : usdOf(spend),
    expiresAt: new Date(expiresAtMs ?? 0).toISOString(),
  };
  return json(201, answer);
}

/** Why a token does not hold, for who presented it. */
export const DENIALS: Readonly<Record<Denial, string>> = {
  missing: 'Expected a token of the gateway in x-api-key, or in Authorization as a Bearer, got none.',
  malformed: 'Expected a token of the gateway, which begins with plk_, got something else.',
  unknown: 'The token is not known here.',
  expired: 'The token has expired.',
  revoked: 'The token was revoked.',
  wrong_origin: 'The token is bound to another origin.',
};

function unauthorized(denial: Denial): Response {
  return refusal({ status: 401, type: 'authentication_error', message: DENIALS[denial] });
}

interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function refusal({ status, type, message, headers = {} }: Refusal): Response {
  const requestId = `req_plimsoll_${randomUUID().replaceAll('-', '')}`;
  const body = { type: 'error', error: { type, message }, request_id: requestId };
  return json(status, body, { ...headers, 'request-id': requestId });
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } });
}
