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
