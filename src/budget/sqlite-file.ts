import { randomUUID } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { sqliteDatabase } from '../sqlite-database.ts';
import { grants, levelOf } from './granting.ts';
import type { Balance, Place, Posted, Posting, Spend } from './ledger.ts';
import { STATEMENTS, TABLES, TABLES_VERSION } from './sqlite-tables.ts';

/** Opening waits so long for other processes that open the same file; nobody makes calls yet. */
const OPEN_WAIT_MS = 5_000;

/** A writer that was silent for so long does not come again with a posting that was already taken. */
const FORGET_WRITERS_MS = 24 * 3_600_000;

/** SQLite's result codes SQLITE_BUSY and SQLITE_LOCKED; more exact codes have them in their low byte. */
const LOCKED_CODES = [5, 6];

/** Whether another process, or connection, was in the way. */
export function isLocked(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' && LOCKED_CODES.includes(code & 0xff);
}

/** Opens the file and makes its tables. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`). */
export function openLedgerFile(path: string, open: 'create' | 'existing'): LedgerFile {
  const database = sqliteDatabase({
    ...{ path, open, tables: TABLES, version: TABLES_VERSION, waitMs: OPEN_WAIT_MS },
    // Small pages: a posting changes three of them, and the log takes whole ones.
    pragmas: 'PRAGMA page_size = 1024;',
    named: { what: 'ledger', code: 'PLIMSOLL_LEDGER_INVALID' },
  });
  try {
    const file = new LedgerFile(database);
    database.exec('PRAGMA busy_timeout = 0');
    return file;
  } catch (error) {
    database.close();
    throw error;
  }
}

type Name = keyof typeof STATEMENTS;
type Row = Readonly<Record<string, unknown>>;

/** What is in a place before a posting. */
interface Found {
  /** Spent in the period; for a rolling window, ever. */
  readonly periodNanoUsd: bigint;
  readonly level: number;
  /** Held by other writers. */
  readonly othersNanoUsd: bigint;
  /** The writer's last; `null` where it is new here. */
  readonly sequence: number | null;
}

/** An open file. Methods throw what SQLite throws, and then nothing of the posting is in the file. */
export class LedgerFile {
  readonly id: string;
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<Name, StatementSync>>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const names = Object.keys(STATEMENTS) as Name[];
    const prepared = names.map((name) => {
      const statement = database.prepare(STATEMENTS[name]);
      statement.setReadBigInts(true);
      return [name, statement] as const;
    });
    this.#statements = Object.fromEntries(prepared) as Record<Name, StatementSync>;
    this.#run('nameLedger', [randomUUID()]);
    this.id = String(this.#row('id', [])?.['id']);
  }

  post(posting: Posting): Posted {
    this.#run('begin', []);
    try {
      const posted = this.#posted(posting);
      this.#run('commit', []);
      return posted;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    try {
      this.#run('rollback', []);
    } catch {
      // SQLite has already rolled back by itself, as it does when the disk is full.
    }
  }

  balance(place: Place, silentSinceMs: number): Balance {
    const { periodNanoUsd, othersNanoUsd } = this.#found(place, '', silentSinceMs);
    return { spentNanoUsd: this.#spent(place, periodNanoUsd), reservedNanoUsd: othersNanoUsd };
  }

  history(account: string, fromMs: number): readonly Spend[] {
    const rows: readonly Row[] = this.#statements.history.all(account, fromMs);
    return rows.map(({ start, spent }) => ({ startMs: Number(start), nanoUsd: amount(spent) }));
  }

  close(): void {
    this.#database.close();
  }

  #posted(posting: Posting): Posted {
    const { account, periodMs, writer, sequence, heldNanoUsd, nowMs, holdMs } = posting;
    const before = this.#found(posting, writer, nowMs - holdMs);
    const isNews = posting.spends.length > 0 && (before.sequence === null || before.sequence < sequence);
    if (before.sequence === null) this.#run('forgetWriters', [account, nowMs - FORGET_WRITERS_MS]);
    const addedNanoUsd = isNews ? this.#spend(posting) : 0n;
    const spentNanoUsd = this.#spent(posting, before.periodNanoUsd + addedNanoUsd);
    const reservedBefore = before.othersNanoUsd + heldNanoUsd;
    const { granted, grantedNanoUsd } = grants(posting, { spentNanoUsd, reservedNanoUsd: reservedBefore });
    this.#run('hold', [account, periodMs, writer, sequence, heldNanoUsd + grantedNanoUsd, nowMs]);
    const level = levelOf(posting.thresholdsNanoUsd, spentNanoUsd);
    if (level !== before.level) this.#run('level', [account, periodMs, level]);
    const reservedNanoUsd = reservedBefore + grantedNanoUsd;
    return { granted, spentNanoUsd, reservedNanoUsd, levelBefore: before.level, level };
  }

  /** Adds what was spent, and comes back with the sum. */
  #spend({ account, periodMs, spends, keepFromMs }: Posting): bigint {
    let sum = 0n;
    let isNewBucket = false;
    for (const { startMs, nanoUsd } of spends) {
      const bucket = this.#row('addToBucket', [account, startMs, nanoUsd]);
      if (bucket?.['spent'] === nanoUsd) isNewBucket = true;
      sum += nanoUsd;
    }
    if (isNewBucket) this.#run('dropBuckets', [account, keepFromMs]);
    this.#run('addToPeriod', [account, periodMs, sum]);
    return sum;
  }

  #found({ account, periodMs }: Place, writer: string, silentSinceMs: number): Found {
    const row = this.#row('place', [account, periodMs, writer, silentSinceMs]);
    const sequence = row?.['sequence'];
    return {
      periodNanoUsd: amount(row?.['spent'] ?? 0n),
      level: Number(row?.['level'] ?? 0),
      othersNanoUsd: amount(row?.['held'] ?? 0n),
      sequence: typeof sequence === 'bigint' ? Number(sequence) : null,
    };
  }

  #spent({ account, window }: Place, periodNanoUsd: bigint): bigint {
    if (window.kind === 'calendar') return periodNanoUsd;
    return amount(this.#row('rolling', [account, window.fromMs, window.untilMs])?.['spent']);
  }

  #run(name: Name, values: readonly (string | number | bigint)[]): void {
    this.#statements[name].run(...values);
  }

  #row(name: Name, values: readonly (string | number | bigint)[]): Row | undefined {
    return this.#statements[name].get(...values);
  }
}

function amount(value: unknown): bigint {
  if (typeof value !== 'bigint') throw new TypeError('expected a whole number from the ledger file');
  return value;
}
