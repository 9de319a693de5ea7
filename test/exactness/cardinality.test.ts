import assert from 'node:assert/strict';
import { it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, withAttribution } from 'plimsoll';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';

const CALLS = 10_000;
const BATCH = 100;

/** A small generator of its own, so that a failing run can be run again. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

it('makes a bounded number of series of 10,000 random models and label values, with exact totals', async () => {
  const sim = simulator({ unknownModels: 'serve', keepRequests: 0, limits: { other: {} } });
  const registry = new Registry();
  const claude = instrument(new Anthropic({ apiKey: 'test', fetch: sim.fetch, maxRetries: 0 }), {
    registry,
    models: ['claude-haiku-4-5'],
    attribution: { feature: ['search', 'chat'], tenant: [] },
  });
  const random = numbers(7);
  const call = async (at: number): Promise<void> => {
    const declared = at % 10 === 0;
    const model = declared ? 'claude-haiku-4-5' : `model-${random.next().value}`;
    const feature = declared ? (at % 20 === 0 ? 'search' : 'chat') : `feature ${random.next().value}`;
    await withAttribution({ feature, tenant: `tenant-${random.next().value}` }, () =>
      claude.messages.create({ ...PARAMS, model }),
    );
  };
  for (let from = 0; from < CALLS; from += BATCH)
    await Promise.all(Array.from({ length: BATCH }, (_, at) => call(from + at)));

  const metrics = await registry.getMetricsAsJSON();
  const series = metrics.reduce((sum, { values }) => sum + values.length, 0);
  assert.ok(series < 40_000, `${series} samples`);
  const requests = await samples(registry, 'anthropic_requests_total');
  const sumOf = (pattern: RegExp): number =>
    Object.entries(requests).reduce((sum, [labels, value]) => sum + (pattern.test(labels) ? value : 0), 0);
  assert.equal(sumOf(/./), CALLS);
  assert.equal(sumOf(/model=claude-haiku-4-5,/), CALLS / 10);
  assert.equal(sumOf(/feature=search/), CALLS / 20);
  assert.equal(sumOf(/feature=chat/), CALLS / 20);
  assert.ok((await total(registry, 'plimsoll_label_values_dropped_total')) > 0);
  let billed = 0;
  for (const { tokens } of sim.truth.totals('reported').values()) billed += tokens.input + tokens.output;
  assert.equal(await total(registry, 'anthropic_tokens_total'), billed);
});
