import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { systemClock, type Clock } from '../../clock.ts';
import type { AuditEntry, AuditFilter } from './audit.ts';
import { NO_LIMITS, type MemberBudget, type MemberTerms } from './member.ts';

/** The two parts of a token: the id finds its record, the secret proves that it was issued. */
interface TokenParts {
  /** Not secret: logs and lists show it. */
  readonly id: string;
  readonly secret: string;
}

/** 32 digits and letters that cannot be confused with each other: each uses five bits of a random byte. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 60 bits, enough for unique ids. */
const ID_LENGTH = 12;

/** 200 bits, too many to guess, so storing a plain hash of them is safe. */
const SECRET_LENGTH = 40;

const TOKEN = new RegExp(`^plk_([${ALPHABET}]{${ID_LENGTH}})_([${ALPHABET}]{${SECRET_LENGTH}})$`);

/** Makes a new random token. `random` returns the given number of unpredictable bytes. */
export function newToken(random: (bytes: number) => Uint8Array = randomBytes): TokenParts {
  const drawn = (length: number): string => Array.from(random(length), (byte) => ALPHABET[byte & 31]).join('');
  return { id: drawn(ID_LENGTH), secret: drawn(SECRET_LENGTH) };
}

/** Writes a token as `plk_<id>_<secret>`, the form that clients get, once. */
export function tokenText({ id, secret }: TokenParts): string {
  return `plk_${id}_${secret}`;
}

/** Splits a token; `null` for a text that cannot be one, of any length. */
export function tokenParts(text: string): TokenParts | null {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** The SHA-256 of a secret in hexadecimal: stores keep nothing else of it. */
export function secretHash(secret: string): string {
  return hash('sha256', secret);
}

const NO_HASH = '0'.repeat(64);

/**
 * Compares the hash of a secret with the stored one in constant time. Without a hash it does the same work and returns `false`, so
 * the time does not reveal whether an id is known.
 */
export function isHashOf(presented: Buffer, kept: string | null): boolean {
  const isSame = timingSafeEqual(presented, Buffer.from(kept ?? NO_HASH, 'hex'));
  return isSame && kept !== null;
}

/** The SHA-256 of a secret that a request presents. */
export function presentedHash(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** The client and the lifetime of a new token. */
export interface IssueOptions {
  /** Name of the client. */
  readonly client: string;
  /** Milliseconds; `null`, the default, until it is revoked. */
  readonly lifetimeMs?: number | null;
  /** A note for lists. */
  readonly note?: string;
  /** Who has it, and what it may do within the client; `null`, the default: whatever the client may. */
  readonly member?: MemberTerms | null;
  /** Who makes it, for the audit log. */
  readonly actor?: string;
  /** For tests. */
  readonly clock?: Pick<Clock, 'epochMs'>;
}

/** A new token: its record, and its text, which is shown once and not stored. */
export interface IssuedToken {
  readonly record: TokenRecord;
  readonly token: string;
}

/** Issues a token for a client, and stores its hash. Rejects with a `TokenStoreError` if the store does not respond. */
export async function issueToken(store: TokenStore, options: IssueOptions): Promise<IssuedToken> {
  const { client, lifetimeMs = null, note = '', member = null, actor = '', clock = systemClock } = options;
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
    member,
  };
  await store.put(record, actor);
  return { record, token: tokenText(parts) };
}

/** A record as stores keep it. Numbers may be read back as texts. */
interface TokenRow {
  readonly id: string;
  readonly hash: string;
  readonly client: string;
  readonly created: number;
  readonly expires: number | null;
  readonly revoked: number | null;
  readonly note: string;
  /** JSON; `null` for a token that was not minted. */
  readonly minted: string | null;
  /** JSON; `null` for a token of nobody in particular, without limits of its own. */
  readonly member: string | null;
}

/** Converts a record for a store. */
export function rowOf(record: TokenRecord): TokenRow {
  const { minted, member } = record;
  return {
    id: record.id,
    hash: record.hash,
    client: record.client,
    created: record.createdAtMs,
    expires: record.expiresAtMs,
    revoked: record.revokedAtMs,
    note: record.note,
    minted: minted && JSON.stringify({ ...minted, spendNanoUsd: minted.spendNanoUsd?.toString() ?? null }),
    member: member && JSON.stringify({ ...member, budget: member.budget && budgetRow(member.budget) }),
  };
}

function budgetRow({ nanoUsd, period }: MemberBudget): object {
  return { nanoUsd: nanoUsd.toString(), period };
}

/** Converts a row of `rowOf` back. Empty texts count as `null`. */
export function recordOf(row: Readonly<Record<string, unknown>>): TokenRecord {
  const minted = textOf(row['minted']);
  return {
    id: String(row['id']),
    hash: String(row['hash']),
    client: String(row['client']),
    createdAtMs: Number(row['created']),
    expiresAtMs: numberOf(row['expires']),
    revokedAtMs: numberOf(row['revoked']),
    note: textOf(row['note']),
    minted: mintedOrNull(minted),
    member: memberOrNull(textOf(row['member'])),
  };
}

/** What an id that nobody has is read as, so that it takes the work of a token's. */
const DECOY: TokenRow = {
  id: '0'.repeat(ID_LENGTH),
  hash: '0'.repeat(64),
  client: '',
  created: 0,
  expires: 0,
  revoked: null,
  note: '',
  minted: JSON.stringify({ parent: '0'.repeat(ID_LENGTH), subject: '', origin: null, models: null, spendNanoUsd: '0' }),
  member: JSON.stringify({ owner: '', models: null, ...NO_LIMITS, budget: { nanoUsd: '0', period: 'day' } }),
};

/** Converts the row of an id that was looked up, or does the same work and returns `null` if there is none. */
export function recordOrNull(row: Readonly<Record<string, unknown>> | undefined): TokenRecord | null {
  const record = recordOf(row ?? { ...DECOY });
  return row === undefined ? null : record;
}

/** Takes the same work whether the token was minted or not. */
function mintedOrNull(text: string): MintedTerms | null {
  const terms = mintedOf(text === '' ? (DECOY.minted ?? '') : text);
  return text === '' ? null : terms;
}

function mintedOf(text: string): MintedTerms {
  const kept = JSON.parse(text) as Omit<MintedTerms, 'spendNanoUsd'> & { readonly spendNanoUsd: string | null };
  return { ...kept, spendNanoUsd: kept.spendNanoUsd === null ? null : BigInt(kept.spendNanoUsd) };
}

/** Takes the same work whether the token has terms or not. */
function memberOrNull(text: string): MemberTerms | null {
  const terms = memberOf(text === '' ? (DECOY.member ?? '') : text);
  return text === '' ? null : terms;
}

function memberOf(text: string): MemberTerms {
  const kept = JSON.parse(text) as Omit<MemberTerms, 'budget'> & {
    readonly budget: { readonly nanoUsd: string; readonly period: MemberBudget['period'] } | null;
  };
  return { ...kept, budget: kept.budget && { ...kept.budget, nanoUsd: BigInt(kept.budget.nanoUsd) } };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number | null {
  return value === null || value === undefined || value === '' ? null : Number(value);
}

/** The terms of a token that a client minted for one of its own users. */
export interface MintedTerms {
  /** Id of the token that it was minted with. If that is revoked, so is this one. */
  readonly parent: string;
  /** The user that it was minted for, as the client names it. */
  readonly subject: string;
  /** The web origin that may send it; `null` for any origin, and for requests without an `Origin` header. */
  readonly origin: string | null;
  /** The models that it may use, if its client may too; `null` for those of its client. */
  readonly models: readonly string[] | null;
  /** Its spend limit, over its whole lifetime; `null` for no limit of its own. */
  readonly spendNanoUsd: bigint | null;
}

/** The record of a token. The record alone cannot be used to make calls. */
export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of its secret, in hexadecimal. */
  readonly hash: string;
  /** Name of the client that has it, whose rules apply to it. */
  readonly client: string;
  readonly createdAtMs: number;
  /** `null` if it does not expire. */
  readonly expiresAtMs: number | null;
  /** `null` if it was not revoked. */
  readonly revokedAtMs: number | null;
  readonly note: string;
  /** `null` for a token that was made by `plimsoll gateway token create`. */
  readonly minted: MintedTerms | null;
  /** Who has it, and its own limits; of a minted token those of the one that it was minted with. `null` for neither. */
  readonly member: MemberTerms | null;
}

/** A minted token is dropped this long after it has expired. Others stay, so that lists can show them. */
export const MINTED_KEPT_MS = 3_600_000;

/**
 * Stores tokens, for gateways, and for commands that issue and revoke tokens at the same time. Every method rejects
 * with a `TokenStoreError` if the store does not respond.
 */
export interface TokenStore {
  readonly kind: 'sqlite' | 'redis';
  /**
   * Adds a new token, and, unless it was minted, an entry to the audit log in the same step. Rejects if its id is taken.
   */
  put(record: TokenRecord, actor?: string): Promise<void>;
  /** Finds the current record of a token; `null` without one. */
  find(id: string): Promise<TokenRecord | null>;
  /**
   * A number that is another one as soon as anything in the store has changed, by whichever process. Absent where only a
   * question over a network would tell.
   */
  version?(): number;
  /** Lists all tokens, the oldest first; minted ones as long as they are kept. */
  list(): Promise<readonly TokenRecord[]>;
  /**
   * Revokes a token, and adds it to the audit log in the same step; the revocation is in force when it resolves. A token that
   * was already revoked keeps its time, and adds nothing. `false` if there is no such token.
   */
  revoke(id: string, atMs: number, actor?: string): Promise<boolean>;
  /** Lists the audit log, the oldest entry first. */
  audit(): Promise<readonly AuditEntry[]>;
  /**
   * Takes an owner out of entries and of tokens that are no longer valid, or drops old entries, and adds an entry that says so. Resolves with the
   * number of entries that changed.
   */
  forget(what: AuditFilter, entry: AuditEntry): Promise<number>;
  /** Releases the file or the connection. */
  close(): Promise<void>;
}

/** The token store did not respond, or cannot be used. */
export class TokenStoreError extends Error {
  readonly code = 'PLIMSOLL_TOKEN_STORE_UNAVAILABLE';

  constructor(reason: string, cause?: unknown) {
    super(`The token store is unavailable: ${reason}.`, { cause });
    this.name = 'TokenStoreError';
  }
}
