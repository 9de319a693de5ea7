/**
 * Requests that the customer behind a user profile pays (`billing_policy`, beta). The amounts are worked out by hand from the
 * price list of 2026-11: Haiku 4.5 costs $1 a million tokens in and $5 a million out.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { instrumentFetch } from 'plimsoll';
import { isBudgetExceeded } from 'plimsoll/budget';
import { simulator } from 'plimsoll/simulator';
import { TotalsRecorder } from '../../src/totals/totals-recorder.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { budgeted, readAll } from '../../testing/budget/budgeted-client.ts';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';

const TO_SELF = { ...PARAMS, billing_policy: { type: 'billing_policy', bill_to: 'self' } } as const;
const TO_PROFILE = {
  ...{ ...PARAMS, user_profile_id: 'uprof_1' },
  billing_policy: { type: 'billing_policy', bill_to: 'user_profile' },
} as const;

/** 1,000 tokens in and 200 out are 0.001 + 0.001 USD. */
const USAGE = { usage: { input_tokens: 1_000, output_tokens: 200 } };
const NANO_USD = 2_000_000;

/** A budget of one cent refuses what would cost more. */
function bench() {
  const totals = new TotalsRecorder({ prices: defaultPrices(), now: () => Date.now() });
  const bench = budgeted([{ name: 'all', period: 'month', usd: '0.01', mode: 'block' }], {
    simulator: { respond: () => USAGE, tier: 'start' },
    instrument: { recorders: [totals] },
  });
  return { ...bench, totals };
}

const SPENDS = ['anthropic_cost_usd_total', 'anthropic_unpriced_requests_total', 'anthropic_tier_spend_usd'] as const;

describe('a request that another organization pays', () => {
  it('is in no cost, budget, spend of the tier or daily total, and its tokens count', async () => {
    const { claude, sim, registry, balance, totals } = bench();
    for (let calls = 0; calls < 20; calls++) await claude.beta.messages.create(TO_PROFILE);
    await readAll(await claude.beta.messages.create({ ...TO_PROFILE, stream: true }));
    assert.equal(sim.truth.totals().size, 0);
    assert.equal(sim.truth.totals('to_profiles').get('claude-haiku-4-5-20251001')?.totalNanoUsd, 21 * NANO_USD);
    assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
    for (const name of SPENDS) assert.equal(await total(registry, name), 0, name);
    assert.deepEqual(totals.take(), []);
    assert.equal(await total(registry, 'anthropic_tokens_total'), 21 * 1_200);
    assert.deepEqual(await samples(registry, 'anthropic_cost_billed_to_others_usd_total'), {
      'model=claude-haiku-4-5,key=default': 0.042,
    });
  });

  it('goes on where the budget is spent, and what the organization pays does not', async () => {
    const { claude, registry, balance } = bench();
    for (let calls = 0; calls < 5; calls++) await claude.beta.messages.create(TO_SELF);
    await assert.rejects(claude.beta.messages.create(TO_SELF), isBudgetExceeded);
    await claude.beta.messages.create({ ...TO_PROFILE, max_tokens: 20_000 });
    await assert.rejects(claude.beta.messages.create(TO_SELF), isBudgetExceeded);
    assert.deepEqual(await balance(), { spent: BigInt(5 * NANO_USD), reserved: 0n });
    assert.equal(await total(registry, 'anthropic_cost_usd_total'), 0.01);
    assert.equal(await total(registry, 'anthropic_cost_billed_to_others_usd_total'), 0.002);
  });

  it('without a profile is refused, and nobody pays', async () => {
    const { claude, sim, registry } = bench();
    const { user_profile_id: _, ...nobody } = TO_PROFILE;
    await assert.rejects(claude.beta.messages.create(nobody), { errorCode: 'user_profile_required' });
    assert.equal(sim.truth.totals('to_profiles').size, 0);
    for (const name of [...SPENDS, 'anthropic_cost_billed_to_others_usd_total']) {
      assert.equal(await total(registry, name), 0, name);
    }
  });

  it('is an error of its own in a batch, in which nobody pays for it and the others run', async () => {
    const { claude, registry, balance } = bench();
    const { user_profile_id: _, ...params } = TO_PROFILE;
    const { id } = await claude.beta.messages.batches.create({
      requests: [
        { custom_id: 'theirs', params: { ...params, max_tokens: 60_000 } },
        { custom_id: 'ours', params: TO_SELF },
      ],
    });
    for await (const { custom_id, result } of await claude.beta.messages.batches.results(id)) {
      assert.equal(result.type, custom_id === 'ours' ? 'succeeded' : 'errored');
    }
    assert.deepEqual(await balance(), { spent: BigInt(NANO_USD / 2), reserved: 0n });
    assert.equal(await total(registry, 'anthropic_cost_billed_to_others_usd_total'), 0);
  });

  it('is the same through an observed fetch', async () => {
    const sim = simulator({ respond: () => USAGE });
    const registry = new Registry();
    const fetch = instrumentFetch(sim.fetch, { registry });
    const { user_profile_id: id, ...body } = TO_PROFILE;
    const headers = { 'x-api-key': 'any', 'anthropic-version': '2023-06-01', 'anthropic-user-profile-id': id };
    const sent = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } };
    const response = await fetch('https://api.anthropic.com/v1/messages', { ...sent, body: JSON.stringify(body) });
    await response.json();
    assert.equal(await total(registry, 'anthropic_cost_billed_to_others_usd_total'), 0.002);
    assert.equal(await total(registry, 'anthropic_cost_usd_total'), 0);
  });
});
