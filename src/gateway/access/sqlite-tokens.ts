import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { sqliteDatabase } from '../../sqlite-database.ts';
import {
  MINTED_KEPT_MS,
  TokenStoreError,
  recordOf,
  recordOrNull,
  rowOf,
  type TokenRecord,
  type TokenStore,
} from './tokens.ts';

/** Increased with every change of the table that an older plimsoll could not read. */
const TABLE_VERSION = 1;

const TABLE = `
  CREATE TABLE IF NOT EXISTS token (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL, client TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER, revoked INTEGER, note TEXT NOT NULL, minted TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS minted_by_end ON token (expires) WHERE minted IS NOT NULL;
`;

/**
 * A writer waits this long for another one. A command that issues or revokes a token locks the file for milliseconds.
 */
const LOCK_WAIT_MS = 1_000;

/**
 * Stores tokens in a file of `node:sqlite`, for a gateway and commands on the same machine. Only the owner can read a
 * new file. Tokens and revocations survive a crash of the process or the machine, except that a minted token may be
 * lost if the machine fails. Throws a `ConfigurationError` (`PLIMSOLL_TOKENS_INVALID`) if the file cannot be used, or
 * if it does not exist and `open` is `existing`.
 */
export function sqliteTokens(path: string, open: 'create' | 'existing' = 'create'): TokenStore {
  const database = openDatabase(path, open);
  const put = database.prepare(
    'INSERT INTO token VALUES ($id, $hash, $client, $created, $expires, $revoked, $note, $minted)',
  );
  const forget = database.prepare('DELETE FROM token WHERE minted IS NOT NULL AND expires < ?');
  const find = database.prepare('SELECT * FROM token WHERE id = ?');
  const list = database.prepare('SELECT * FROM token ORDER BY created, id');
  const revoke = database.prepare('UPDATE token SET revoked = coalesce(revoked, ?) WHERE id = ?');
  return {
    kind: 'sqlite',
    put: (record) =>
      query(() => {
        if (record.minted === null) return durably(database, () => put.run({ ...rowOf(record) }));
        forget.run(record.createdAtMs - MINTED_KEPT_MS);
        return put.run({ ...rowOf(record) });
      }).then(ignore),
    find: (id) => query((): TokenRecord | null => recordOrNull(find.get(id))),
    list: () => query(() => list.all().map(recordOf)),
    revoke: (id, atMs) => query(() => durably(database, () => revoke.run(atMs, id)).changes > 0),
    close: async () => database.close(),
  };
}

function openDatabase(path: string, open: 'create' | 'existing'): DatabaseSync {
  const named = { what: 'tokens', code: 'PLIMSOLL_TOKENS_INVALID' };
  if (open === 'create') createPrivate(path);
  return sqliteDatabase({ path, open, tables: TABLE, version: TABLE_VERSION, waitMs: LOCK_WAIT_MS, named });
}

/** Creates the file for its owner only. SQLite gives its companion files the same permissions. */
function createPrivate(path: string): void {
  if (path === ':memory:') return;
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch {
    // SQLite reports why it cannot be created.
  }
}

/** Returns when the write is on disk, because a revoked token must not come back after a power failure. */
function durably<T>(database: DatabaseSync, write: () => T): T {
  database.exec('PRAGMA synchronous = FULL');
  try {
    return write();
  } finally {
    database.exec('PRAGMA synchronous = NORMAL');
  }
}

async function query<T>(ask: () => T): Promise<T> {
  try {
    return ask();
  } catch (error) {
    throw new TokenStoreError('the file cannot be used', error);
  }
}

function ignore(): void {
  return undefined;
}
