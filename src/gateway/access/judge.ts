import type { Clock } from '../../clock.ts';
import type { Denial, Presented } from '../grant.ts';
import type { GatewayClient } from './client.ts';
import { isSecretOf, tokenParts } from './token.ts';
import type { TokenRecord, TokenStore } from './token-store.ts';

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
