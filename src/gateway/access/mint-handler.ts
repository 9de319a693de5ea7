import { usdOf } from '../../budget/nano-usd.ts';
import { systemClock, type Clock } from '../../clock.ts';
import { unauthorized } from '../denials.ts';
import { refused, type Refusal, type ShortAnswer } from '../refusals.ts';
import { webHeaders } from '../headers.ts';
import type { GatewayClient } from './client.ts';
import { judged, type Judged } from './judge.ts';
import type { IssuedToken } from './issue.ts';
import { mint } from './mint.ts';
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
    return refusal({ status: 405, type: 'invalid_request_error', message: 'Expected POST.' });
  }
  const parent = await judged({ token: tokenIn(request.headers), origin: request.headers.get('origin') }, options);
  if (typeof parent === 'string') return responseOf(unauthorized(parent));
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
  const { message, retryAfterSeconds } = new RateLimitedError(requestsPerMinute, waitMs, 'client');
  return refusal({ status: 429, type: 'rate_limit_error', message, retryAfterSeconds });
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

function told({ token, record }: IssuedToken, { client }: Judged): Response {
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
  return Response.json(answer, { status: 201, headers: { 'cache-control': 'no-store' } });
}

function refusal(why: Refusal): Response {
  return responseOf(refused(why));
}

function responseOf({ status, headers, body }: ShortAnswer): Response {
  return new Response(new Uint8Array(body), { status, headers: webHeaders(headers) });
}
