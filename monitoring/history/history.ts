import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WriteStream } from 'node:fs';
import {
  simulator,
  type Fault,
  type MessagesRequest,
  type Reply,
  type Scenario,
  type Simulator,
} from 'plimsoll/simulator';
import { billProcess } from './bill-process.ts';
import { gatewayProcess, type Refused } from './gateway-process.ts';
import { HistoryClock, hurried } from './history-clock.ts';
import { replica, type Replica, type ReplicaOptions } from './replica.ts';
import { scraped, type Scrape } from './scraped.ts';
import { drawnCall, largeCall, seeded, unpricedCall, type Counts } from './traffic.ts';

/** Seconds between scrapes: long enough to make days in seconds, short enough for windows of five minutes. */
export const SCRAPE_SECONDS = 120;
const STEP_MS = SCRAPE_SECONDS * 1_000;

/** Some hours of a service, to be driven in seconds. */
export interface HistoryOptions {
  /** Its key and budget, and its job and organization unless they are given. */
  readonly name: string;
  readonly job?: string;
  readonly organization?: string;
  readonly endMs: number;
  /** A multiple of the scrape interval. */
  readonly minutes: number;
  readonly replicas?: number;
  readonly ledger?: 'shared' | 'own';
  readonly budgetUsd?: number;
  /** A budget of the month beside it. */
  readonly monthUsd?: number;
  readonly period?: 'day' | 'month';
  readonly mode?: 'observe' | 'block';
  readonly seed?: number;
  /** Between two scrapes, by the number of the first; fractions are drawn. */
  readonly calls: (step: number) => number;
  /** Faults for the first calls between two scrapes. */
  readonly faults?: (step: number) => readonly Fault[];
  /** Called besides the three of the service; the simulator answers it, and nobody knows its price. */
  readonly unpricedModel?: string;
  readonly scenario?: Scenario;
  /** A gateway runs beside it, and refuses so many between two scrapes. */
  readonly gateway?: (step: number) => Refused;
  /** A process beside it shows the bill of an organization, `<name>-books`. */
  readonly hasBill?: true;
  /** The version that is deployed from a step on: all processes are replaced then, by others with names of their own. Default: one, from the first. */
  readonly versions?: Readonly<Record<number, string>>;
  /** How the first replica paces its calls; one in some hundred steps is too large for any minute. Default: not. */
  readonly pace?: NonNullable<ReplicaOptions['pace']>;
  /** Whether Prometheus reaches a replica. Default: always. */
  readonly isScraped?: (step: number, replica: number) => boolean;
  /** A minute, of the class haiku-4.5. Default: what a small organization has. */
  readonly limits?: Limits;
}

interface Limits {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

const SMALL: Limits = { requests: 60, inputTokens: 50_000, outputTokens: 20_000 };

/** The truth: the simulator's records and the calls themselves. */
export interface HistoryTruth extends Counts {
  readonly name: string;
  readonly rateLimited: number;
  readonly tokens: number;
  readonly costUsd: number;
}

/** The latencies and faults of an ordinary day, the default of every history. */
export const ORDINARY: Scenario = {
  latency: {
    firstByteMs: { kind: 'lognormal', median: 350, sigma: 0.5 },
    perTokenMs: { kind: 'lognormal', median: 8, sigma: 0.3 },
  },
  outputTokens: { kind: 'lognormal', median: 110, sigma: 0.5 },
  faults: [
    { probability: 0.01, fault: { fault: 'overloaded' } },
    { probability: 0.005, fault: { fault: 'server_error' } },
    { probability: 0.01, fault: { fault: 'input_tokens_limit', headers: { 'retry-after': '2' } } },
    { probability: 0.002, fault: { fault: 'connection_reset' } },
  ],
};

/** Drives the history and writes what the scrapes of all replicas read, as OpenMetrics with timestamps. */
async function history(options: HistoryOptions, out: WriteStream): Promise<HistoryTruth> {
  const { name, job = name, endMs, minutes, seed = 1, scenario = ORDINARY, limits = SMALL } = options;
  const steps = (minutes * 60_000) / STEP_MS;
  const startMs = endMs - steps * STEP_MS;
  const clock = new HistoryClock(startMs);
  const api = simulator({
    ...{ seed, clock, scenario, tier: 'start', keepRequests: 10, unknownModels: 'serve' },
    respond: answered,
    limits: { 'haiku-4.5': limits },
  });
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-history-'));
  const place = { api, clock, ledgerPath: join(folder, 'ledger.sqlite') };
  const service = deployed(options, place);
  const beside = options.gateway === undefined ? null : gatewayProcess(clock, options.organization ?? name);
  const others = othersOf(options, { clock, beside });
  const counts: Counts = { calls: 0, answered: 0 };
  const random = seeded(seed);
  try {
    await hurried({ clock, random: seeded(seed) }, async () => {
      for (let step = 0; step <= steps; step += 1) {
        const atMs = startMs + step * STEP_MS;
        clock.advanceTo(atMs);
        await scraped(out, { job, atMs, processes: [...service.processesAt(step), ...others] });
        if (step === steps) return;
        await service.deployAt(step);
        api.script(options.faults?.(step) ?? []);
        const expected = options.calls(step);
        // Late, so that the next scrape sees limits before they have refilled.
        clock.advanceTo(atMs + STEP_MS - Math.min(STEP_MS, expected * SECONDS_OF_A_CALL * 1_000));
        await called(service.replicas(), { random, counts, expected, unpricedModel: options.unpricedModel });
        await service.tooLarge(step, counts);
        await beside?.refuse(options.gateway?.(step) ?? {});
      }
    });
  } finally {
    await service.close();
    await beside?.close();
    rmSync(folder, { recursive: true });
  }
  return { ...counts, name, ...truthOf(api) };
}

/** The processes beside the service. */
function othersOf(
  { name, hasBill }: HistoryOptions,
  { clock, beside }: { readonly clock: HistoryClock; readonly beside: Pick<Replica, 'scrape'> | null },
): Scrape['processes'] {
  const books = hasBill === true ? billProcess(clock, name) : null;
  return [
    ...(beside === null ? [] : [{ instance: `${name}-gateway:9464`, scrape: beside.scrape }]),
    ...(books === null ? [] : [{ instance: `${name}-bill:9464`, scrape: books.scrape }]),
  ];
}

type Place = Pick<ReplicaOptions, 'api' | 'clock'> & { readonly ledgerPath: string };

/** The processes of a service. A deployment replaces all of them right after a scrape. */
function deployed(options: HistoryOptions, place: Place) {
  const { name, versions = {}, isScraped = () => true } = options;
  let replicas = running({ ...options, version: versions[0] ?? '1.0.0' }, place);
  let generation = 0;
  const close = async (): Promise<void> => {
    for (const each of replicas) await each.close();
  };
  return {
    close,
    replicas: () => replicas,
    /** Now and then a paced service makes a call that never fits. */
    async tooLarge(step: number, counts: Counts): Promise<void> {
      const [first] = replicas;
      if (options.pace !== undefined && first !== undefined && step % 40 === 20) await largeCall(first.client, counts);
    },
    processesAt: (step: number): Scrape['processes'] =>
      replicas.map((each, index) => ({
        instance: `${name}-${generation}-${index}:9464`,
        scrape: isScraped(step, index) ? each.scrape : null,
      })),
    async deployAt(step: number): Promise<void> {
      const version = versions[step];
      if (version === undefined || step === 0) return;
      await close();
      replicas = running({ ...options, version }, place);
      generation += 1;
    },
  };
}

function running(
  {
    name,
    replicas = 1,
    ledger = 'own',
    budgetUsd = 1_000,
    version,
    ...given
  }: HistoryOptions & Pick<ReplicaOptions, 'version'>,
  { api, clock, ledgerPath }: Place,
): readonly Replica[] {
  const { mode = 'observe', period = 'month', organization = name, monthUsd } = given;
  const path = ledger === 'shared' ? ledgerPath : null;
  const each = { api, clock, name, version, ledgerPath: path, budgetUsd, monthUsd, mode, period, organization };
  return Array.from({ length: replicas }, (_, at) => replica({ ...each, pace: at === 0 ? given.pace : undefined }));
}

/** About; a step that takes longer than it has goes into the next. */
const SECONDS_OF_A_CALL = 2;

/**
 * A system prompt that is marked for it is read from the cache, and written to it now and then. Once in some hundred
 * calls a model refuses, or another one answers in its place.
 */
function answered({ body, number }: MessagesRequest): Reply | undefined {
  if (number % 500 === 7) return { stopReason: 'refusal', stopDetails: { category: 'cyber' } };
  if (number % 500 === 257) return { declined: [{ model: body.model, category: 'cyber' }], model: 'claude-sonnet-5-5' };
  if (!Array.isArray(body.system)) return undefined;
  const isWritten = number % 40 < 2;
  const tokens = isWritten ? { cache_creation_input_tokens: 900 } : { cache_read_input_tokens: 900 };
  return {
    usage: { input_tokens: 300, ...tokens },
    ...(isWritten && { diagnostics: { cache_miss_reason: { type: 'tools_changed', cache_missed_input_tokens: 900 } } }),
  };
}

interface Step {
  readonly random: () => number;
  readonly counts: Counts;
  readonly expected: number;
  readonly unpricedModel: string | undefined;
}

async function called(replicas: readonly Replica[], { random, counts, expected, unpricedModel }: Step): Promise<void> {
  const calls = Math.floor(expected) + (random() < expected % 1 ? 1 : 0);
  for (let call = 0; call < calls; call += 1) {
    const client = replicas[Math.floor(random() * replicas.length)]?.client;
    if (client === undefined) continue;
    if (unpricedModel !== undefined && call === 0) await unpricedCall(client, unpricedModel, counts);
    else await drawnCall(client, random, counts);
  }
}

function truthOf({ truth }: Simulator): Pick<HistoryTruth, 'rateLimited' | 'tokens' | 'costUsd'> {
  let tokens = 0;
  let nanoUsd = 0;
  for (const totals of truth.totals('reported').values()) {
    const { input, cache_read, cache_write_5m, cache_write_1h, output } = totals.tokens;
    tokens += input + cache_read + cache_write_5m + cache_write_1h + output;
    nanoUsd += totals.totalNanoUsd;
  }
  return { rateLimited: truth.statuses.get(429) ?? 0, tokens, costUsd: nanoUsd / 1e9 };
}

/** A file of histories, one after the other, as `promtool tsdb create-blocks-from openmetrics` reads it. */
export async function written(path: string, histories: readonly HistoryOptions[]): Promise<readonly HistoryTruth[]> {
  const out = createWriteStream(path);
  const truths: HistoryTruth[] = [];
  for (const options of histories) truths.push(await history(options, out));
  out.end('# EOF\n');
  await once(out, 'close');
  return truths;
}
