import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReportStore } from 'plimsoll/organization';
import { redisReports } from 'plimsoll/redis';
import { sqliteReports } from '../../src/totals/report-store.ts';
import { redis, redisServer } from '../redis-server.ts';

/** A place of reports, opened as often as there are processes. */
export interface ReportsHome {
  /** What `PLIMSOLL_LEDGER` would name. */
  readonly place: string;
  open(): ReportStore;
  end(): Promise<void>;
}

interface ReportsKind {
  readonly kind: ReportStore['kind'];
  readonly skip: string | false;
  home(): Promise<ReportsHome>;
}

/** The stores that processes share; both keep to the same table of tests. */
export const reportsKinds: readonly ReportsKind[] = [
  {
    kind: 'sqlite',
    skip: false,
    async home() {
      const folder = mkdtempSync(join(tmpdir(), 'plimsoll-reports-'));
      const place = join(folder, 'reports.db');
      return homeOf(place, sqliteReports, async () => rmSync(folder, { recursive: true }));
    },
  },
  {
    kind: 'redis',
    skip: redis.skip,
    async home() {
      const server = await redisServer();
      return homeOf(server.url, redisReports, () => server.end());
    },
  },
];

function homeOf(place: string, make: (place: string) => ReportStore, end: () => Promise<void>): ReportsHome {
  const opened: ReportStore[] = [];
  return {
    place,
    open() {
      const store = make(place);
      opened.push(store);
      return store;
    },
    async end() {
      for (const store of opened) await store.close();
      await end();
    },
  };
}
