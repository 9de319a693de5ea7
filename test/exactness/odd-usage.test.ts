/** Usages that nobody expects, through the real SDK: counted, and priced or loudly not; never NaN, a crash or a silent 0. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';

async function answered(message: object): Promise<Registry> {
  const registry = new Registry();
  const body = JSON.stringify({ type: 'message', model: 'claude-haiku-4-5', ...message });
  const fetch = (): Promise<Response> =>
    Promise.resolve(new Response(body, { headers: { 'content-type': 'application/json' } }));
  await instrument(new Anthropic({ apiKey: 'test', fetch }), { registry }).messages.create(PARAMS);
  return registry;
}

/** In nano-dollars. */
async function cost(registry: Registry): Promise<number> {
  return Math.round((await total(registry, 'anthropic_cost_usd_total')) * 1e9);
}

describe('an answer', () => {
  it('by a model whose name has 10 kB is counted as `other`, and as unpriced', async () => {
    const registry = await answered({ model: 'm'.repeat(10_240), usage: { input_tokens: 3, output_tokens: 4 } });
    assert.deepEqual(await samples(registry, 'anthropic_unpriced_requests_total'), { 'model=other,key=default': 1 });
    assert.deepEqual(await samples(registry, 'plimsoll_label_values_dropped_total'), { 'label=model': 1 });
    assert.equal(await total(registry, 'anthropic_tokens_total'), 7);
    assert.ok((await registry.metrics()).length < 200_000);
  });

  it('with an iteration of a type that is not known is priced by its model, as the others are', async () => {
    const iterations = [
      { type: 'message', input_tokens: 10, output_tokens: 1 },
      { type: 'meditation', model: 'claude-opus-5', input_tokens: 100, output_tokens: 2 },
    ];
    const registry = await answered({ usage: { input_tokens: 10, output_tokens: 1, iterations } });
    assert.equal(await cost(registry), 10 * 1_000 + 1 * 5_000 + 100 * 5_000 + 2 * 25_000);
  });

  it('with iterations that are no objects is counted and not priced in silence', async () => {
    const registry = await answered({ usage: { input_tokens: 10, output_tokens: 1, iterations: [null, 7, 'all'] } });
    assert.equal(await cost(registry), 0);
    assert.equal(await total(registry, 'anthropic_unpriced_requests_total'), 1);
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=usage': 1 });
  });

  it('that used a server tool without a price is unpriced in that, and its tokens are priced', async () => {
    const used = { server_tool_use: { tea_leaves_requests: 2 } };
    const registry = await answered({ usage: { input_tokens: 10, output_tokens: 1, ...used } });
    assert.equal(await cost(registry), 10 * 1_000 + 1 * 5_000);
    assert.deepEqual(await samples(registry, 'anthropic_unpriced_requests_total'), {
      'model=claude-haiku-4-5,key=default': 1,
    });
  });

  it('in a service tier that is not sold is counted and unpriced', async () => {
    const registry = await answered({ usage: { input_tokens: 10, output_tokens: 1, service_tier: 'gold' } });
    assert.equal(await cost(registry), 0);
    assert.equal(await total(registry, 'anthropic_unpriced_requests_total'), 1);
  });

  it('with a field of usage that is not known costs what it costs without', async () => {
    const odd = { carrots: 9, input_audio_tokens: { deep: [1] }, cache_creation: { ephemeral_9d_input_tokens: 8 } };
    const registry = await answered({ usage: { input_tokens: 10, output_tokens: 1, ...odd } });
    assert.equal(await cost(registry), 10 * 1_000 + 1 * 5_000);
    assert.equal(await total(registry, 'plimsoll_errors_total'), 0);
  });
});
