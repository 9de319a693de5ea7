import { metricsHandler } from 'plimsoll';
import { Counter, Registry } from 'prom-client';
import { storeFor } from '../src/record/metrics/registry.ts';
import { spread, type Spread } from './compare.ts';

/**
 * Milliseconds of CPU for one scrape of so many series, all of which have changed since the one before: by plimsoll's
 * writer, and by prom-client of counters of its own.
 */
export interface Scraped {
  readonly series: number;
  readonly plimsoll: Spread;
  readonly promClient: Spread;
}

const LABELS = ['model', 'operation', 'key', 'status'] as const;

function labels(series: number): Record<(typeof LABELS)[number], string> {
  return {
    model: `model-${series % 100}`,
    operation: 'messages.create',
    key: `key-${Math.floor(series / 100)}`,
    status: '200',
  };
}

async function cpuMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

export async function scrapes(series: number, rounds: number): Promise<Scraped> {
  const ours = new Registry();
  const family = storeFor(ours).family('anthropic_attempts_total');
  const theirs = new Registry();
  const counter = new Counter({ name: 'attempts_total', help: 'attempts', labelNames: LABELS, registers: [theirs] });
  for (let at = 0; at < series; at++) {
    family.series(labels(at)).add(at);
    counter.inc(labels(at), at);
  }
  const handler = metricsHandler({ registry: ours });
  const scraped = (): Promise<Response> => handler(new Request('http://localhost/metrics'));
  // The bytes, as they are sent: what decodes them is another process.
  const scrape = async (): Promise<ArrayBuffer> => (await scraped()).arrayBuffer();
  const text = await (await scraped()).text();
  const lines = text.split('\n').filter((line) => line.startsWith('anthropic_attempts_total{')).length;
  if (lines !== series) throw new Error(`expected ${series} series, got ${lines}`);
  const figures = { plimsoll: [] as number[], promClient: [] as number[] };
  const all = family.all();
  for (let round = 0; round < rounds; round++) {
    for (const each of all) each.add(1);
    for (let at = 0; at < series; at++) counter.inc(labels(at), 1);
    figures.plimsoll.push(await cpuMs(scrape));
    figures.promClient.push(await cpuMs(() => theirs.metrics()));
  }
  return { series, plimsoll: spread(figures.plimsoll), promClient: spread(figures.promClient) };
}
