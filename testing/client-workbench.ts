import { mock } from 'node:test';
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { instrument, type InstrumentOptions } from 'plimsoll';
import { simulator, type Simulator, type SimulatorOptions } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { KeepingRecorder } from './keeping-recorder.ts';

/** The real SDK, instrumented, on a simulator; and all that was recorded. */
export interface Workbench {
  readonly sim: Simulator;
  readonly claude: Anthropic;
  readonly log: KeepingRecorder;
  readonly registry: Registry;
}

export interface WorkbenchOptions {
  readonly simulator?: SimulatorOptions;
  readonly client?: ClientOptions;
  readonly instrument?: InstrumentOptions;
}

export function workbench(options: WorkbenchOptions = {}): Workbench {
  const sim = simulator(options.simulator);
  const log = new KeepingRecorder();
  const registry = new Registry();
  const plain = new Anthropic({ apiKey: 'test', fetch: sim.fetch, logLevel: 'off', ...options.client });
  return { sim, log, registry, claude: instrument(plain, { registry, recorders: [log], ...options.instrument }) };
}

export const PARAMS = {
  model: 'claude-haiku-4-5',
  max_tokens: 64,
  messages: [{ role: 'user' as const, content: 'hello' }],
};

/** A registry's samples of one metric, as `label=value,… → number`, without those that are 0. */
export async function samples(registry: Registry, name: string): Promise<Readonly<Record<string, number>>> {
  const metrics = await registry.getMetricsAsJSON();
  const values = metrics.find((metric) => metric.name === name)?.values ?? [];
  return Object.fromEntries(
    values
      .filter(({ value }) => value !== 0)
      .map(({ labels, value }) => [
        Object.entries(labels)
          .map(([label, text]) => `${label}=${text}`)
          .join(','),
        value,
      ]),
  );
}

/** The sum over all series of one metric. */
export async function total(registry: Registry, name: string): Promise<number> {
  return Object.values(await samples(registry, name)).reduce((sum, value) => sum + value, 0);
}

/** How far time goes at a step of `withSteppedTime`. */
export const STEP_MS = 25;

/**
 * Runs `fn` with timers and dates that go on by steps while it has nothing else to do, so that minutes of the SDK's
 * waiting take no time and are measured to within a step or two.
 */
export async function withSteppedTime<T>(fn: () => Promise<T>): Promise<T> {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 10, 24) });
  try {
    let settled = false;
    const result = fn().finally(() => (settled = true));
    result.catch(() => undefined); // it is awaited below
    while (!settled) {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (!settled) mock.timers.tick(STEP_MS);
    }
    return await result;
  } finally {
    mock.timers.reset();
  }
}

/** A clock over the dates of `withSteppedTime`. */
export const steppedClock = { epochMs: () => Date.now(), monotonicMs: () => Date.now() };

export async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}
