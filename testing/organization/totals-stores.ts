import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TotalsCell, TotalsPosting, TotalsRow, TotalsStore } from 'plimsoll/organization';
import { redisTotals } from 'plimsoll/redis';
import { sqliteTotals } from '../../src/totals/sqlite-totals.ts';
import { noCounts } from '../../src/totals/day-totals.ts';
import { redis, redisServer } from '../redis-server.ts';

/** A store of daily totals, opened as often as there are processes. */
export interface TotalsHome {
  open(): TotalsStore;
  end(): Promise<void>;
}

export interface TotalsKind {
  readonly kind: TotalsStore['kind'];
  readonly skip: string | false;
  home(): Promise<TotalsHome>;
}

/** The stores that there are; both keep to the same table of tests. */
export const totalsKinds: readonly TotalsKind[] = [
  {
    kind: 'sqlite',
    skip: false,
    async home() {
      const folder = mkdtempSync(join(tmpdir(), 'plimsoll-totals-'));
      const opened: TotalsStore[] = [];
      return homeOf(
        opened,
        () => sqliteTotals(join(folder, 'totals.db')),
        async () => rmSync(folder, { recursive: true }),
      );
    },
  },
  {
    kind: 'redis',
    skip: redis.skip,
    async home() {
      const server = await redisServer();
      return homeOf(
        [],
        () => redisTotals(server.url),
        () => server.end(),
      );
    },
  },
];

function homeOf(opened: TotalsStore[], make: () => TotalsStore, end: () => Promise<void>): TotalsHome {
  return {
    open() {
      const store = make();
      opened.push(store);
      return store;
    },
    async end() {
      for (const store of opened) await store.close();
      await end();
    },
  };
}

export const CELL: TotalsCell = {
  key: 'prod-shop-api',
  model: 'claude-opus-5-5',
  tier: 'standard',
  speed: 'standard',
  geo: 'global',
  band: 'usual',
  refused: null,
};

/** A line of totals of one day. */
export function aRow(
  day: string,
  counts: Partial<TotalsRow['counts']>,
  cell: Partial<TotalsRow['cell']> = {},
): TotalsRow {
  return { day, toDay: day, cell: { ...CELL, ...cell }, counts: { ...noCounts(), ...counts } };
}

/** The posting of a process at noon of a day. */
export function aPosting(day: string, posting: Partial<TotalsPosting>): TotalsPosting {
  const atMs = Date.parse(`${day}T12:00:00Z`);
  return { writer: 'one', sequence: 1, atMs, rows: [], ends: false, ...posting };
}
