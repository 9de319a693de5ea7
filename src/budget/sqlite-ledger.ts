import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { systemTimers, type Timers } from '../clock.ts';
import { SqliteStore, isLocked, preparedStatements, rollBack, whenUnlocked } from '../sqlite-database.ts';
import {
  LedgerUnavailableError,
  grantRequests,
  levelOf,
  lostSpend,
  type AccountPeriod,
  type Balance,
  type Eventually,
  type Ledger,
  type Posted,
  type Posting,
  type Spend,
} from './ledger.ts';

/** Options of `sqliteLedger()`. */
export interface SqliteLedgerOptions {
  /** The longest that a posting waits while another process has the file locked. Default: 1 s. Blocks nothing else. */
  readonly lockWaitMs?: number;
  /** `create` (the default) makes the file if there is none; `existing` refuses. */
  readonly open?: 'create' | 'existing';
  /** For tests. */
  readonly timers?: Timers;
  /** For tests. From 0 to 1. */
  readonly random?: () => number;
}

/**
 * A ledger in a file of `node:sqlite`, for the processes of one machine. Settled spend is in the file when the posting
 * is answered, and survives the end of the process, even a crash; a power failure can lose the last moments (WAL,
 * `synchronous = NORMAL`). While the file stays locked, the ledger is unavailable. Throws a `ConfigurationError`
 * (`PLIMSOLL_LEDGER_INVALID`) if the file cannot be used.
 */
export function sqliteLedger(path: string, options: SqliteLedgerOptions = {}): Ledger {
  const store = openLedger(path, options.open ?? 'create');
  const { id } = store.contents;
  return {
    kind: 'sqlite',
    id: () => id,
    // All processes that open the file are on one machine, and share its clock.
    timeMs: null,
    post: (posting) => orLater(() => store.contents.post(posting), options),
    postAll: (postings) => orLater(() => store.contents.postAll(postings), options),
    balance: (period, nowMs) => orUnavailable(() => store.contents.balance(period, nowMs)),
    history: (account, fromMs) => orUnavailable(() => store.contents.history(account, fromMs)),
    close: () => store.close(),
  };
}

/** Many processes that post at once take turns for longer than one posting takes. */
const LOCK_WAIT_MS = 1_000;

type LedgerStore = SqliteStore<LedgerFile>;

/** Runs it at once, or while another process has the file locked, when that has let go of it. */
function orLater<T>(run: () => T, options: SqliteLedgerOptions): Eventually<T> {
  try {
    return run();
  } catch (error) {
    if (isLocked(error)) return whenLetGo(run, options);
    throw unavailable(error);
  }
}

async function whenLetGo<T>(run: () => T, options: SqliteLedgerOptions): Promise<T> {
  const { lockWaitMs = LOCK_WAIT_MS, timers = systemTimers, random = Math.random } = options;
  try {
    return await whenUnlocked(run, { lockWaitMs, timers, random });
  } catch (error) {
    throw isLocked(error) ? new LedgerUnavailableError('another process has the file locked') : unavailable(error);
  }
}

function orUnavailable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unavailable(error);
  }
}

function unavailable(error: unknown): LedgerUnavailableError {
  return new LedgerUnavailableError('the file cannot be used', error);
}

/** Opening may wait this long for other processes that open the same file: there are no calls yet. */
const OPEN_WAIT_MS = 5_000;

/** Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`). */
function openLedger(path: string, open: 'create' | 'existing'): LedgerStore {
  const file = {
    path,
    open,
    tables: TABLES,
    version: TABLES_VERSION,
    waitMs: OPEN_WAIT_MS,
    // Small pages: a posting changes three of them, and the log stores whole pages.
    pragmas: 'PRAGMA page_size = 1024;',
    named: { what: 'ledger', code: 'PLIMSOLL_LEDGER_INVALID' },
  };
  // A file that takes the place of another is the same ledger: its writers give back what they know.
  let id: string = crypto.randomUUID();
  return new SqliteStore(file, (database) => {
    const contents = new LedgerFile(database, id);
    database.exec('PRAGMA busy_timeout = 0');
    id = contents.id;
    return contents;
  });
}

/** A writer that was silent for this long does not repeat a posting that was stored. */
const FORGET_WRITERS_MS = 24 * 3_600_000;

type Name = keyof typeof STATEMENTS;

type Row = Readonly<Record<string, unknown>>;

/** An account's period before a posting. */
interface PeriodRow {
  /** Spent in the period; for a rolling window, since the beginning. */
  readonly periodNanoUsd: bigint;
  readonly level: number;
  /** Reserved by other writers. */
  readonly othersNanoUsd: bigint;
  /** The writer's last number; `null` if it is new here. */
  readonly sequence: number | null;
}

/** An open file. Its methods throw SQLite's own errors, and then leave nothing of the posting in the file. */
class LedgerFile {
  readonly id: string;
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<Name, StatementSync>>;
  /** The bucket that each account spent in last: with a new one, old ones are dropped. */
  readonly #buckets = new Map<string, number>();

  /** `id`: where the file has none yet. */
  constructor(database: DatabaseSync, id: string) {
    this.#database = database;
    this.#statements = preparedStatements(database, STATEMENTS);
    for (const statement of Object.values(this.#statements)) statement.setReadBigInts(true);
    this.#run('nameLedger', [id]);
    this.id = String(this.#row('id', [])?.['id']);
  }

  post(posting: Posting): Posted {
    return this.#atomically(() => this.#write(posting));
  }

  postAll(postings: readonly Posting[]): readonly Posted[] {
    return this.#atomically(() => postings.map((posting) => this.#write(posting)));
  }

  #atomically<T>(write: () => T): T {
    this.#run('begin', []);
    try {
      const result = write();
      this.#run('commit', []);
      return result;
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
  }

  balance(period: AccountPeriod, nowMs: number): Balance {
    const { periodNanoUsd, othersNanoUsd } = this.#read(period, '', nowMs);
    return { spentNanoUsd: this.#spentIn(period, periodNanoUsd), reservedNanoUsd: othersNanoUsd };
  }

  history(account: string, fromMs: number): readonly Spend[] {
    const rows: readonly Row[] = this.#statements.history.all(account, fromMs);
    return rows.map(({ start, spent }) => ({ startMs: Number(start), nanoUsd: amount(spent) }));
  }

  #write(posting: Posting): Posted {
    const { account, periodMs, writer, sequence, heldNanoUsd, nowMs, holdMs } = posting;
    const before = this.#read(posting, writer, nowMs);
    const isNew = posting.spends.length > 0 && (before.sequence === null || before.sequence < sequence);
    if (before.sequence === null) this.#run('forgetWriters', [account, nowMs - FORGET_WRITERS_MS]);
    const lostNanoUsd = lostSpend(posting, before.periodNanoUsd);
    if (lostNanoUsd > 0n) this.#run('addToPeriod', [account, periodMs, lostNanoUsd]);
    const addedNanoUsd = isNew ? this.#addSpends(posting) : 0n;
    const spentNanoUsd = this.#spentIn(posting, before.periodNanoUsd + lostNanoUsd + addedNanoUsd);
    const reservedBefore = before.othersNanoUsd + heldNanoUsd;
    const { granted, grantedNanoUsd } = grantRequests(posting, spentNanoUsd + reservedBefore);
    this.#run('hold', [account, periodMs, writer, sequence, heldNanoUsd + grantedNanoUsd, nowMs + holdMs]);
    const level = levelOf(posting.thresholdsNanoUsd, spentNanoUsd);
    if (level !== before.level) this.#run('level', [account, periodMs, level]);
    const reservedNanoUsd = reservedBefore + grantedNanoUsd;
    const levelBefore =
      lostNanoUsd === 0n ? before.level : levelOf(posting.thresholdsNanoUsd, posting.leastSpentNanoUsd);
    return { granted, spentNanoUsd, reservedNanoUsd, levelBefore, level, lostNanoUsd };
  }

  /** Adds the spends, and returns their sum. */
  #addSpends({ account, periodMs, spends, keepFromMs }: Posting): bigint {
    let sum = 0n;
    for (const { startMs, nanoUsd } of spends) {
      this.#run('addToBucket', [account, startMs, nanoUsd]);
      sum += nanoUsd;
      if (this.#buckets.get(account) === startMs) continue;
      this.#run('dropBuckets', [account, keepFromMs]);
      this.#buckets.set(account, startMs);
    }
    this.#run('addToPeriod', [account, periodMs, sum]);
    return sum;
  }

  #read({ account, periodMs }: AccountPeriod, writer: string, nowMs: number): PeriodRow {
    const row = this.#row('period', [account, periodMs, writer, nowMs]);
    const sequence = row?.['sequence'];
    return {
      periodNanoUsd: amount(row?.['spent'] ?? 0n),
      level: Number(row?.['level'] ?? 0),
      othersNanoUsd: amount(row?.['held'] ?? 0n),
      sequence: typeof sequence === 'bigint' ? Number(sequence) : null,
    };
  }

  #spentIn({ account, window }: AccountPeriod, periodNanoUsd: bigint): bigint {
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

/** Raised with every change of the tables that an older plimsoll could not read. */
const TABLES_VERSION = 1;

/** Amounts are whole nano-dollars; times are milliseconds since the Unix epoch. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS ledger (id TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS period (
    account TEXT NOT NULL, start INTEGER NOT NULL, spent INTEGER NOT NULL, level INTEGER NOT NULL,
    PRIMARY KEY (account, start)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bucket (
    account TEXT NOT NULL, start INTEGER NOT NULL, spent INTEGER NOT NULL,
    PRIMARY KEY (account, start)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS hold (
    account TEXT NOT NULL, period INTEGER NOT NULL, writer TEXT NOT NULL,
    sequence INTEGER NOT NULL, held INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (account, period, writer)
  ) WITHOUT ROWID;
`;

const STATEMENTS = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  nameLedger: 'INSERT INTO ledger SELECT ? WHERE NOT EXISTS (SELECT 1 FROM ledger)',
  id: 'SELECT id FROM ledger',
  forgetWriters: 'DELETE FROM hold WHERE account = ? AND until < ?',
  addToBucket: `INSERT INTO bucket VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent`,
  dropBuckets: 'DELETE FROM bucket WHERE account = ? AND start < ?',
  addToPeriod: `INSERT INTO period VALUES (?, ?, ?, 0)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent`,
  // One statement reads all that a posting depends on: each further one would cost as much as the reading itself.
  period: `SELECT period.spent, period.level, own.sequence,
      (SELECT sum(held) FROM hold
        WHERE account = asked.account AND period = asked.period AND writer <> asked.writer AND until >= asked.now) AS held
    FROM (SELECT ? AS account, ? AS period, ? AS writer, ? AS now) AS asked
    LEFT JOIN period ON period.account = asked.account AND period.start = asked.period
    LEFT JOIN hold AS own
      ON own.account = asked.account AND own.period = asked.period AND own.writer = asked.writer`,
  rolling: 'SELECT coalesce(sum(spent), 0) AS spent FROM bucket WHERE account = ? AND start >= ? AND start < ?',
  hold: `INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence), held = excluded.held, until = excluded.until`,
  level: `INSERT INTO period VALUES (?, ?, 0, ?)
    ON CONFLICT DO UPDATE SET level = excluded.level`,
  history: 'SELECT start, spent FROM bucket WHERE account = ? AND start >= ? ORDER BY start',
} as const;
