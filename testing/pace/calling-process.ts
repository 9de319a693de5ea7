/**
 * A process of a fleet that has a pace in Redis. Makes as many calls at once as each message says, and reports how its calls ended
 * so far, and its turns. Takes the addresses of Redis and of the API.
 */
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { pace } from 'plimsoll/pace';
import { redisPace } from 'plimsoll/redis';
import { Registry } from 'prom-client';
import { PARAMS, samples, total } from '../client-workbench.ts';

/** What a process of the fleet reports. */
export interface FleetReport {
  readonly ok: number;
  readonly failed: readonly string[];
  readonly turns: Readonly<Record<string, number>>;
  readonly errors: number;
}

const [redisUrl = '', baseURL = ''] = process.argv.slice(2);
const registry = new Registry();
const store = redisPace(redisUrl);
const claude = instrument(new Anthropic({ apiKey: 'test', baseURL, maxRetries: 0, logLevel: 'off' }), {
  registry,
  pace: pace({ store, limits: { 'haiku-4.5': { requests: 60 } } }),
});
let ok = 0;
const failed: string[] = [];

process.on('message', (calls) => {
  const one = async (): Promise<void> => {
    try {
      await claude.messages.create(PARAMS);
      ok += 1;
    } catch (error) {
      failed.push(String(error));
    }
  };
  void Promise.all(Array.from({ length: Number(calls) }, one)).then(async () => {
    const turns = await samples(registry, 'anthropic_pace_turns_total');
    const errors = await total(registry, 'plimsoll_errors_total');
    process.send?.({ ok, failed, turns, errors } satisfies FleetReport);
  });
});
process.once('disconnect', () => void store.close());
