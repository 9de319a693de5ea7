import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { systemClock, type Clock } from '../../clock.ts';

/** A token in its two parts: the id finds its record, the secret proves that it was handed out. */
export interface TokenParts {
  /** Not secret: it stands in logs and lists. */
  readonly id: string;
  readonly secret: string;
}

/** Digits and letters that are not mistaken for each other: 32, so that five bits of a random byte are one. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 60 bits: ids are unique, and need not be more. */
const ID_LENGTH = 12;

/** 200 bits: nobody tries them all, so a plain hash is enough to keep. */
const SECRET_LENGTH = 40;

const TOKEN = new RegExp(`^plk_([${ALPHABET}]{${ID_LENGTH}})_([${ALPHABET}]{${SECRET_LENGTH}})$`);

/** A new token's parts. `random` gives so many bytes that nobody can foresee. */
export function newToken(random: (bytes: number) => Uint8Array = randomBytes): TokenParts {
  const drawn = (length: number): string => Array.from(random(length), (byte) => ALPHABET[byte & 31]).join('');
  return { id: drawn(ID_LENGTH), secret: drawn(SECRET_LENGTH) };
}

/** `plk_<id>_<secret>`: as it is handed out, once. */
export function tokenText({ id, secret }: TokenParts): string {
  return `plk_${id}_${secret}`;
}

/** The parts of what was presented; `null` for what cannot be a token, whatever its length. */
export function tokenParts(text: string): TokenParts | null {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** What is kept of a secret: its SHA-256 in hexadecimal. */
export function secretHash(secret: string): string {
  return hash('sha256', secret);
}

const NO_HASH = '0'.repeat(64);

/**
 * Whether the secret is the one of the hash, in a time that says nothing of how much of it is right. Without a hash it
 * is not, after the same work: whether an id is known does not show in the time either.
 */
export function isSecretOf(secret: string, kept: string | null): boolean {
  const isSame = timingSafeEqual(hash('sha256', secret, 'buffer'), Buffer.from(kept ?? NO_HASH, 'hex'));
  return isSame && kept !== null;
}

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

/** A record as stores keep it: texts and numbers by name. Numbers may come back as texts. */
export interface TokenRow {
  readonly id: string;
  readonly hash: string;
  readonly client: string;
  readonly created: number;
  readonly expires: number | null;
  readonly revoked: number | null;
  readonly note: string;
  /** JSON; `null` for what was not minted. */
  readonly minted: string | null;
}

export function rowOf(record: TokenRecord): TokenRow {
  const { minted } = record;
  return {
    id: record.id,
    hash: record.hash,
    client: record.client,
    created: record.createdAtMs,
    expires: record.expiresAtMs,
    revoked: record.revokedAtMs,
    note: record.note,
    minted: minted && JSON.stringify({ ...minted, spendNanoUsd: minted.spendNanoUsd?.toString() ?? null }),
  };
}

/** Of a row that `rowOf` made; empty texts are as good as `null`. */
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
    minted: minted === '' ? null : mintedOf(minted),
  };
}

function mintedOf(text: string): MintedTerms {
  const kept = JSON.parse(text) as Omit<MintedTerms, 'spendNanoUsd'> & { readonly spendNanoUsd: string | null };
  return { ...kept, spendNanoUsd: kept.spendNanoUsd === null ? null : BigInt(kept.spendNanoUsd) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number | null {
  return value === null || value === undefined || value === '' ? null : Number(value);
}

/** What binds a token that a client minted for one of its own users. */
export interface MintedTerms {
  /** Id of the token that it was minted with: when that is revoked, so is this. */
  readonly parent: string;
  /** Whom the client minted it for, in words of the client's. */
  readonly subject: string;
  /** The only web origin that may send it; `null`: any, and none. */
  readonly origin: string | null;
  /** The only models it may ask for, besides what its client may; `null`: those of its client. */
  readonly models: readonly string[] | null;
  /** What it may spend in its life; `null`: no limit of its own. */
  readonly spendNanoUsd: bigint | null;
}

/** What is kept of a token. Nothing in it lets anybody use the token. */
export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of its secret, in hexadecimal. */
  readonly hash: string;
  /** Name of the client that it was given to, which says what it may do. */
  readonly client: string;
  readonly createdAtMs: number;
  /** `null`: it does not expire. */
  readonly expiresAtMs: number | null;
  /** `null`: it was not revoked. */
  readonly revokedAtMs: number | null;
  readonly note: string;
  /** `null` for a token that was made by `plimsoll gateway token create`. */
  readonly minted: MintedTerms | null;
}

/** A minted token is forgotten so long after it has expired; others stay, so that lists can show them. */
export const MINTED_KEPT_MS = 3_600_000;

/**
 * Where tokens are kept, for one gateway or for many, and for who makes and revokes tokens meanwhile. Every method
 * rejects with a `TokenStoreError` where the store does not answer.
 */
export interface TokenStore {
  readonly kind: 'sqlite' | 'redis';
  /** Keeps a new token. Rejects where its id is taken. */
  put(record: TokenRecord): Promise<void>;
  /** As it is now; `null` where there is none. */
  find(id: string): Promise<TokenRecord | null>;
  /** All tokens, the oldest first; minted ones as long as they are kept. */
  list(): Promise<readonly TokenRecord[]>;
  /** In force when it resolves; a token that was revoked before keeps its time. `false` where there is no such token. */
  revoke(id: string, atMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** The place where tokens are kept did not answer, or cannot be used. */
export class TokenStoreError extends Error {
  readonly code = 'PLIMSOLL_TOKEN_STORE_UNAVAILABLE';

  constructor(reason: string, cause?: unknown) {
    super(`The token store is unavailable: ${reason}.`, { cause });
    this.name = 'TokenStoreError';
  }
}
