import { systemClock, type Clock } from '../../clock.ts';
import { defaultPrices } from '../../pricing/prices.ts';
import type { Attribution, Guard, Recorder } from '../../vocabulary.ts';
import type { Authenticate, Denial, Grant, Presented } from '../grant.ts';
import { messagesOnly } from '../rules.ts';
import type { GatewayClient } from './client.ts';
import { memoryRateLimiter, rateGuard, type RateLimiter } from './rate-limiter.ts';
import { TokenSpend } from './token-spend.ts';
import { isSecretOf, tokenParts, type TokenRecord, type TokenStore } from './tokens.ts';

export interface AuthenticatorOptions {
  readonly store: TokenStore;
  /** What tokens may do, by the name of their client. */
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Keeps what minted tokens have spent. Default: in this process, at the prices that come with the package. */
  readonly spend?: TokenSpend;
  /** Default: of this process alone. */
  readonly limiter?: RateLimiter;
  /** For tests. */
  readonly clock?: Clock;
}

/** Judges tokens by their store, each time, and grants what their clients may. Rejects where the store does not answer. */
export function authenticator(options: AuthenticatorOptions): Authenticate {
  const { store, clients, limiter = memoryRateLimiter(), clock = systemClock } = options;
  const spend = options.spend ?? new TokenSpend({ prices: defaultPrices(), clock });
  return async function authenticate(presented) {
    const verdict = await judged(presented, { store, clients, clock });
    return typeof verdict === 'string' ? verdict : granted(verdict, { spend, limiter });
  };
}

interface Limits {
  readonly spend: TokenSpend;
  readonly limiter: RateLimiter;
}

function granted(judgement: Judged, limits: Limits): Grant {
  const { record, client } = judgement;
  const spending = spendingOf(judgement, limits);
  return {
    tokenId: record.id,
    client: client.name,
    key: client.key,
    labels: labelsOf(judgement),
    models: modelsOf(judgement),
    maxTokens: client.maxTokens,
    guards: [...endpointGuards(judgement), ...rateGuards(judgement, limits), ...spending],
    recorders: spending,
  };
}

function labelsOf({ record: { minted }, client }: Judged): Attribution {
  const label = client.mints?.subjectLabel ?? null;
  return minted === null || label === null ? client.labels : { ...client.labels, [label]: minted.subject };
}

/** What the client may now, even where it could do more when the token was minted. */
function modelsOf({ record: { minted }, client: { models } }: Judged): readonly string[] | null {
  const own = minted?.models ?? null;
  if (own === null || models === null) return own ?? models;
  return own.filter((model) => models.includes(model));
}

function endpointGuards({ record, client }: Judged): readonly Guard[] {
  return record.minted !== null || client.endpoints === 'messages' ? [messagesOnly] : [];
}

function rateGuards({ record, client }: Judged, { limiter }: Limits): readonly Guard[] {
  const { name, requestsPerMinute, mints } = client;
  const ofToken = record.minted === null ? null : (mints?.requestsPerMinute ?? null);
  return [
    ...(ofToken === null ? [] : [rateGuard(limiter, `token:${record.id}`, ofToken)]),
    ...(requestsPerMinute === null ? [] : [rateGuard(limiter, `client:${name}`, requestsPerMinute)]),
  ];
}

function spendingOf({ record }: Judged, { spend }: Limits): readonly (Guard & Recorder)[] {
  const { id, minted, expiresAtMs } = record;
  if (minted === null || minted.spendNanoUsd === null || expiresAtMs === null) return [];
  return [spend.of({ id, spendNanoUsd: minted.spendNanoUsd, expiresAtMs })];
}

export interface JudgeOptions {
  readonly store: TokenStore;
  /** By name. */
  readonly clients: ReadonlyMap<string, GatewayClient>;
  readonly clock: Clock;
}

/** A token that holds, and whose it is. */
export interface Judged {
  readonly record: TokenRecord;
  readonly client: GatewayClient;
}

/**
 * Judges a token by what the store says now, each time: what was revoked is refused at the next request. What cannot be a
 * token is not looked for. That a token has expired or was revoked is said only to who knows its secret; one whose client
 * is no longer configured is unknown.
 */
export async function judged({ token, origin }: Presented, options: JudgeOptions): Promise<Judged | Denial> {
  if (token === null) return 'missing';
  const parts = tokenParts(token);
  if (parts === null) return 'malformed';
  const record = await options.store.find(parts.id);
  const isKnown = isSecretOf(parts.secret, record?.hash ?? null);
  const client = record === null ? undefined : options.clients.get(record.client);
  if (!isKnown || record === null || client === undefined) return 'unknown';
  return (await deniedNow(record, options)) ?? deniedOrigin({ record, client }, origin) ?? { record, client };
}

async function deniedNow(record: TokenRecord, { store, clients, clock }: JudgeOptions): Promise<Denial | null> {
  if (record.revokedAtMs !== null) return 'revoked';
  if (record.expiresAtMs !== null && record.expiresAtMs <= clock.epochMs()) return 'expired';
  if (record.minted === null) return null;
  const parent = await store.find(record.minted.parent);
  const mayMint = clients.get(record.client)?.mints !== null;
  return parent === null || parent.revokedAtMs !== null || !mayMint ? 'revoked' : null;
}

function deniedOrigin({ record, client }: Judged, origin: string | null): Denial | null {
  const isBound = (bound: readonly string[] | null): boolean =>
    bound !== null && (origin === null || !bound.includes(origin));
  const own = record.minted?.origin ?? null;
  return isBound(client.origins) || isBound(own === null ? null : [own]) ? 'wrong_origin' : null;
}
