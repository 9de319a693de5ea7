/** One process of a fleet that watches an organization: tells its parent what it shows, until it is ended. */
import { redisReports } from 'plimsoll/redis';
import { Registry } from 'prom-client';
import { systemTimers } from '../../src/clock.ts';
import { pacedWatch } from '../../src/organization/watch.ts';
import type { OrganizationView } from '../../src/organization/view.ts';
import { sqliteReports } from '../../src/totals/report-store.ts';

/** What a worker is told. */
export interface WatchLeg {
  readonly name: string;
  /** The path of an SQLite file, or the URL of a Redis. */
  readonly place: string;
  readonly baseUrl: string;
  /** What the clock of the organization is ahead of this machine's. */
  readonly aheadMs: number;
  readonly leaseMs: number;
}

/** What a worker tells: the month of complete days, as billed. */
export interface WatchNews {
  readonly name: string;
  readonly billedUsd: number;
  readonly readAtMs: number;
}

const leg = JSON.parse(process.argv[2] ?? '{}') as WatchLeg;
const { name, place, baseUrl, aheadMs, leaseMs } = leg;
let polls = 0;
let seen: OrganizationView | null = null;

const watch = pacedWatch(
  {
    // The key names the poll, so that the parent can tell whose request it is.
    adminKey: () => ['sk-ant-admin01', name, String(++polls), 'of-a-worker-0123456789'].join('-'),
    baseUrl,
    store: place.startsWith('redis:') ? redisReports(place) : sqliteReports(place),
    registry: new Registry(),
    clock: { epochMs: () => Date.now() + aheadMs, monotonicMs: () => performance.now() },
    timers: {
      ...systemTimers,
      inBackground(waitMs, task) {
        setTimeout(tell, 0);
        return systemTimers.inBackground(waitMs, task);
      },
    },
  },
  { everyMs: 100, lookMs: 50, leaseMs, perMinute: 100_000 },
);

function tell(): void {
  const view = watch.view();
  if (view === null || view.readAtMs === seen?.readAtMs) return;
  seen = view;
  const news: WatchNews = { name, billedUsd: view.windows.month.billedUsd, readAtMs: view.readAtMs };
  process.send?.(news);
}

process.once('disconnect', () => process.exit(0));
setInterval(tell, 50);
