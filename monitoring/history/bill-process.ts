import { metricsHandler } from 'plimsoll';
import { Registry } from 'prom-client';
import { OrganizationGauges } from '../../src/organization/organization-metrics.ts';
import type { OrganizationView, WindowView } from '../../src/organization/view.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';
import type { HistoryClock } from './history-clock.ts';

/** A process that shows the bill of an organization, as it was read by now. */
interface BillProcess {
  readonly scrape: () => Promise<string>;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const SPLIT: readonly (readonly [model: string, share: number])[] = [
  ['claude-haiku-4-5', 0.7],
  ['claude-sonnet-5-5', 0.3],
];

/** The gauges of the watch, fed with what it would have read of a service with that key; it has an organization of its own. */
export function billProcess(clock: HistoryClock, key: string): BillProcess {
  const registry = new Registry();
  const gauges = new OrganizationGauges(storeFor(registry), { clock, organization: `${key}-books` });
  const handle = metricsHandler({ registry });
  return {
    async scrape() {
      gauges.polled('ok');
      gauges.show(viewAt(clock.epochMs(), key));
      const accept = 'application/openmetrics-text;version=1.0.0';
      return (await handle(new Request('http://bill/metrics', { headers: { accept } }))).text();
    },
  };
}

function viewAt(nowMs: number, key: string): OrganizationView {
  const spentUsd = (nowMs % DAY_MS) / DAY_MS;
  const left = (usd: number) => ({ usd: usd - spentUsd, days: (usd - spentUsd) / 10 });
  return {
    readAtMs: nowMs,
    source: 'analytics',
    refreshedAtMs: nowMs - 4 * HOUR_MS,
    monthSoFarUsd: 220,
    windows: { yesterday: windowOf(1, 9, key), last_7_days: windowOf(7, 63, key), month: windowOf(24, 210, key) },
    keys: [
      {
        ...{ key, status: 'active', createdAtMs: nowMs - 200 * DAY_MS, expiresAtMs: nowMs + 90 * DAY_MS },
        ...{ lastUsedAtMs: nowMs - (nowMs % DAY_MS) - DAY_MS, idleSinceMs: nowMs - (nowMs % DAY_MS) },
      },
    ],
    limits: [
      { group: 'Haiku 4.5', models: ['claude-haiku-4-5'], limiter: 'requests_per_minute', value: 1_000 },
      { group: 'Haiku 4.5', models: ['claude-haiku-4-5'], limiter: 'output_tokens_per_minute', value: 400_000 },
    ],
    tierCapUsd: 500,
    credit: { least: left(250), middle: left(280), most: left(300) },
  };
}

/** A tenth less than the list; two in a hundred dollars were not seen. */
function windowOf(days: number, billedUsd: number, key: string): WindowView {
  const listedUsd = billedUsd / 0.9;
  const recordedUsd = 0.98 * listedUsd;
  return {
    ...{
      daysCompared: days,
      isCompared: true,
      listedUsd,
      billedUsd,
      recordedUsd,
      coverage: 0.98,
      contradictingDays: 0,
    },
    causes: [
      { cause: 'not_seen', usd: listedUsd - recordedUsd },
      { cause: 'discount', usd: billedUsd - listedUsd },
    ],
    lines: SPLIT.map(([model, share]) => ({
      ...{ key, model, recordedUsd: share * recordedUsd },
      ...{ listedUsd: share * listedUsd, billedUsd: share * billedUsd },
    })),
  };
}
