import { systemClock, type Clock } from '../../clock.ts';
import { defaultPrices } from '../../pricing/prices.ts';
import type { Attribution, Guard, Recorder } from '../../vocabulary.ts';
import type { Authenticate, Grant } from '../grant.ts';
import type { GatewayClient } from './client.ts';
import { messagesOnly } from './endpoint-guard.ts';
import { judged, type Judged } from './judge.ts';
import { memoryRateLimiter, rateGuard, type RateLimiter } from './rate-limiter.ts';
import { TokenSpend } from './token-spend.ts';
import type { TokenStore } from './token-store.ts';

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
