import { existsSync } from 'node:fs';
import type Sqlite from 'node:sqlite';
import type { DatabaseSync } from 'node:sqlite';
import { ConfigurationError, type ProblemKind } from './errors.ts';

/** An SQLite file, and what is to be in it. */
interface SqliteFile {
  readonly path: string;
  /** `existing` refuses where there is no file. */
  readonly open: 'create' | 'existing';
  /** Makes the tables where they are not there. */
  readonly tables: string;
  /** Raised with every change of the tables that an older plimsoll could not read. */
  readonly version: number;
  /** Run before there is anything in the file. */
  readonly pragmas?: string;
  /** The longest wait for other processes that have the file locked. */
  readonly waitMs: number;
  /** The field of a problem with the file, and the code of its error. */
  readonly named: { readonly what: string; readonly code: string };
}

/**
 * Opens the file, with a log ahead of writing (WAL) that outlives the process, and makes its tables. Throws a
 * `ConfigurationError` where that cannot be.
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

/** A URL of something else may have a password in it. */
function shown(path: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path)?.[1];
  return scheme === undefined ? `"${path}"` : `a URL of ${scheme}`;
}

/** Loaded only where it is used: on some versions of Node loading it prints a warning. */
function sqlite(): typeof Sqlite {
  return process.getBuiltinModule('node:sqlite');
}
