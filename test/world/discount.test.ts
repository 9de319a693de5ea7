import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pricesFrom } from 'plimsoll';
import { budgets, isBudgetExceeded } from 'plimsoll/budget';
import { collected, samples, total, workbench, type Workbench } from '../../testing/client-workbench.ts';

/**
 * Organizations with a contract pay less than the list price: their budgets ran out before their money did. The amounts are
 * worked out by hand, in dollars.
 */

const NOW_MS = Date.UTC(2026, 10, 24);

const CLOCK = { epochMs: () => NOW_MS, monotonicMs: () => performance.now() };

/** Opus 5.5 costs $4 a million tokens of input. */
const OPUS = { model: 'claude-opus-5-5', max_tokens: 1, messages: [{ role: 'user' as const, content: 'Ahoy' }] };

/** A key with a discount of 12.5%, and a budget that stops it. */
function bench(usd: number, key = 'prod-api-key') {
  const prices = pricesFrom({ extends: 'default', discounts: { 'prod-api-key': '0.125' } });
  const held = budgets({ clock: CLOCK, definitions: [{ name: 'day', period: 'day', usd, mode: 'block' }] });
  const made: Workbench = workbench({
    simulator: { respond: () => ({ usage: { input_tokens: 1_000_000, output_tokens: 0 } }) },
    client: { maxRetries: 0 },
    instrument: { key, clock: CLOCK, prices, budgets: held },
  });
  return { ...made, held };
}

const spentUsd = async ({ held }: ReturnType<typeof bench>): Promise<number> =>
  Number((await held.refresh()).budgets[0]?.balance?.spentNanoUsd ?? 0n) / 1e9;

describe('a key with a discount', () => {
  it('spends of its budgets what it pays, with the cost at list price beside', async () => {
    const made = bench(100);
    await made.claude.messages.create(OPUS);
    assert.equal(await spentUsd(made), 3.5);
    assert.equal(await total(made.registry, 'anthropic_cost_usd_total'), 4);
    assert.deepEqual(await samples(made.registry, 'anthropic_key_discount_ratio'), { 'key=prod-api-key': 0.125 });
    assert.equal(await total(made.registry, 'anthropic_budget_spent_usd'), 3.5);
  });

  it('is let through as long as what it pays is within the budget', async () => {
    const made = bench(4);
    await made.claude.messages.create(OPUS);
    await made.claude.messages.create(OPUS); // $3.50 were spent; $4 at list price would have been all
    assert.equal(await spentUsd(made), 7);
    await assert.rejects(made.claude.messages.create(OPUS), isBudgetExceeded);
  });

  it('spends so for the results of batches', async () => {
    const made = bench(100);
    const { id } = await made.claude.messages.batches.create({ requests: [{ custom_id: 'a', params: OPUS }] });
    await collected(await made.claude.messages.batches.results(id));
    assert.equal(await spentUsd(made), 1.75);
  });
});

it('a key without one pays the list price', async () => {
  const made = bench(100, 'prod-other-key');
  await made.claude.messages.create(OPUS);
  assert.equal(await spentUsd(made), 4);
});

it('the price of one model is added to the table, and all others stay', async () => {
  const rates = { input: 40, output: 200, cacheWrite5m: 50, cacheWrite1h: 80, cacheRead: 2 };
  const prices = pricesFrom({ extends: 'default', models: [{ model: 'claude-sloop-1', prices: [rates] }] });
  const { claude, registry } = workbench({
    simulator: { unknownModels: 'serve', respond: () => ({ usage: { input_tokens: 1_000_000, output_tokens: 0 } }) },
    instrument: { clock: CLOCK, prices },
  });
  await claude.messages.create({ ...OPUS, model: 'claude-sloop-1' });
  await claude.messages.create(OPUS);
  assert.equal(await total(registry, 'anthropic_cost_usd_total'), 44);
  assert.equal(await total(registry, 'anthropic_price_table_outdated'), 0);
});
