import Anthropic from '@anthropic-ai/sdk';
import { instrument, metricsHandler } from 'plimsoll';
import { budgets, memoryLedger, sqliteLedger, type BudgetDefinition, type Timers } from 'plimsoll/budget';
import { pace } from 'plimsoll/pace';
import type { Simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import type { HistoryClock } from './history-clock.ts';
import { HISTORY_MODELS } from './traffic.ts';

export interface ReplicaOptions {
  readonly api: Simulator;
  readonly clock: HistoryClock;
  /** The alias of its key, the budget's name and the organization's: what is told apart in one Prometheus. */
  readonly name: string;
  readonly version: string;
  /** A SQLite file that all replicas share; `null` for a ledger of its own. */
  readonly ledgerPath: string | null;
  readonly budgetUsd: number;
  readonly monthUsd?: number | undefined;
  /** Default: the month. */
  readonly period?: 'day' | 'month';
  /** Default: its name. */
  readonly organization?: string;
  readonly mode?: 'observe' | 'block';
  /** Its calls wait for room in this share of the limits, `research` as a batch, and for so long. Default: they are not paced. */
  readonly pace?: { readonly share: number; readonly maxWaitMs: number } | undefined;
}

export interface Replica {
  readonly client: Anthropic;
  /** The current metrics page, as OpenMetrics. */
  readonly scrape: () => Promise<string>;
  close(): Promise<void>;
}

/** Timers for background work, which is not needed because nothing takes time here. */
const NO_TIMERS: Timers = {
  whileWaiting: () => () => undefined,
  inBackground: () => () => undefined,
  soon: (task) => task(),
};

/** A process of a service, but for the process: a registry, a client and budgets of its own. */
export function replica({ api, clock, name, ledgerPath, version, ...given }: ReplicaOptions): Replica {
  const { budgetUsd, monthUsd, period = 'month', mode = 'observe', organization = name } = given;
  const registry = new Registry();
  const definitions: readonly BudgetDefinition[] = [
    { name, period, usd: budgetUsd, mode },
    ...(monthUsd === undefined ? [] : [{ name: `${name}-month`, period: 'month', usd: monthUsd } as const]),
  ];
  const ledger = ledgerPath === null ? memoryLedger() : sqliteLedger(ledgerPath);
  const kept = budgets({ definitions, ledger, clock, timers: NO_TIMERS });
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, maxRetries: 2, logLevel: 'off' }), {
    key: name,
    models: HISTORY_MODELS,
    serviceVersion: version,
    attribution: { route: ['chat', 'review', 'research'] },
    registry,
    clock,
    budgets: kept,
    tier: { organization, name: 'Start' },
    ...(given.pace !== undefined && {
      pace: pace({
        ...given.pace,
        name,
        clock,
        lane: ({ attribution }) => (attribution['route'] === 'research' ? 'batch' : 'interactive'),
      }),
    }),
  });
  const handle = metricsHandler({ registry });
  return {
    client,
    async scrape() {
      await kept.refresh();
      const accept = 'application/openmetrics-text;version=1.0.0';
      return (await handle(new Request('http://replica/metrics', { headers: { accept } }))).text();
    },
    close: async () => void (await kept.close()),
  };
}
