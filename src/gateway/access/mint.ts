import { systemClock, type Clock } from '../../clock.ts';
import { gotName, mayHoldSecret, nearest, sentenceOf, unfit, unknownField, type Problem } from '../../errors.ts';
import { nanoUsdOf, usdOf } from '../../figures.ts';
import { errorResponse, limitError, refusalError, type ApiError } from '../errors.ts';
import { presentedToken } from '../headers.ts';
import { toWebResponse } from '../web.ts';
import { authenticateToken } from './authenticator.ts';
import {
  DEFAULT_MINTED_SECONDS,
  LONGEST_MINTED_SECONDS,
  type AuthenticatedToken,
  type GatewayClient,
  type MintRules,
} from './client.ts';
import { isWithin } from './model-list.ts';
import { RateLimitedError, memoryRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { newToken, secretHash, tokenText, type IssuedToken, type TokenStore } from './tokens.ts';

/** Options of `mintHandler()`. */
export interface MintHandlerOptions {
  readonly store: TokenStore;
  /** Clients by name. */
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Counts each mint request against the client's limit. Default: in this process only. */
  readonly limiter?: RateLimiter;
  /** Called with the error of a store that does not respond. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
}

/**
 * Handles `POST /plimsoll/tokens`: mints a short-lived token for a client whose configuration has `mints`. Errors have
 * the API's format. Never rejects.
 */
export function mintHandler(options: MintHandlerOptions): (request: Request) => Promise<Response> {
  const { limiter = memoryRateLimiter(), clock = systemClock, onError = () => undefined } = options;
  return async function mintTokens(request) {
    try {
      return await respond(request, { ...options, limiter, clock, onError });
    } catch (error) {
      onError(error);
      return errorOf(refusalError('unavailable'));
    }
  };
}

async function respond(request: Request, options: Required<MintHandlerOptions>): Promise<Response> {
  if (request.method !== 'POST') {
    return errorOf({ status: 405, type: 'invalid_request_error', message: 'Expected POST, got another method.' });
  }
  const credentials = { token: presentedToken(request.headers).token, origin: request.headers.get('origin') };
  const parent = await authenticateToken(credentials, options);
  if (typeof parent === 'string') return errorOf(refusalError(parent));
  const limited = await rateError(parent.client, options.limiter);
  if (limited !== null) return errorOf(limited);
  const asked = mintRequest(await bodyOf(request));
  if ('problems' in asked) {
    const message = asked.problems.map(sentenceOf).join('; ');
    return errorOf({ status: 400, type: 'invalid_request_error', message });
  }
  const minted = mint(parent, asked, options.clock.epochMs());
  if ('reasons' in minted) return errorOf({ status: 403, type: 'permission_error', message: minted.reasons.join(' ') });
  await options.store.put(minted.record);
  return mintedResponse(minted, parent);
}

async function rateError({ name, requestsPerMinute }: GatewayClient, limiter: RateLimiter): Promise<ApiError | null> {
  if (requestsPerMinute === null) return null;
  const waitMs = await limiter.take(`client:${name}`, requestsPerMinute);
  if (waitMs === 0) return null;
  return limitError(
    new RateLimitedError({ kind: 'requests', most: requestsPerMinute, holder: 'client', waitMs, remaining: 0 }),
    systemClock.epochMs(),
  );
}

const LONGEST_BODY = 16_384;

/** Parses the body; `undefined` if it is not JSON, or too long. */
async function bodyOf(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > LONGEST_BODY) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // The response says that it is not JSON.
    return undefined;
  }
}

function mintedResponse({ token, record }: IssuedToken, { client }: AuthenticatedToken): Response {
  const { id, minted, expiresAtMs } = record;
  const spend = minted?.spendNanoUsd ?? null;
  const body = {
    type: 'token',
    id,
    token,
    subject: minted?.subject,
    origin: minted?.origin,
    models: minted?.models ?? client.models,
    spendUsd: spend === null ? null : usdOf(spend),
    expiresAt: new Date(expiresAtMs ?? 0).toISOString(),
  };
  return Response.json(body, { status: 201, headers: { 'cache-control': 'no-store' } });
}

function errorOf(error: ApiError): Response {
  return toWebResponse(errorResponse(error), () => undefined);
}

/** A mint request; absent fields are `null`. */
interface MintRequest {
  readonly subject: string;
  readonly origin: string | null;
  readonly models: readonly string[] | null;
  readonly spendNanoUsd: bigint | null;
  readonly lifetimeSeconds: number | null;
}

/** The body of a mint request, as `docs/gateway.md` shows it. */
interface MintBody {
  /** Who the token is for, in an identifier of yours: never an email address. */
  readonly subject: string;
  /** The only web origin that may send it. A program can fake any origin; another site's page cannot. Default: any. */
  readonly origin?: string;
  /** The only models it may ask for. Default: those of the client. */
  readonly models?: readonly string[];
  /** How many dollars it may spend in its lifetime. Default: `mints.spendUsd`. */
  readonly spendUsd?: string;
  /** At most `mints.lifetimeSeconds`, and never more than 900. Default: 300. */
  readonly expiresInSeconds?: number;
}

const FIELDS = Object.keys({
  subject: true,
  origin: true,
  models: true,
  spendUsd: true,
  expiresInSeconds: true,
} satisfies Readonly<Record<keyof MintBody, true>>);

/** Reads a parsed body, and lists all its problems. They show only the names of its fields. */
function mintRequest(body: unknown): MintRequest | { readonly problems: readonly Problem[] } {
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
  const subject = read('subject', 'who the token is for, as text of 1 to 128 characters', subjectOf);
  if ((given['subject'] ?? null) === null) {
    const advice = 'give an id of your own, such as "user-1842"';
    problems.push(unfit('subject', undefined, { expected: 'who the token is for', advice }));
  }
  const request = {
    subject: subject ?? '',
    origin: read('origin', 'a web origin, such as "https://app.example.com"', originOf),
    models: read('models', 'a list of model ids', modelsOf),
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

/** The value is not shown: it belongs to the client. */
function wrong(field: string, expected: string): Problem {
  return { kind: 'invalid', field, expected, got: 'something else', advice: null };
}

/** A subject may become the value of a label, and is written to logs. */
function subjectOf(field: unknown): string | undefined {
  const isFit = typeof field === 'string' && /^[^\p{C}]{1,128}$/u.test(field) && !mayHoldSecret(field);
  return isFit ? field : undefined;
}

/** Reads a web origin as browsers send it in `Origin`, without a path. */
function originOf(field: unknown): string | undefined {
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

/** The reasons why no token is minted, for the client. */
interface MintDenial {
  readonly reasons: readonly string[];
}

/**
 * Mints a token for a user of the client, within the request's bounds and the client's rules. It expires no later than
 * the token that it is minted with. Lists all reasons if none is minted.
 */
function mint(parent: AuthenticatedToken, asked: MintRequest, nowMs: number): IssuedToken | MintDenial {
  const { client, record } = parent;
  if (record.minted !== null) return { reasons: ["A minted token cannot mint others. Use the client's token."] };
  if (client.mints === null)
    return { reasons: [`The client ${client.name} may not mint tokens. Its operator can allow it with mints.`] };
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
      member: record.member,
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

function modelReasons({ client: { models } }: AuthenticatedToken, asked: MintRequest): readonly string[] {
  if (models === null || asked.models === null) return [];
  const others = asked.models.filter((model) => !isWithin(model, models));
  return others.map((model) => `The client may not use ${model}. It may use ${models.join(', ')}.`);
}

function originReasons({ client: { origins } }: AuthenticatedToken, { origin }: MintRequest): readonly string[] {
  if (origins === null || origin === null || origins.includes(origin)) return [];
  return [`The client's tokens may not be sent from ${origin}, only from ${origins.join(', ')}.`];
}

function boundReasons({ spendNanoUsd, lifetimeSeconds }: MintRules, asked: MintRequest): readonly string[] {
  const tooMuch = spendNanoUsd !== null && asked.spendNanoUsd !== null && asked.spendNanoUsd > spendNanoUsd;
  const tooLong = asked.lifetimeSeconds !== null && asked.lifetimeSeconds > lifetimeSeconds;
  return [
    ...(tooMuch ? [`A token of this client may spend at most ${usdOf(spendNanoUsd)} USD.`] : []),
    ...(tooLong ? [`A token of this client may last at most ${lifetimeSeconds} seconds.`] : []),
  ];
}
