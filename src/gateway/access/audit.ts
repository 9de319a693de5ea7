import { FORGOTTEN_OWNER } from './member.ts';

/** An entry of the audit log. Entries are added, and never changed but to forget an owner. */
export interface AuditEntry {
  readonly atMs: number;
  /** `forgotten`: what was kept of an owner, or old entries. */
  readonly action: 'created' | 'revoked' | 'forgotten';
  /** Who did it, as the command knows: the user of the operating system, or `--by`. */
  readonly actor: string;
  /** Id of the token; empty where several were changed. */
  readonly token: string;
  readonly client: string;
  readonly owner: string | null;
  /** What the token may do, or what was forgotten, in words. */
  readonly detail: string;
}

/** The entries to forget: those of an owner of any client, or those before a time. */
export interface AuditFilter {
  readonly owner: string | null;
  readonly beforeMs: number | null;
}

/** Writes an entry for a store. */
export function auditText(entry: AuditEntry): string {
  return JSON.stringify(entry);
}

export function auditFrom(text: string): AuditEntry {
  return JSON.parse(text) as AuditEntry;
}

/** The entry after forgetting: the same, without its owner, or `null` if it is dropped. */
export function afterForgetting(entry: AuditEntry, { owner, beforeMs }: AuditFilter): AuditEntry | null {
  if (beforeMs !== null && entry.atMs < beforeMs) return null;
  return owner !== null && entry.owner === owner ? { ...entry, owner: FORGOTTEN_OWNER } : entry;
}
