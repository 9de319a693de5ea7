import type { AuditEntry, AuditFilter } from './audit.ts';
import { FORGOTTEN_OWNER, termsText } from './member.ts';
import type { TokenRecord } from './tokens.ts';

/** Makes the entry of a token that was made or revoked. */
export function auditEntry(
  action: AuditEntry['action'],
  { id, client, member }: TokenRecord,
  by: Pick<AuditEntry, 'atMs' | 'actor'>,
): AuditEntry {
  const detail = action === 'created' && member !== null ? termsText(member) : '';
  return { ...by, action, token: id, client, owner: member?.owner ?? null, detail };
}

/** Tells whether a token of the owner is no longer valid, so that nothing needs the name. */
export function isForgotten(
  { member, revokedAtMs, expiresAtMs }: TokenRecord,
  what: AuditFilter,
  nowMs: number,
): boolean {
  const isOver = revokedAtMs !== null || (expiresAtMs !== null && expiresAtMs <= nowMs);
  return isOver && what.owner !== null && member?.owner === what.owner;
}

/** A record without its owner, for a token that is no longer valid. */
export function withoutOwner(record: TokenRecord): TokenRecord {
  return { ...record, note: '', member: record.member && { ...record.member, owner: FORGOTTEN_OWNER } };
}
