import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Eventually } from '../budget/ledger.ts';
import { systemTimers, type Timers } from '../clock.ts';
import { SqliteStore, isLocked, preparedStatements, rollBack, whenUnlocked } from '../sqlite-database.ts';
import { askAll } from './ask.ts';
import { newClass, type ClassState } from './pace-state.ts';
import { MOST_CLASSES, type PaceStore } from './pace-store.ts';
import { settle } from './settle.ts';

/** Options of `sqlitePace()`. */
export interface SqlitePaceOptions {
  /** The longest that a step waits while another process has the file locked. Default: 200 ms. Blocks nothing else. */
  readonly lockWaitMs?: number;
  /** For tests. */
  readonly timers?: Timers;
  /** For tests. From 0 to 1. */
  readonly random?: () => number;
}

/**
 * Keeps the limits in a file of `node:sqlite`, for the processes of one machine. What is in it is of minutes: a file that is
 * deleted while no process runs costs a moment of learning. Throws a `ConfigurationError` (`PLIMSOLL_PACE_INVALID`) if the
 * file cannot be used.
 */
export function sqlitePace(path: string, options: SqlitePaceOptions = {}): PaceStore {
  const { lockWaitMs = LOCK_WAIT_MS, timers = systemTimers, random = Math.random } = options;
  const named = { what: 'store', code: 'PLIMSOLL_PACE_INVALID' };
  const file = { path, open: 'create', tables: TABLES, version: 1, waitMs: OPEN_WAIT_MS, named } as const;
  const store = new SqliteStore(file, (database) => new PaceFile(database));
  const step = <T>(run: () => T): Eventually<T> => {
    try {
      return run();
    } catch (error) {
      if (!isLocked(error)) throw error;
      return whenUnlocked(run, { lockWaitMs, timers, random });
    }
  };
  return {
    kind: 'sqlite',
    ask: (modelClass, asked) =>
      step(() => store.contents.change(modelClass, asked[0]?.nowMs ?? 0, (state) => askAll(state, asked))),
    settle: (modelClass, settlement) =>
      step(() => store.contents.change(modelClass, settlement.nowMs, (state) => settle(state, settlement))),
    close: () => store.close(),
  };
}

const LOCK_WAIT_MS = 200;

/** Opening may wait this long for other processes that open the same file. */
const OPEN_WAIT_MS = 5_000;

/** The states by class, each as JSON, which keeps every bit of a number. */
const TABLES =
  'CREATE TABLE IF NOT EXISTS pace_states (class TEXT PRIMARY KEY, state TEXT NOT NULL, used_ms REAL NOT NULL);';

const STATEMENTS = {
  begin: 'BEGIN IMMEDIATE',
  read: 'SELECT state FROM pace_states WHERE class = ?',
  change: 'UPDATE pace_states SET state = ?, used_ms = ? WHERE class = ?',
  make: 'INSERT INTO pace_states (state, used_ms, class) VALUES (?, ?, ?)',
  forget: `DELETE FROM pace_states WHERE class NOT IN (SELECT class FROM pace_states ORDER BY used_ms DESC LIMIT ${MOST_CLASSES})`,
  commit: 'COMMIT',
} as const;

/** An open file. Its methods throw SQLite's own errors, and then leave nothing of the step in the file. */
class PaceFile {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = preparedStatements(database, STATEMENTS);
    this.#database.exec('PRAGMA busy_timeout = 0; PRAGMA synchronous = OFF');
  }

  change<T>(modelClass: string, nowMs: number, step: (state: ClassState) => T): T {
    const { begin, read, change, make, forget, commit } = this.#statements;
    begin.run();
    try {
      const row = read.get(modelClass);
      const state = row === undefined ? newClass(nowMs) : (JSON.parse(String(row['state'])) as ClassState);
      const result = step(state);
      (row === undefined ? make : change).run(JSON.stringify(state), nowMs, modelClass);
      if (row === undefined) forget.run();
      commit.run();
      return result;
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
  }
}
