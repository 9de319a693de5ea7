import type { StatementSync } from 'node:sqlite';
import type { Eventually } from '../../budget/ledger.ts';
import { systemClock, type Clock } from '../../clock.ts';
import { SqliteStore, atomically, preparedStatements } from '../../sqlite-database.ts';

/** What a request takes from a bucket that holds a minute's worth and refills evenly. */
export interface Take {
  readonly bucket: string;
  readonly perMinute: number;
  /** At most `perMinute`. */
  readonly amount: number;
}

/** A place among the requests in progress. */
export interface Slot {
  readonly name: string;
  readonly most: number;
}

/** What a request needs of several limits: all of it or nothing. */
export interface LimitAsk {
  /** Whose limits: a Cluster keeps them on one server. */
  readonly group: string;
  readonly takes: readonly Take[];
  readonly slots: readonly Slot[];
  /** Names the request among those that hold slots. */
  readonly lease: string;
  /** A slot that is not renewed for this long is free again: its process has ended. */
  readonly leaseMs: number;
}

/** The limit that a request has to wait for longest. */
export interface Shortage {
  /** Its place among the takes, and then the slots. */
  readonly index: number;
  /** 0 for a slot: nobody knows. */
  readonly waitMs: number;
  /** Whole units that are left. */
  readonly remaining: number;
}

/** What a request has used in place of what it took, and the slots that it leaves. */
export interface LimitSettlement extends Pick<LimitAsk, 'group' | 'lease'> {
  /** `amount` is the difference: below 0 it is given back, above 0 it is owed. */
  readonly takes: readonly Take[];
  readonly slots: readonly Pick<Slot, 'name'>[];
}

/** Keeps limits. A method that throws or rejects may have changed them or not. */
export interface LimitStore {
  take(ask: LimitAsk): Eventually<Shortage | null>;
  settle(settlement: LimitSettlement): Eventually<void>;
  /** Keeps the slots of a request that is still in progress. */
  renew(ask: Omit<LimitAsk, 'takes'>): Eventually<void>;
  close(): Eventually<void>;
}

const MINUTE_MS = 60_000;

/** Rounded fractions of a minute add up to slightly more than the minute. */
const ROUNDING_MS = 0.01;

/** What is stored: for each bucket the time when it is full again, and the leases of each slot until their ends. */
interface LimitState {
  full(bucket: string): number | undefined;
  setFull(bucket: string, fullAtMs: number): void;
  /** Leases that have not ended, but for this one. */
  taken(slot: string, lease: string, nowMs: number): number;
  hold(slot: string, lease: string, untilMs: number): void;
  leave(slot: string, lease: string): void;
}

/** Takes all that is asked for, or says what is missing. */
function takeFrom(state: LimitState, { takes, slots, lease, leaseMs }: LimitAsk, nowMs: number): Shortage | null {
  const after = takes.map((take) => fullBefore(state, take, nowMs) + (take.amount * MINUTE_MS) / take.perMinute);
  let missing: Shortage | null = null;
  for (const [index, take] of takes.entries()) {
    const waitMs = (after[index] ?? nowMs) - nowMs - MINUTE_MS;
    if (waitMs <= Math.max(ROUNDING_MS, missing?.waitMs ?? 0)) continue;
    missing = { index, waitMs, remaining: remainingIn(take, fullBefore(state, take, nowMs) - nowMs) };
  }
  if (missing !== null) return missing;
  const full = slots.findIndex(({ name, most }) => state.taken(name, lease, nowMs) >= most);
  if (full !== -1) return { index: takes.length + full, waitMs: 0, remaining: 0 };
  for (const [index, { bucket }] of takes.entries()) state.setFull(bucket, after[index] ?? nowMs);
  for (const { name } of slots) state.hold(name, lease, nowMs + leaseMs);
  return null;
}

function fullBefore(state: LimitState, { bucket }: Take, nowMs: number): number {
  return Math.max(state.full(bucket) ?? nowMs, nowMs);
}

/** Whole units in a bucket that is full again in so many milliseconds. */
function remainingIn({ perMinute }: Take, fullInMs: number): number {
  return Math.max(0, Math.floor(((MINUTE_MS - fullInMs) * perMinute) / MINUTE_MS + ROUNDING_MS));
}

function settleIn(state: LimitState, { takes, slots, lease }: LimitSettlement, nowMs: number): void {
  for (const { bucket, perMinute, amount } of takes) {
    const full = state.full(bucket) ?? nowMs;
    const change = (amount * MINUTE_MS) / perMinute;
    state.setFull(bucket, (amount > 0 ? Math.max(full, nowMs) : full) + change);
  }
  for (const { name } of slots) state.leave(name, lease);
}

/** Full buckets are dropped when there are this many, and again whenever the number has doubled. */
const FIRST_SWEEP = 1_000;

/** Keeps limits in this process. */
export function memoryLimits({ clock = systemClock }: { readonly clock?: Pick<Clock, 'epochMs'> } = {}): LimitStore {
  const fulls = new Map<string, number>();
  const slots = new Map<string, Map<string, number>>();
  let sweepAt = FIRST_SWEEP;
  const state: LimitState = {
    full: (bucket) => fulls.get(bucket),
    setFull: (bucket, fullAtMs) => void fulls.set(bucket, fullAtMs),
    taken(slot, lease, nowMs) {
      const leases = slots.get(slot) ?? new Map<string, number>();
      for (const [each, untilMs] of leases) if (untilMs <= nowMs) leases.delete(each);
      return leases.size - (leases.has(lease) ? 1 : 0);
    },
    hold(slot, lease, untilMs) {
      const leases = slots.get(slot) ?? new Map<string, number>();
      slots.set(slot, leases.set(lease, untilMs));
    },
    leave(slot, lease) {
      const leases = slots.get(slot);
      leases?.delete(lease);
      if (leases?.size === 0) slots.delete(slot);
    },
  };
  const sweep = (nowMs: number): void => {
    if (fulls.size < sweepAt) return;
    for (const [bucket, full] of fulls) if (full <= nowMs) fulls.delete(bucket);
    sweepAt = Math.max(FIRST_SWEEP, fulls.size * 2);
  };
  return {
    take(ask) {
      sweep(clock.epochMs());
      return takeFrom(state, ask, clock.epochMs());
    },
    settle: (settlement) => settleIn(state, settlement, clock.epochMs()),
    renew: ({ slots: held, lease, leaseMs }) =>
      held.forEach(({ name }) => state.hold(name, lease, clock.epochMs() + leaseMs)),
    close: () => undefined,
  };
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS limit_bucket (name TEXT PRIMARY KEY, full REAL NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS limit_slot (
    name TEXT NOT NULL, lease TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (name, lease)
  ) WITHOUT ROWID;
`;

const STATEMENTS = {
  full: 'SELECT full FROM limit_bucket WHERE name = ?',
  setFull: 'INSERT INTO limit_bucket VALUES (?, ?) ON CONFLICT DO UPDATE SET full = excluded.full',
  taken: 'SELECT count(*) AS taken FROM limit_slot WHERE name = ? AND lease <> ? AND until > ?',
  hold: 'INSERT INTO limit_slot VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until',
  leave: 'DELETE FROM limit_slot WHERE name = ? AND lease = ?',
  sweepSlots: 'DELETE FROM limit_slot WHERE until <= ?',
  sweepBuckets: 'DELETE FROM limit_bucket WHERE full <= ?',
} as const;

/** A request waits at most this long for another process that writes. */
const LOCK_WAIT_MS = 500;

/** Nothing that has come to its end is needed any more. */
const SWEEP_MS = 60_000;

/**
 * Keeps limits in a file of `node:sqlite`, which may be that of tokens, for the processes of one machine. Throws a
 * `ConfigurationError` (`PLIMSOLL_TOKENS_INVALID`) where the file cannot be used.
 */
export function sqliteLimits(
  path: string,
  { clock = systemClock }: { readonly clock?: Pick<Clock, 'epochMs'> } = {},
): LimitStore {
  const named = { what: 'tokens', code: 'PLIMSOLL_TOKENS_INVALID' };
  const file = { path, open: 'create', tables: TABLES, version: 1, waitMs: LOCK_WAIT_MS, named } as const;
  const store = new SqliteStore(file, (database) => {
    // Limits are of the last minute: none of them has to survive a power failure.
    database.exec('PRAGMA synchronous = OFF');
    const statements = preparedStatements(database, STATEMENTS);
    return { database, statements, state: stateIn(statements) };
  });
  const change = <T>(step: (contents: typeof store.contents) => T): T => {
    const { contents } = store;
    return atomically(contents.database, () => step(contents));
  };
  let sweptMs = 0;
  return {
    take: (ask) =>
      change(({ statements, state }) => {
        const nowMs = clock.epochMs();
        if (nowMs >= sweptMs + SWEEP_MS) {
          sweptMs = nowMs;
          statements.sweepSlots.run(nowMs);
          statements.sweepBuckets.run(nowMs);
        }
        return takeFrom(state, ask, nowMs);
      }),
    settle: (settlement) => change(({ state }) => settleIn(state, settlement, clock.epochMs())),
    renew: ({ slots, lease, leaseMs }) =>
      change(({ state }) => slots.forEach(({ name }) => state.hold(name, lease, clock.epochMs() + leaseMs))),
    close: () => store.close(),
  };
}

function stateIn(statements: Readonly<Record<keyof typeof STATEMENTS, StatementSync>>): LimitState {
  const { full, setFull, taken, hold, leave } = statements;
  return {
    full(bucket) {
      const row = full.get(bucket);
      return row === undefined ? undefined : Number(row['full']);
    },
    setFull: (bucket, fullAtMs) => void setFull.run(bucket, fullAtMs),
    taken: (slot, lease, nowMs) => Number(taken.get(slot, lease, nowMs)?.['taken']),
    hold: (slot, lease, untilMs) => void hold.run(slot, lease, untilMs),
    leave: (slot, lease) => void leave.run(slot, lease),
  };
}
