import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SqliteStore, atomically, preparedStatements } from '../sqlite-database.ts';
import {
  KEEP_DAYS,
  SILENT_MS,
  TOTALS_COUNTS,
  cellFrom,
  cellText,
  dayAfter,
  dayStartMs,
  utcDay,
  type DayTotals,
  type TotalsCounts,
  type TotalsGap,
  type TotalsPosting,
  type TotalsRow,
  type TotalsStore,
} from './day-totals.ts';

/**
 * Daily totals in a file of `node:sqlite`, for the processes of one machine; the file may be that of a ledger. About 100
 * bytes for each day, key, model and mode that was used. Throws a `ConfigurationError` (`PLIMSOLL_TOTALS_INVALID`) where
 * the file cannot be used.
 */
export function sqliteTotals(path: string, open: 'create' | 'existing' = 'create'): TotalsStore {
  const named = { what: 'totals', code: 'PLIMSOLL_TOTALS_INVALID' };
  const file = { path, open, tables: TABLES, version: TABLES_VERSION, waitMs: LOCK_WAIT_MS, named };
  const store = new SqliteStore(file, (database) => new TotalsFile(database));
  return {
    kind: 'sqlite',
    add: (posting) => store.contents.add(posting),
    read: (fromDay, toDay) => store.contents.read(fromDay, toDay),
    close: () => store.close(),
  };
}

/** A posting runs in the background, and takes milliseconds. */
const LOCK_WAIT_MS = 1_000;

/** A writer that was silent for this long does not repeat a posting that was already taken. */
const FORGET_WRITERS_MS = 24 * 3_600_000;

class TotalsFile {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = preparedStatements(database, STATEMENTS);
  }

  add(posting: TotalsPosting): void {
    atomically(this.#database, () => this.#write(posting));
  }

  #write({ writer, sequence, atMs, rows, ends }: TotalsPosting): void {
    const { taken, silent, addGap, noted, seen, forget, addCell, addTotals, drop } = this.#statements;
    const last = taken.get(writer)?.['sequence'];
    if (typeof last === 'number' && last >= sequence) return;
    for (const { seen: fromMs } of silent.all(writer, atMs - SILENT_MS))
      addGap.run(Number(fromMs), atMs, 'unclean_end');
    noted.run(writer, atMs - SILENT_MS);
    forget.run(atMs - FORGET_WRITERS_MS);
    seen.run(writer, sequence, atMs, ends ? 1 : 0);
    for (const { day, toDay, cell, counts } of rows) {
      const text = cellText(cell);
      addCell.run(text);
      addTotals.run(day, toDay, text, ...TOTALS_COUNTS.map((name) => counts[name]));
    }
    drop.run(dayAfter(utcDay(atMs), -KEEP_DAYS));
  }

  read(fromDay: string, toDay: string): DayTotals {
    const { totals, gaps, first } = this.#statements;
    const firstDay = first.get()?.['day'];
    return {
      rows: totals.all(fromDay, toDay).map(rowFrom),
      gaps: gaps.all(dayStartMs(toDay), dayStartMs(fromDay)).map(gapFrom),
      firstDay: typeof firstDay === 'string' ? firstDay : null,
    };
  }
}

function rowFrom(row: Readonly<Record<string, unknown>>): TotalsRow {
  const counts = Object.fromEntries(TOTALS_COUNTS.map((name) => [name, Number(row[name])])) as TotalsCounts;
  return { day: String(row['day']), toDay: String(row['to_day']), cell: cellFrom(String(row['text'])), counts };
}

function gapFrom({ from_ms: fromMs, to_ms: toMs, how }: Readonly<Record<string, unknown>>): TotalsGap {
  return { fromMs: Number(fromMs), toMs: Number(toMs), how: how === 'unreachable' ? 'unreachable' : 'unclean_end' };
}

/** Raised with every change of the tables that an older plimsoll could not read. */
const TABLES_VERSION = 1;

/** Amounts are whole nano-dollars; days are UTC; times are milliseconds since the Unix epoch. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS totals_cell (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS totals (
    day TEXT NOT NULL, to_day TEXT NOT NULL, cell INTEGER NOT NULL,
    ${TOTALS_COUNTS.map((name) => `${name} INTEGER NOT NULL`).join(', ')},
    PRIMARY KEY (day, cell, to_day)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS totals_writer (
    writer TEXT PRIMARY KEY, sequence INTEGER NOT NULL, seen INTEGER NOT NULL, ended INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS totals_gap (from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, how TEXT NOT NULL);
`;

const STATEMENTS = {
  taken: 'SELECT sequence FROM totals_writer WHERE writer = ?',
  silent: 'SELECT seen FROM totals_writer WHERE ended = 0 AND writer <> ? AND seen < ?',
  addGap: 'INSERT INTO totals_gap VALUES (?, ?, ?)',
  noted: 'UPDATE totals_writer SET ended = 1 WHERE ended = 0 AND writer <> ? AND seen < ?',
  seen: `INSERT INTO totals_writer VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen, ended = excluded.ended`,
  forget: 'DELETE FROM totals_writer WHERE seen < ?',
  addCell: 'INSERT OR IGNORE INTO totals_cell (text) VALUES (?)',
  addTotals: `INSERT INTO totals SELECT ?, ?, (SELECT id FROM totals_cell WHERE text = ?),
      ${TOTALS_COUNTS.map(() => '?').join(', ')} WHERE true
    ON CONFLICT DO UPDATE SET ${TOTALS_COUNTS.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
  drop: 'DELETE FROM totals WHERE day < ?',
  totals: `SELECT * FROM totals JOIN totals_cell ON totals_cell.id = totals.cell
    WHERE day >= ? AND day < ? ORDER BY day, text`,
  gaps: 'SELECT * FROM totals_gap WHERE from_ms < ? AND to_ms > ?',
  first: 'SELECT min(day) AS day FROM totals',
} as const;
