import { existsSync } from 'node:fs';
import type Sqlite from 'node:sqlite';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Timers } from './clock.ts';
import { ConfigurationError, mayHoldSecret, type ProblemKind } from './errors.ts';

/** An SQLite file, and its contents. */
interface SqliteFile {
  readonly path: string;
  /** `existing` refuses if there is no file. */
  readonly open: 'create' | 'existing';
  /** Makes the tables if they do not exist. */
  readonly tables: string;
  /** Increased with every change of the tables that an older plimsoll could not read. */
  readonly version: number;
  /** Run before the tables are made. */
  readonly pragmas?: string;
  /** The longest wait for other processes that lock the file. */
  readonly waitMs: number;
  /** The field and the error code of a problem with the file. */
  readonly named: { readonly what: string; readonly code: string };
}

/**
 * Opens the file in write-ahead mode (WAL), which outlives the process, and makes its tables. Throws a
 * `ConfigurationError` if it cannot be opened.
 */
export function sqliteDatabase({ path, open, tables, version, pragmas = '', waitMs, named }: SqliteFile): DatabaseSync {
  const invalid = (kind: ProblemKind, found: string, advice: string): ConfigurationError => {
    const expected = 'a path for an SQLite file';
    return new ConfigurationError(named.code, [
      { kind, field: named.what, expected, got: `${shown(path)}, ${found}`, advice },
    ]);
  };
  if (open === 'existing' && !existsSync(path)) throw invalid('unreadable', 'which does not exist', 'check the path');
  let database: DatabaseSync | undefined;
  try {
    database = new (sqlite().DatabaseSync)(path);
    database.exec(`PRAGMA busy_timeout = ${waitMs}`);
    const written = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (written > version) throw invalid('too_old', 'written by a newer plimsoll', 'update this one');
    database.exec(`${pragmas} PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
    database.exec(`BEGIN IMMEDIATE; ${tables} PRAGMA user_version = ${version}; COMMIT`);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof ConfigurationError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid('unreadable', `which SQLite cannot open (${reason})`, 'check the path and its permissions');
  }
}

/** Prepares each statement of a table of texts, under its name. */
export function preparedStatements<Name extends string>(
  database: DatabaseSync,
  texts: Readonly<Record<Name, string>>,
): Readonly<Record<Name, StatementSync>> {
  const prepared = Object.entries<string>(texts).map(([name, text]) => [name, database.prepare(text)] as const);
  return Object.fromEntries(prepared) as Record<Name, StatementSync>;
}

/** Writes all of it in one transaction, or nothing where it throws. */
export function atomically<T>(database: DatabaseSync, write: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = write();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

/** SQLite's result codes SQLITE_BUSY and SQLITE_LOCKED; extended codes have them in their low byte. */
const LOCKED_CODES = [5, 6];

/** Tells whether another process, or another connection, has locked the file. */
export function isLocked(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' && LOCKED_CODES.includes(code & 0xff);
}

/** How long to wait for a lock, and by what. */
interface Waiting {
  readonly lockWaitMs: number;
  readonly timers: Timers;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** A longer pause would let the lock go by many times. */
const LONGEST_PAUSE_MS = 15;

/**
 * Runs again after pauses what has found the file locked, because SQLite's own busy timeout would block the whole process.
 * The pauses grow and differ between processes, so that they do not collide again. Rejects with the error of the last try.
 */
export async function whenUnlocked<T>(run: () => T, { lockWaitMs, timers, random }: Waiting): Promise<T> {
  let waitedMs = 0;
  for (let longestMs = 1; ; longestMs = Math.min(longestMs * 1.5, LONGEST_PAUSE_MS)) {
    const pauseMs = Math.min(lockWaitMs - waitedMs, longestMs * (0.5 + random() / 2));
    await new Promise<void>((resolve) => timers.whileWaiting(pauseMs, resolve));
    waitedMs += pauseMs;
    try {
      return run();
    } catch (error) {
      if (!isLocked(error) || waitedMs >= lockWaitMs) throw error;
    }
  }
}

/** A URL, passed by mistake, may contain a password; a key may be passed by mistake too. */
function shown(path: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path)?.[1];
  if (scheme !== undefined) return `a URL of ${scheme}`;
  return mayHoldSecret(path) ? `a text of ${path.length} characters` : `"${path}"`;
}

/** Loaded only when it is used: some versions of Node print a warning when it is loaded. */
function sqlite(): typeof Sqlite {
  return process.getBuiltinModule('node:sqlite');
}
