import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { RedisScript, redisConnection, type RedisClient, type RedisConnection } from '../../redis/connection.ts';
import { SqliteStore, atomically, preparedStatements } from '../../sqlite-database.ts';
import {
  USAGE_COUNTS,
  forgottenCell,
  keptFrom,
  noUsage,
  usageCellFrom,
  usageCellText,
  type UsageCell,
  type UsageCount,
  type UsageFilter,
  type UsagePosting,
  type UsageRow,
  type UsageStore,
} from './usage.ts';

/** By day, then by cell, in one order for all stores. */
function sorted(rows: readonly UsageRow[]): readonly UsageRow[] {
  const named = rows.map((row) => ({ row, name: `${row.day} ${usageCellText(row.cell)}` }));
  return named.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ row }) => row);
}

const LOCK_WAIT_MS = 1_000;

/**
 * Keeps usage in a file of `node:sqlite`, which may be that of a ledger or of tokens, for the processes of one machine.
 * Throws a `ConfigurationError` (`PLIMSOLL_USAGE_INVALID`) where the file cannot be used.
 */
export function sqliteUsage(path: string, keepDays: number, open: 'create' | 'existing' = 'create'): UsageStore {
  const named = { what: 'usage', code: 'PLIMSOLL_USAGE_INVALID' };
  const file = { path, open, tables: TABLES, version: 1, waitMs: LOCK_WAIT_MS, named };
  const store = new SqliteStore(file, (database) => new UsageFile(database, keepDays));
  return {
    kind: 'sqlite',
    add: (posting) => store.contents.add(posting),
    read: (fromDay, toDay) => sorted(store.contents.read(fromDay, toDay)),
    forget: (what) => store.contents.forget(what),
    close: () => store.close(),
  };
}

/** Costs are whole nano-dollars; days are UTC. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, cell TEXT NOT NULL, owner TEXT NOT NULL,
    ${USAGE_COUNTS.map((name) => `${name} INTEGER NOT NULL`).join(', ')},
    PRIMARY KEY (day, cell)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS usage_writer (writer TEXT PRIMARY KEY, sequence INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
`;

const STATEMENTS = {
  taken: 'SELECT sequence FROM usage_writer WHERE writer = ?',
  seen: `INSERT INTO usage_writer VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen`,
  silent: 'DELETE FROM usage_writer WHERE seen < ?',
  add: `INSERT INTO usage VALUES (?, ?, ?, ${USAGE_COUNTS.map(() => '?').join(', ')})
    ON CONFLICT DO UPDATE SET ${USAGE_COUNTS.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
  read: 'SELECT * FROM usage WHERE day >= ? AND day < ?',
  ofOwner: 'SELECT * FROM usage WHERE owner = ?',
  dropOwner: 'DELETE FROM usage WHERE owner = ?',
  drop: 'DELETE FROM usage WHERE day < ?',
} as const;

/** A writer that was silent for this long does not repeat a posting that was already taken. */
const FORGET_WRITERS_MS = 7 * 86_400_000;

class UsageFile {
  readonly #database: DatabaseSync;
  readonly #keepDays: number;
  readonly #statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

  constructor(database: DatabaseSync, keepDays: number) {
    this.#database = database;
    this.#keepDays = keepDays;
    this.#statements = preparedStatements(database, STATEMENTS);
    this.#statements.read.setReadBigInts(true);
    this.#statements.ofOwner.setReadBigInts(true);
  }

  add({ writer, sequence, atMs, rows }: UsagePosting): void {
    const { taken, seen, silent, drop } = this.#statements;
    atomically(this.#database, () => {
      if (Number(taken.get(writer)?.['sequence'] ?? 0) >= sequence) return;
      seen.run(writer, sequence, atMs);
      silent.run(atMs - FORGET_WRITERS_MS);
      for (const row of rows) this.#addRow(row);
      drop.run(keptFrom(atMs, this.#keepDays));
    });
  }

  read(fromDay: string, toDay: string): readonly UsageRow[] {
    return this.#statements.read.all(fromDay, toDay).map(rowFrom);
  }

  forget({ owner, beforeDay }: UsageFilter): number {
    const { drop, ofOwner, dropOwner } = this.#statements;
    return atomically(this.#database, () => {
      const dropped = beforeDay === null ? 0 : Number(drop.run(beforeDay).changes);
      const renamed = owner === null ? [] : ofOwner.all(owner).map(rowFrom);
      if (owner !== null) dropOwner.run(owner);
      for (const row of renamed) this.#addRow({ ...row, cell: forgottenCell(row.cell) });
      return dropped + renamed.length;
    });
  }

  #addRow({ day, cell, counts }: UsageRow): void {
    this.#statements.add.run(day, usageCellText(cell), cell.owner, ...USAGE_COUNTS.map((name) => counts[name]));
  }
}

function rowFrom(row: Readonly<Record<string, unknown>>): UsageRow {
  const counts = Object.fromEntries(USAGE_COUNTS.map((name) => [name, row[name]])) as Record<UsageCount, bigint>;
  return { day: String(row['day']), cell: usageCellFrom(String(row['cell'])), counts };
}

/** Adds a posting whole, and once. The keys: the last sequence by writer, the days, and the hash of each day. */
const ADD = new RedisScript(`
local writer, sequence, keepMs = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if sequence <= tonumber(redis.call('HGET', KEYS[1], writer) or '0') then return 0 end
redis.call('HSET', KEYS[1], writer, sequence)
for i = 4, #ARGV, 3 do redis.call('HINCRBY', KEYS[2 + tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]) end
for i = 3, #KEYS do
  redis.call('PEXPIRE', KEYS[i], keepMs)
  redis.call('ZADD', KEYS[2], 0, string.sub(KEYS[i], -10))
end
redis.call('PEXPIRE', KEYS[1], keepMs)
return 1
`);

/** Moves fields of a day to others in one step: so many names, each with the one that its count is added to. */
const MOVE = new RedisScript(`
local moved = 0
for i = 1, #ARGV, 2 do
  local count = redis.call('HGET', KEYS[1], ARGV[i])
  if count then
    redis.call('HINCRBY', KEYS[1], ARGV[i + 1], count)
    redis.call('HDEL', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
`);

const DROP = new RedisScript(`
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
for i = 1, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
return 1
`);

const DAY_MS = 86_400_000;

/** Keeps usage in Redis 6 or later, or Valkey, for a fleet. Takes a client of `ioredis`, which the caller closes, or a URL. */
export function redisUsage(redis: RedisClient | string, keepDays: number, prefix = 'plimsoll:'): UsageStore {
  const connection = redisConnection(redis);
  const usage = new RedisUsage(connection, { prefix, keepDays });
  return {
    kind: 'redis',
    add: (posting) => usage.add(posting),
    read: async (fromDay, toDay) => sorted(await usage.read(fromDay, toDay)),
    forget: (what) => usage.forget(what),
    close: () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}

class RedisUsage {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #keepDays: number;

  constructor(
    connection: RedisConnection,
    { prefix, keepDays }: { readonly prefix: string; readonly keepDays: number },
  ) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#keepDays = keepDays;
  }

  async add({ writer, sequence, rows }: UsagePosting): Promise<void> {
    const days = [...new Set(rows.map(({ day }) => day))];
    const counts = rows.flatMap(({ day, cell, counts: all }) =>
      USAGE_COUNTS.filter((name) => all[name] !== 0n).flatMap((name) => [
        ...[days.indexOf(day) + 1, `${name} ${usageCellText(cell)}`, all[name]],
      ]),
    );
    const keys = [this.#key('taken'), this.#key('days'), ...days.map((day) => this.#key(day))];
    await this.#connection.run(ADD, keys, [writer, sequence, this.#keepDays * DAY_MS, ...counts]);
  }

  async read(fromDay: string, toDay: string): Promise<readonly UsageRow[]> {
    const asked = (await this.#days()).filter((day) => day >= fromDay && day < toDay);
    return (await Promise.all(asked.map((day) => this.#rows(day)))).flat();
  }

  async forget({ owner, beforeDay }: UsageFilter): Promise<number> {
    const days = await this.#days();
    const dropped = beforeDay === null ? [] : days.filter((day) => day < beforeDay);
    let changed = 0;
    for (const day of days) {
      const rows = await this.#rows(day);
      const renamed = rows.filter(({ cell }) => cell.owner === owner);
      changed += dropped.includes(day) ? rows.length : renamed.length;
      const names = renamed.flatMap(({ cell }) => namesBeforeAndAfter(cell));
      if (names.length > 0) await this.#connection.run(MOVE, [this.#key(day)], names);
    }
    const keys = [this.#key('days'), ...dropped.map((day) => this.#key(day))];
    if (dropped.length > 0) await this.#connection.run(DROP, keys, dropped);
    return changed;
  }

  async #days(): Promise<readonly string[]> {
    const key = this.#key('days');
    return (await this.#connection.ask(key, (client) => client.zrange(key, '0', '-1'))).sort();
  }

  async #rows(day: string): Promise<readonly UsageRow[]> {
    const key = this.#key(day);
    return rowsOf(day, await this.#connection.ask(key, (client) => client.hgetall(key)));
  }

  /** The braces make a Cluster keep all keys in one slot, so that a posting is atomic. */
  #key(name: string): string {
    return `${this.#prefix}{usage}:${name}`;
  }
}

/** The fields of a cell, each before that of the same cell without its owner. */
function namesBeforeAndAfter(cell: UsageCell): readonly string[] {
  const [before, after] = [usageCellText(cell), usageCellText(forgottenCell(cell))];
  return USAGE_COUNTS.flatMap((name) => [`${name} ${before}`, `${name} ${after}`]);
}

function rowsOf(day: string, hash: Readonly<Record<string, string>>): readonly UsageRow[] {
  const rows = new Map<string, Record<UsageCount, bigint>>();
  for (const [field, count] of Object.entries(hash)) {
    const [, name = '', text = ''] = /^(\S+) (.*)$/s.exec(field) ?? [];
    const counts = rows.get(text) ?? noUsage();
    counts[name as UsageCount] = BigInt(count);
    rows.set(text, counts);
  }
  return [...rows].map(([text, counts]) => ({ day, cell: usageCellFrom(text), counts }));
}
