import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { sqliteDatabase } from '../../sqlite-database.ts';
import { MINTED_KEPT_MS, TokenStoreError, recordOf, rowOf, type TokenRecord, type TokenStore } from './tokens.ts';

/** Raised with every change of the table that an older plimsoll could not read. */
const TABLE_VERSION = 1;

const TABLE = `
  CREATE TABLE IF NOT EXISTS token (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL, client TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER, revoked INTEGER, note TEXT NOT NULL, minted TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS minted_by_end ON token (expires) WHERE minted IS NOT NULL;
`;

/** A writer waits so long for another: a command that makes or revokes a token has the file for a few milliseconds. */
const LOCK_WAIT_MS = 1_000;

/**
 * Tokens in a file of `node:sqlite`, for a gateway and the commands of one machine at the same time; a file that is new is
 * its owner's alone. What was made or revoked survives the end of a process however it comes, and of the machine; a
 * minted token may be lost when the machine fails. Throws a `ConfigurationError` (`PLIMSOLL_TOKENS_INVALID`) where the
 * file cannot be used, or where `existing` is asked for and there is none.
 */
export function sqliteTokens(path: string, open: 'create' | 'existing' = 'create'): TokenStore {
  const database = opened(path, open);
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
      asked(() => {
        if (record.minted === null) return lasting(database, () => put.run({ ...rowOf(record) }));
        forget.run(record.createdAtMs - MINTED_KEPT_MS);
        return put.run({ ...rowOf(record) });
      }).then(nothing),
    find: (id) => asked((): TokenRecord | null => recordOrNull(find.get(id))),
    list: () => asked(() => list.all().map(recordOf)),
    revoke: (id, atMs) => asked(() => lasting(database, () => revoke.run(atMs, id)).changes > 0),
    close: async () => database.close(),
  };
}

function opened(path: string, open: 'create' | 'existing'): DatabaseSync {
  const named = { what: 'tokens', code: 'PLIMSOLL_TOKENS_INVALID' };
  if (open === 'create') makeOwn(path);
  return sqliteDatabase({ path, open, tables: TABLE, version: TABLE_VERSION, waitMs: LOCK_WAIT_MS, named });
}

/** SQLite gives the files beside it the rights of this one. */
function makeOwn(path: string): void {
  if (path === ':memory:') return;
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch {
    // SQLite says why it cannot be.
  }
}

/** On the disk when it comes back: a token that was revoked must not come to life again when the power fails. */
function lasting<T>(database: DatabaseSync, write: () => T): T {
  database.exec('PRAGMA synchronous = FULL');
  try {
    return write();
  } finally {
    database.exec('PRAGMA synchronous = NORMAL');
  }
}

async function asked<T>(ask: () => T): Promise<T> {
  try {
    return ask();
  } catch (error) {
    throw new TokenStoreError('the file cannot be used', error);
  }
}

function nothing(): void {
  return undefined;
}

function recordOrNull(row: Readonly<Record<string, unknown>> | undefined): TokenRecord | null {
  return row === undefined ? null : recordOf(row);
}
