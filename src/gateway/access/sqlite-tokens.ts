import { closeSync, existsSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import type Sqlite from 'node:sqlite';
import type { DatabaseSync } from 'node:sqlite';
import { ConfigurationError } from '../../configuration-error.ts';
import { recordOf, rowOf } from './token-row.ts';
import { MINTED_KEPT_MS, TokenStoreError, type TokenRecord, type TokenStore } from './token-store.ts';

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
  const expected = `expected a path for an SQLite file, got "${path}"`;
  if (open === 'existing' && !existsSync(path)) {
    throw invalid(`${expected}, where there is none: check the path, and make a token first`);
  }
  let database: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
    database = new (sqlite().DatabaseSync)(path);
    database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > TABLE_VERSION) throw invalid(`${expected}, written by a newer plimsoll: update`);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    database.exec(`BEGIN IMMEDIATE; ${TABLE} PRAGMA user_version = ${TABLE_VERSION}; COMMIT`);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof ConfigurationError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`${expected}, which SQLite cannot open (${reason}): check the path and who may write there`);
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

function invalid(problem: string): ConfigurationError {
  return new ConfigurationError('PLIMSOLL_TOKENS_INVALID', [`tokens: ${problem}`]);
}

/** Loaded only where it is used: on some versions of Node loading it prints a warning. */
function sqlite(): typeof Sqlite {
  return createRequire(import.meta.url)('node:sqlite') as typeof Sqlite;
}
