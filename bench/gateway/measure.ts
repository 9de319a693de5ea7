import { spread, type Spread } from '../compare.ts';
import type { Child } from './child.ts';
import type { Burst, Latency, Paced, Target } from './load-process.ts';
import type { Kind } from './request.ts';

/** A proxy that is measured, in its process. */
export interface Proxy {
  readonly name: string;
  readonly process: Child;
  readonly target: Target;
  /** Processes that serve; each of them is asked as much. Default 1. */
  readonly processes?: number;
}

/** How much of it is done. */
export interface Amount {
  /** Blocks to each process that are not measured: so much has to pass before the engine has compiled what is called often. */
  readonly warmUps: number;
  readonly rounds: number;
  readonly requestsPerBlock: number;
  /** Requests at once, to each process. */
  readonly concurrency: number;
}

/** Of one proxy, round by round. */
export interface Load {
  readonly cpuMicros: readonly number[];
  readonly requestsPerSecond: readonly number[];
}

/** Bursts to each proxy in turn, in another order each round, so that the machine's other load meets all alike. */
export async function bursts(
  proxies: readonly Proxy[],
  kind: Kind,
  { load, amount }: { readonly load: Child; readonly amount: Amount },
): Promise<ReadonlyMap<string, Load>> {
  const { warmUps, rounds, requestsPerBlock, concurrency } = amount;
  const figures = new Map(
    proxies.map(({ name }) => [name, { cpuMicros: [] as number[], requestsPerSecond: [] as number[] }]),
  );
  const block = async ({
    process,
    target,
    processes = 1,
  }: Proxy): Promise<{ readonly cpuMicros: number; readonly rate: number }> => {
    const before = await process.ask<number>('cpuMicros');
    const requests = requestsPerBlock * processes;
    const about: Burst = { target, kind, requests, concurrency: concurrency * processes };
    const seconds = await load.ask<number>('burst', about);
    const after = await process.ask<number>('cpuMicros');
    return {
      cpuMicros: (after - before) / requests,
      rate: requests / seconds,
    };
  };
  for (const proxy of proxies) for (let done = 0; done < warmUps; done++) await block(proxy);
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < proxies.length; turn++) {
      const proxy = proxies[(turn + round) % proxies.length];
      if (proxy === undefined) continue;
      const { cpuMicros, rate } = await block(proxy);
      figures.get(proxy.name)?.cpuMicros.push(cpuMicros);
      figures.get(proxy.name)?.requestsPerSecond.push(rate);
    }
  return figures;
}

/** Round by round, so that what slows a round slows both. */
export function ratio(figures: readonly number[], base: readonly number[]): Spread {
  return spread(figures.map((figure, round) => figure / (base[round] ?? Number.NaN)));
}

/** What clients waited for, in milliseconds. */
export interface Waited {
  /** What it takes when no other program is in the way. */
  readonly p10: number;
  readonly p50: number;
  readonly p99: number;
  /** To the head of the answer. */
  readonly headP50: number;
}

/** A way to the upstream: straight, or through a proxy. */
export type Way = Pick<Proxy, 'name' | 'target'>;

/** At a steady rate, half a second to each way in turn, in another order each round. */
export async function waits(
  ways: readonly Way[],
  kind: Kind,
  {
    load,
    rounds,
    ratePerSecond = 100,
  }: { readonly load: Child; readonly rounds: number; readonly ratePerSecond?: number },
): Promise<ReadonlyMap<string, Waited>> {
  const latencies = new Map(ways.map(({ name }) => [name, [] as Latency[]]));
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < ways.length; turn++) {
      const way = ways[(turn + round) % ways.length];
      if (way === undefined) continue;
      const about: Paced = { target: way.target, kind, requests: ratePerSecond / 2, ratePerSecond };
      const measured = await load.ask<readonly Latency[]>('paced', about);
      latencies.get(way.name)?.push(...measured);
    }
  return new Map([...latencies].map(([name, all]) => [name, waited(all)]));
}

function waited(latencies: readonly Latency[]): Waited {
  return {
    p10: percentile(latencies, 0.1, ({ wholeMs }) => wholeMs),
    p50: percentile(latencies, 0.5, ({ wholeMs }) => wholeMs),
    p99: percentile(latencies, 0.99, ({ wholeMs }) => wholeMs),
    headP50: percentile(latencies, 0.5, ({ headMs }) => headMs),
  };
}

function percentile(latencies: readonly Latency[], share: number, of: (latency: Latency) => number): number {
  const sorted = latencies.map(of).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
