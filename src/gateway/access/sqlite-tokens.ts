import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SqliteStore, atomically, preparedStatements } from '../../sqlite-database.ts';
import { afterForgetting, auditFrom, auditText, type AuditEntry, type AuditFilter } from './audit.ts';
import { auditEntry, isForgotten, withoutOwner } from './token-audit.ts';
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
    expires INTEGER, revoked INTEGER, note TEXT NOT NULL, minted TEXT, member TEXT
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS minted_by_end ON token (expires) WHERE minted IS NOT NULL;
  CREATE TABLE IF NOT EXISTS audit (place INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
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
  const named = { what: 'tokens', code: 'PLIMSOLL_TOKENS_INVALID' };
  const file = { path, open, tables: TABLE, version: TABLE_VERSION, waitMs: LOCK_WAIT_MS, named, isPrivate: true };
  let files = 0;
  const store = new SqliteStore(file, (database) => new TokenFile(database, FILE_VERSIONS * files++));
  return {
    kind: 'sqlite',
    put: (record, actor = '') => query(() => store.contents.put(record, actor)),
    find: (id) => query(() => store.contents.find(id)),
    version: () => store.contents.version(),
    list: () => query(() => store.contents.list()),
    revoke: (id, atMs, actor = '') => query(() => store.contents.revoke(id, { atMs, actor })),
    audit: () => query(() => store.contents.audit().map(({ entry }) => entry)),
    forget: (what, entry) => query(() => store.contents.forget(what, entry)),
    close: async () => store.close(),
  };
}

const STATEMENTS = {
  put: 'INSERT INTO token VALUES ($id, $hash, $client, $created, $expires, $revoked, $note, $minted, $member)',
  dropMinted: 'DELETE FROM token WHERE minted IS NOT NULL AND expires < ?',
  find: 'SELECT * FROM token WHERE id = ?',
  version: 'PRAGMA data_version',
  list: 'SELECT * FROM token ORDER BY created, id',
  revoke: 'UPDATE token SET revoked = ? WHERE id = ?',
  anonymize: 'UPDATE token SET note = $note, member = $member WHERE id = $id',
  audit: 'SELECT place, text FROM audit ORDER BY place',
  add: 'INSERT INTO audit (text) VALUES (?)',
  change: 'UPDATE audit SET text = ? WHERE place = ?',
  drop: 'DELETE FROM audit WHERE place = ?',
} as const;

/** Versions of one file: those of a file in its place are others. */
const FILE_VERSIONS = 2 ** 40;

/** A file of tokens, and of the audit log. */
class TokenFile {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;
  #written: number;
  /** What SQLite counted, in this turn of the event loop; `null` before it was asked. */
  #counted: number | null = null;
  #countedAtMs = 0;

  constructor(database: DatabaseSync, firstVersion: number) {
    this.#database = database;
    this.#written = firstVersion;
    this.#statements = preparedStatements(database, STATEMENTS);
  }

  put(record: TokenRecord, actor: string): void {
    const { put, dropMinted } = this.#statements;
    if (record.minted !== null) {
      dropMinted.run(record.createdAtMs - MINTED_KEPT_MS);
      put.run({ ...rowOf(record) });
      this.#written += 1;
      return;
    }
    const { revokedAtMs, createdAtMs: atMs } = record;
    this.#durably(() => {
      put.run({ ...rowOf(record) });
      this.#add(auditEntry(revokedAtMs === null ? 'created' : 'revoked', record, { atMs, actor }));
    });
  }

  /**
   * SQLite counts what other connections have written; this class, what it wrote. SQLite takes locks, so it is asked once a turn
   * of the event loop, whose requests came before, and again if the turn lasts longer than a millisecond.
   */
  version(): number {
    const nowMs = performance.now();
    if (this.#counted === null || nowMs - this.#countedAtMs > 1) {
      if (this.#counted === null) setImmediate(() => (this.#counted = null));
      this.#counted = Number(this.#statements.version.get()?.['data_version']);
      this.#countedAtMs = nowMs;
    }
    return this.#counted + this.#written;
  }

  find(id: string): TokenRecord | null {
    return recordOrNull(this.#statements.find.get(id));
  }

  list(): readonly TokenRecord[] {
    return this.#statements.list.all().map(recordOf);
  }

  revoke(id: string, by: Pick<AuditEntry, 'atMs' | 'actor'>): boolean {
    return this.#durably(() => {
      const record = this.find(id);
      if (record === null || record.revokedAtMs !== null) return record !== null;
      this.#statements.revoke.run(by.atMs, id);
      this.#add(auditEntry('revoked', record, by));
      return true;
    });
  }

  audit(): readonly { readonly place: number; readonly entry: AuditEntry }[] {
    const rows = this.#statements.audit.all();
    return rows.map(({ place, text }) => ({ place: Number(place), entry: auditFrom(String(text)) }));
  }

  forget(what: AuditFilter, forgotten: AuditEntry): number {
    const { change, drop, anonymize } = this.#statements;
    return this.#durably(() => {
      let changed = 0;
      for (const { place, entry } of this.audit()) {
        const after = afterForgetting(entry, what);
        if (after === entry) continue;
        changed += 1;
        if (after === null) drop.run(place);
        else change.run(auditText(after), place);
      }
      for (const record of this.list().filter((each) => isForgotten(each, what, forgotten.atMs))) {
        const { id, note, member } = rowOf(withoutOwner(record));
        anonymize.run({ id, note, member });
      }
      this.#add(forgotten);
      return changed;
    });
  }

  #add(entry: AuditEntry): void {
    this.#statements.add.run(auditText(entry));
  }

  /** Writes all or nothing, and returns when it is on disk: a revoked token must not come back after a power failure. */
  #durably<T>(write: () => T): T {
    const database = this.#database;
    database.exec('PRAGMA synchronous = FULL');
    try {
      return atomically(database, write);
    } finally {
      this.#written += 1;
      database.exec('PRAGMA synchronous = NORMAL');
    }
  }
}

async function query<T>(ask: () => T): Promise<T> {
  try {
    return ask();
  } catch (error) {
    throw new TokenStoreError('the file cannot be used', error);
  }
}
