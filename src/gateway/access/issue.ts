import { systemClock, type Clock } from '../../clock.ts';
import { newToken, secretHash, tokenText } from './token.ts';
import type { TokenRecord, TokenStore } from './token-store.ts';

/** What a new token is for. */
export interface IssueOptions {
  /** Name of the client. */
  readonly client: string;
  /** `null`, the default: it holds until it is revoked. */
  readonly lifetimeMs?: number | null;
  /** Stands in lists. */
  readonly note?: string;
  /** For tests. */
  readonly clock?: Pick<Clock, 'epochMs'>;
}

/** A token that was made: its record, and its text, which is told once and kept nowhere. */
export interface IssuedToken {
  readonly record: TokenRecord;
  readonly token: string;
}

/** Makes a token for a client and keeps its hash. Rejects with a `TokenStoreError` where the store does not answer. */
export async function issueToken(store: TokenStore, options: IssueOptions): Promise<IssuedToken> {
  const { client, lifetimeMs = null, note = '', clock = systemClock } = options;
  const createdAtMs = clock.epochMs();
  const parts = newToken();
  const record: TokenRecord = {
    id: parts.id,
    hash: secretHash(parts.secret),
    client,
    createdAtMs,
    expiresAtMs: lifetimeMs === null ? null : createdAtMs + lifetimeMs,
    revokedAtMs: null,
    note,
    minted: null,
  };
  await store.put(record);
  return { record, token: tokenText(parts) };
}
