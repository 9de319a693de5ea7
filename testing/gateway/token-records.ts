import type { TokenRecord } from '../../src/gateway/access/tokens.ts';

export const NOW_MS = Date.UTC(2026, 10, 24, 12);

/** A token of a client that never expires. */
export function aRecord(given: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id: 'token0000001',
    hash: 'ab'.repeat(32),
    client: 'checkout',
    createdAtMs: NOW_MS,
    expiresAtMs: null,
    revokedAtMs: null,
    note: '',
    minted: null,
    member: null,
    ...given,
  };
}
