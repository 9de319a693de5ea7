import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import type Sqlite from 'node:sqlite';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Timers } from './clock.ts';
import { ConfigurationError, mayHoldSecret, unfit, type ProblemKind } from './errors.ts';

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
  /** A new file is for its owner only. */
  readonly isPrivate?: boolean;
  /** The longest wait for other processes that lock the file. */
  readonly waitMs: number;
  /** The field and the error code of a problem with the file. */
  readonly named: { readonly what: string; readonly code: string };
}

/** How often a file in use is compared with what is at its path. */
const COMPARE_MS = 1_000;

interface Opened<Contents> {
  readonly database: DatabaseSync;
  readonly contents: Contents;
  /** Tells the file from another at the same path; `null` in memory. */
  readonly identity: string | null;
}

/** An SQLite file that is open, and what reads and writes it. */
export class SqliteStore<Contents> {
  readonly #file: SqliteFile;
  readonly #read: (database: DatabaseSync) => Contents;
  #opened: Opened<Contents> | null;
  #failure: unknown = null;
  #comparedMs = performance.now();

  /**
   * Opens the file in write-ahead mode (WAL), which outlives the process, makes its tables, and prepares what `read` returns.
   * Throws a `ConfigurationError` where one of these fails.
   */
  constructor(file: SqliteFile, read: (database: DatabaseSync) => Contents) {
    this.#file = file;
    this.#read = read;
    this.#opened = opened(file, read);
  }

  /**
   * What reads and writes the file at the path. Throws once where the file was deleted or replaced since, within a second of
   * it: until then what was written went nowhere. From then on it is the file that is there, made anew where none is.
   */
  get contents(): Contents {
    const nowMs = performance.now();
    if (nowMs - this.#comparedMs >= COMPARE_MS) {
      this.#comparedMs = nowMs;
      this.#compare();
    }
    if (this.#opened === null) throw this.#failure;
    return this.#opened.contents;
  }

  #compare(): void {
    const { path } = this.#file;
    const before = this.#opened;
    if (before !== null && (before.identity === null || before.identity === identityOf(path))) return;
    this.#opened = null;
    before?.database.close();
    this.#failure = new Error(
      `${shown(path)} was deleted or replaced while it was in use. What was in it is lost, and the file at its path is used ` +
        'from now on: stop what uses it before you move it.',
    );
    try {
      this.#opened = opened({ ...this.#file, waitMs: 0 }, this.#read);
    } catch (error) {
      this.#failure = error;
    }
    if (before !== null) throw this.#failure;
  }

  close(): void {
    this.#opened?.database.close();
  }
}

function identityOf(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
}

function opened<Contents>(file: SqliteFile, read: (database: DatabaseSync) => Contents): Opened<Contents> {
  const { path, open, tables, version, pragmas = '', waitMs, named } = file;
  const expected = 'a path for an SQLite file';
  refuseNameless(path, named, expected);
  const invalid = (kind: ProblemKind, found: string, advice: string): ConfigurationError => {
    return new ConfigurationError(named.code, [
      { kind, field: named.what, expected, got: `${shown(path)}, ${found}`, advice },
    ]);
  };
  if (open === 'existing' && !existsSync(path)) throw invalid('unreadable', 'which does not exist', 'check the path');
  if (open === 'create' && file.isPrivate === true) createPrivate(path);
  let database: DatabaseSync | undefined;
  try {
    database = new (sqlite().DatabaseSync)(path);
    database.exec(`PRAGMA busy_timeout = ${waitMs}`);
    const written = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (written > version) throw invalid('too_old', 'written by a newer plimsoll', 'update this one');
    database.exec(`${pragmas} PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
    database.exec(`BEGIN IMMEDIATE; ${tables} PRAGMA user_version = ${version}; COMMIT`);
    return { database, contents: read(database), identity: identityOf(path) };
  } catch (error) {
    database?.close();
    if (error instanceof ConfigurationError) throw error;
    const { found, advice } = FAILURES[primaryCode(error) ?? 0] ?? CANNOT_OPEN;
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid('unreadable', `${found} (${reason})`, advice);
  }
}

/** SQLite would make a file that is gone with the process: a variable that is not set would lose all spend. */
function refuseNameless(path: unknown, { what, code }: SqliteFile['named'], expected: string): void {
  if (typeof path === 'string' && path.trim() !== '') return;
  throw new ConfigurationError(code, [unfit(what, path, { expected, advice: 'name a file' })]);
}

/** SQLite gives its companion files the same permissions. */
function createPrivate(path: string): void {
  if (path === ':memory:') return;
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch {
    // SQLite reports why it cannot be created.
  }
}

interface Failure {
  readonly found: string;
  readonly advice: string;
}

const CANNOT_OPEN: Failure = { found: 'which SQLite cannot open', advice: 'check the path and its permissions' };

const LOCKED: Failure = { found: 'which another process has locked', advice: 'end that process, or name another file' };

const DAMAGED: Failure = {
  found: 'which is damaged, or no SQLite file',
  advice: 'restore a copy, or move it away to begin with an empty one',
};

/** By SQLite's result codes (sqlite.org/rescode.html). */
const FAILURES: Readonly<Record<number, Failure>> = {
  1: { found: 'which has tables of another program', advice: 'name a file of its own' },
  5: LOCKED,
  6: LOCKED,
  8: { found: 'which may not be written', advice: 'let this process write the file and its folder' },
  10: { found: 'which cannot be read or written', advice: 'check its disk, and the limits of this process' },
  11: DAMAGED,
  13: { found: 'whose disk is full', advice: 'make room' },
  26: DAMAGED,
};

/** The primary result code of an error of SQLite's: extended codes have it in their low byte. */
function primaryCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : null;
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
    rollBack(database);
    throw error;
  }
}

/** Ends a transaction that has failed. */
export function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // SQLite has already rolled back, as it does when the disk is full.
  }
}

/** Tells whether another process, or another connection, has locked the file: SQLITE_BUSY or SQLITE_LOCKED. */
export function isLocked(error: unknown): boolean {
  const code = primaryCode(error);
  return code === 5 || code === 6;
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
