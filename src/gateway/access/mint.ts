import { systemClock, type Clock } from '../../clock.ts';
import { nearest } from '../../environment/models.ts';
import { gotName, mayHoldSecret, sentenceOf, unfit, unknownField, type Problem } from '../../errors.ts';
import { nanoUsdOf, usdOf } from '../../figures.ts';
import { refused, unauthorized, type Refusal, type ShortAnswer } from '../errors.ts';
import { webHeaders } from '../headers.ts';
import { judged, type Judged } from './authenticator.ts';
import { DEFAULT_MINTED_SECONDS, LONGEST_MINTED_SECONDS, type GatewayClient, type MintRules } from './client.ts';
import { RateLimitedError, memoryRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { newToken, secretHash, tokenText, type IssuedToken, type TokenStore } from './tokens.ts';

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
    return refusal({ status: 400, type: 'invalid_request_error', message: asked.problems.map(sentenceOf).join('; ') });
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

/** What a client asks for when it mints a token, read from the body of its request; `null` where it does not say. */
export interface MintRequest {
  readonly subject: string;
  readonly origin: string | null;
  readonly models: readonly string[] | null;
  readonly spendNanoUsd: bigint | null;
  readonly lifetimeSeconds: number | null;
}

const FIELDS = ['subject', 'origin', 'models', 'spendUsd', 'expiresInSeconds'];

/** Reads the request in a parsed body, or all that is wrong with it; nothing of the body's own text is in that but field names. */
export function mintRequest(body: unknown): MintRequest | { readonly problems: readonly Problem[] } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { problems: [wrong('the body', 'a JSON object with the field subject')] };
  }
  const given = body as Readonly<Record<string, unknown>>;
  const problems: Problem[] = unknownFields(Object.keys(given));
  const read = <T>(name: string, expected: string, value: (field: unknown) => T | undefined): T | null => {
    const field = given[name] ?? undefined;
    const found = field === undefined ? undefined : value(field);
    if (field !== undefined && found === undefined) problems.push(wrong(name, expected));
    return found ?? null;
  };
  const subject = read('subject', 'whom the token is for, as text of 1 to 128 characters', subjectOf);
  if ((given['subject'] ?? null) === null) {
    const advice = 'give an id of your own, such as "user-1842"';
    problems.push(unfit('subject', undefined, { expected: 'whom the token is for', advice }));
  }
  const request = {
    subject: subject ?? '',
    origin: read('origin', 'a web origin, such as "https://app.example.com"', originOf),
    models: read('models', 'a list of ids of models', modelsOf),
    spendNanoUsd: read('spendUsd', 'an amount in US dollars above 0, such as 0.25', amountOf),
    lifetimeSeconds: read('expiresInSeconds', `whole seconds from 1 to ${LONGEST_MINTED_SECONDS}`, secondsOf),
  };
  return problems.length > 0 ? { problems } : request;
}

function unknownFields(names: readonly string[]): Problem[] {
  return names
    .filter((name) => !FIELDS.includes(name))
    .map((name) => {
      const near = nearest(name.slice(0, 64), FIELDS);
      return unknownField(gotName(name), FIELDS, near === null ? 'leave it out' : `did you mean ${near}?`);
    });
}

/** What came instead is not shown: it is of somebody's own. */
function wrong(field: string, expected: string): Problem {
  return { kind: 'invalid', field, expected, got: 'something else', advice: null };
}

/** It may become the value of a label, and it stands in logs. */
function subjectOf(field: unknown): string | undefined {
  const isFit = typeof field === 'string' && /^[^\p{C}]{1,128}$/u.test(field) && !mayHoldSecret(field);
  return isFit ? field : undefined;
}

/** As a browser writes it in `Origin`: without a path. */
export function originOf(field: unknown): string | undefined {
  if (typeof field !== 'string') return undefined;
  const url = URL.parse(field);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === field ? field : undefined;
}

const MOST_MODELS = 50;

function modelsOf(field: unknown): readonly string[] | undefined {
  const isFit = Array.isArray(field) && field.length > 0 && field.length <= MOST_MODELS && field.every(isModel);
  return isFit ? field : undefined;
}

function isModel(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.:@/-]{1,128}$/.test(value);
}

function amountOf(field: unknown): bigint | undefined {
  const nanoUsd = nanoUsdOf(field);
  return nanoUsd !== null && nanoUsd > 0n ? nanoUsd : undefined;
}

function secondsOf(field: unknown): number | undefined {
  const isFit = typeof field === 'number' && Number.isInteger(field) && field >= 1 && field <= LONGEST_MINTED_SECONDS;
  return isFit ? field : undefined;
}

/** Why nothing is minted, for the client that asked. */
export interface MintDenial {
  readonly reasons: readonly string[];
}

/**
 * A token for a user of the client's, bound to what was asked for and to what the client may. It ends no later than the
 * token that it is minted with. All reasons why not come at once.
 */
export function mint(parent: Judged, asked: MintRequest, nowMs: number): IssuedToken | MintDenial {
  const { client, record } = parent;
  if (record.minted !== null) return { reasons: ['A minted token mints no others: use the token of the client.'] };
  if (client.mints === null) return { reasons: [`The client ${client.name} may not mint tokens.`] };
  const reasons = [
    ...modelReasons(parent, asked),
    ...originReasons(parent, asked),
    ...boundReasons(client.mints, asked),
  ];
  if (reasons.length > 0) return { reasons };
  const { id, secret } = newToken();
  const { lifetimeSeconds, spendNanoUsd } = client.mints;
  const seconds = asked.lifetimeSeconds ?? Math.min(DEFAULT_MINTED_SECONDS, lifetimeSeconds);
  const endsMs = nowMs + Math.min(seconds, LONGEST_MINTED_SECONDS) * 1_000;
  return {
    token: tokenText({ id, secret }),
    record: {
      id,
      hash: secretHash(secret),
      client: client.name,
      createdAtMs: nowMs,
      expiresAtMs: Math.min(endsMs, record.expiresAtMs ?? endsMs),
      revokedAtMs: null,
      note: '',
      minted: {
        parent: record.id,
        subject: asked.subject,
        origin: asked.origin,
        models: asked.models,
        spendNanoUsd: asked.spendNanoUsd ?? spendNanoUsd,
      },
    },
  };
}

function modelReasons({ client: { models } }: Judged, asked: MintRequest): readonly string[] {
  if (models === null || asked.models === null) return [];
  const others = asked.models.filter((model) => !models.includes(model));
  return others.map((model) => `The client may not use ${model}: it may use ${models.join(', ')}.`);
}

function originReasons({ client: { origins } }: Judged, { origin }: MintRequest): readonly string[] {
  if (origins === null || origin === null || origins.includes(origin)) return [];
  return [`The client's tokens may not be sent from ${origin}: from ${origins.join(', ')}.`];
}

function boundReasons({ spendNanoUsd, lifetimeSeconds }: MintRules, asked: MintRequest): readonly string[] {
  const tooMuch = spendNanoUsd !== null && asked.spendNanoUsd !== null && asked.spendNanoUsd > spendNanoUsd;
  const tooLong = asked.lifetimeSeconds !== null && asked.lifetimeSeconds > lifetimeSeconds;
  return [
    ...(tooMuch ? [`A token of the client's may spend up to ${usdOf(spendNanoUsd)} USD.`] : []),
    ...(tooLong ? [`A token of the client's may live up to ${lifetimeSeconds} seconds.`] : []),
  ];
}
