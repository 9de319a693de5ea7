import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SqliteStore, atomically, preparedStatements } from '../sqlite-database.ts';

type Eventually<T> = T | Promise<T>;

/** Who holds the lease, and for how long. */
export interface LeaseClaim {
  /** Identifies the process for its lifetime. */
  readonly holder: string;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** The lease ends so many milliseconds later, unless it is claimed again. */
  readonly forMs: number;
}

/** What was read of a day, or what all of it comes to. */
export interface ReportText {
  readonly folder: 'days' | 'view';
  readonly name: string;
  /** `null` removes it. */
  readonly text: string | null;
}

/**
 * Keeps what was read of the organization's reports, as texts, for all processes that watch it, and the lease by which one
 * of them reads at a time. A method that throws, or rejects, has changed nothing.
 */
export interface ReportStore {
  readonly kind: 'memory' | 'sqlite' | 'redis';
  /** Takes the lease, or renews it. `false` while another process holds it. */
  claim(claim: LeaseClaim): Eventually<boolean>;
  /** Gives the lease back, if this process holds it. */
  release(holder: string): Eventually<void>;
  /** The texts of a folder, by name. */
  read(folder: ReportText['folder']): Eventually<ReadonlyMap<string, string>>;
  /**
   * Keeps all of the texts or none, and only for the holder of the lease: `false` for a process that has lost it, so that
   * one that was paused overwrites nothing.
   */
  write(holder: string, atMs: number, texts: readonly ReportText[]): Eventually<boolean>;
  /** Releases the file or the connection. */
  close(): Eventually<void>;
}

/** Keeps reports in this process only. */
export function memoryReports(): ReportStore {
  const kept = { days: new Map<string, string>(), view: new Map<string, string>() };
  return {
    kind: 'memory',
    claim: () => true,
    release: () => undefined,
    read: (folder) => new Map(kept[folder]),
    write(_holder, _atMs, texts) {
      for (const { folder, name, text } of texts) {
        if (text === null) kept[folder].delete(name);
        else kept[folder].set(name, text);
      }
      return true;
    },
    close: () => undefined,
  };
}

/**
 * Keeps reports in a file of `node:sqlite`, for the processes of one machine; the file may be that of a ledger. Throws a
 * `ConfigurationError` (`PLIMSOLL_REPORTS_INVALID`) where the file cannot be used.
 */
export function sqliteReports(path: string): ReportStore {
  const named = { what: 'store', code: 'PLIMSOLL_REPORTS_INVALID' };
  const file = { path, open: 'create', tables: TABLES, version: TABLES_VERSION, waitMs: LOCK_WAIT_MS, named } as const;
  const store = new SqliteStore(file, (database) => new ReportsFile(database));
  return {
    kind: 'sqlite',
    claim: (claim) => store.contents.claim(claim),
    release: (holder) => store.contents.release(holder),
    read: (folder) => store.contents.read(folder),
    write: (holder, atMs, texts) => store.contents.write({ holder, atMs }, texts),
    close: () => store.close(),
  };
}

/** A write takes milliseconds, and nobody waits for it. */
const LOCK_WAIT_MS = 1_000;

class ReportsFile {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = preparedStatements(database, STATEMENTS);
  }

  /** One statement, so that two processes cannot both take it. */
  claim({ holder, atMs, forMs }: LeaseClaim): boolean {
    return this.#statements.claim.run(holder, atMs + forMs, atMs).changes === 1;
  }

  release(holder: string): void {
    this.#statements.release.run(holder);
  }

  read(folder: ReportText['folder']): ReadonlyMap<string, string> {
    const rows = this.#statements.read.all(folder);
    return new Map(rows.map((row) => [String(row['name']), String(row['text'])] as const));
  }

  write({ holder, atMs }: { readonly holder: string; readonly atMs: number }, texts: readonly ReportText[]): boolean {
    return atomically(this.#database, () => {
      const holds = this.#statements.holds.get(holder, atMs) !== undefined;
      for (const { folder, name, text } of holds ? texts : []) {
        if (text === null) this.#statements.remove.run(folder, name);
        else this.#statements.keep.run(folder, name, text);
      }
      return holds;
    });
  }
}

/** Raised with every change of the tables that an older plimsoll could not read. */
const TABLES_VERSION = 1;

/** Times are milliseconds since the Unix epoch. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS report_lease (
    one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL, until INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS report_text (
    folder TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (folder, name)
  ) WITHOUT ROWID;
`;

const STATEMENTS = {
  claim: `INSERT INTO report_lease VALUES (1, ?, ?)
    ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE report_lease.holder = excluded.holder OR report_lease.until <= ?`,
  release: 'DELETE FROM report_lease WHERE holder = ?',
  holds: 'SELECT 1 FROM report_lease WHERE holder = ? AND until > ?',
  read: 'SELECT name, text FROM report_text WHERE folder = ? ORDER BY name',
  keep: 'INSERT INTO report_text VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text',
  remove: 'DELETE FROM report_text WHERE folder = ? AND name = ?',
};
