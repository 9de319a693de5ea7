/**
 * `node --conditions=plimsoll-source scripts/console-cost.ts [SETS …]`: what the live page costs a service with so many sets
 * of labels (key, model, operation and attribution together), each with a call every second for an hour. Prints the memory
 * after a collection, what counting takes while nobody looks, and what the open page takes. A minute of CPU, no network.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, withAttribution } from 'plimsoll';
import { consoleHandler } from 'plimsoll/console';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { storeFor } from '../src/record/metrics/registry.ts';
import type { CallWatcher } from '../src/record/metrics/store.ts';

const HOUR_SECONDS = 3_600;
const LOOKS = 30;
const LOOK_EVERY_MS = 2_000;
const ROUTES = 82;
const MODELS = ['claude-haiku-4-5', 'claude-sonnet-5-5', 'claude-opus-5-5'];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use, once everything that can go is gone. */
function inUse(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const cpuMs = (from?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1_000;
};

type Told = { [Event in keyof CallWatcher]: [Event, ...Parameters<CallWatcher[Event]>] }[keyof CallWatcher];

/** What the watcher is told of one real call of each set of labels. */
async function toldOf(registry: Registry, sets: number): Promise<readonly Told[][]> {
  const api = simulator({ tier: 'custom' });
  const routes = Array.from({ length: ROUTES }, (_, index) => `route-${index}`);
  const client = instrument(new Anthropic({ apiKey: 'simulated', fetch: api.fetch, logLevel: 'off' }), {
    registry,
    key: 'prod-harbor',
    attribution: { route: routes },
  });
  const calls: Told[][] = [];
  const store = storeFor(registry);
  const { watcher } = store;
  for (let set = 0; set < sets; set += 1) {
    const told: Told[] = [];
    const keep = (...one: Told): void => void told.push(one);
    store.watcher = {
      attempted: (...of) => keep('attempted', ...of),
      bodyError: (...of) => keep('bodyError', ...of),
      finished: (...of) => keep('finished', ...of),
      used: (...of) => keep('used', ...of),
      cost: (...of) => keep('cost', ...of),
      pacedTurn: () => undefined, // Nobody paces here.
    };
    const model = MODELS[set % MODELS.length] ?? '';
    const messages = [{ role: 'user' as const, content: 'Ahoy' }];
    await withAttribution({ route: `route-${Math.floor(set / MODELS.length)}` }, () =>
      client.messages.create({ model, max_tokens: 64, messages }),
    );
    calls.push(told);
  }
  store.watcher = watcher;
  return calls;
}

async function measured(sets: number): Promise<string> {
  const registry = new Registry();
  let nowMs = Date.UTC(2026, 10, 26, 12);
  const clock = { epochMs: () => nowMs, monotonicMs: () => nowMs };
  const handle = consoleHandler({ registry, clock, name: 'harbor' });
  const calls = await toldOf(registry, sets);
  const { watcher } = storeFor(registry);
  const before = inUse();
  const start = process.cpuUsage();
  let seed = 1;
  const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let second = 0; second < HOUR_SECONDS; second += 1) {
    nowMs += 1_000;
    for (const told of calls) tell(watcher, told, random);
  }
  const countedMs = cpuMs(start);
  const bytes = inUse() - before;
  const opened = process.cpuUsage();
  for (let look = 0; look < LOOKS; look += 1) {
    nowMs += LOOK_EVERY_MS;
    await (await handle(new Request('http://localhost/data?range=3600'))).text();
  }
  const answerMs = cpuMs(opened) / LOOKS;
  return [
    String(sets).padStart(5),
    `${(bytes / 1e6).toFixed(2)} MB`.padStart(10),
    `${((countedMs * 1_000) / (HOUR_SECONDS * sets)).toFixed(1)} µs`.padStart(10),
    `${answerMs.toFixed(1)} ms`.padStart(10),
    `${((answerMs / LOOK_EVERY_MS) * 100).toFixed(2)}%`.padStart(8),
  ].join('');
}

/** Tells of a call like the one that was made, but of another length: from 0.2 s to 30 s, most of them short. */
function tell(watcher: CallWatcher | null, told: readonly Told[], random: () => number): void {
  for (const [event, place, what] of told) {
    if (event === 'finished') {
      const durationSeconds = 0.2 * 150 ** (random() * random());
      watcher?.finished(place, { ...what, durationSeconds, firstTokenSeconds: durationSeconds / 3 });
    } else if (event === 'attempted') watcher?.attempted(place, what);
    else if (event === 'used') watcher?.used(place, what);
    else if (event === 'cost') watcher?.cost(place, what);
  }
}

const asked = process.argv.slice(2).map(Number);
console.log(' sets    memory    a call    answer   of a core, at one answer in 2 s of the last hour');
for (const sets of asked.length === 0 ? [9, 20, 90, 244] : asked) console.log(await measured(sets));
