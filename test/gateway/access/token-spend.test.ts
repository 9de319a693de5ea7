import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { isBudgetExceeded } from 'plimsoll/budget';
import { redisLedger } from 'plimsoll/redis';
import { Redis } from 'ioredis';
import { sharedBudgets } from '../../../src/budget/budgets.ts';
import { TokenSpend } from '../../../src/gateway/access/token-spend.ts';
import { defaultPrices } from '../../../src/pricing/prices.ts';
import { PARAMS, workbench } from '../../../testing/client-workbench.ts';
import { redis, redisServer } from '../../../testing/redis-server.ts';

const EXPIRES_AT_MS = Date.now() + 300_000;
const CENT = 10_000_000n;

/** Calls of the real SDK, held to what a token may spend. */
function spending(spend: TokenSpend, token: { readonly id: string; readonly spendNanoUsd: bigint }) {
  const held = spend.of({ ...token, expiresAtMs: EXPIRES_AT_MS });
  const bench = workbench({ instrument: { budgets: Object.assign(sharedBudgets([], {}), { attach: () => held }) } });
  const billed = (): bigint =>
    BigInt([...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0));
  return { ...bench, billed, call: () => bench.claude.messages.create(PARAMS) };
}

/** Calls until one is refused, and says how many were answered. */
async function untilRefused(call: () => Promise<unknown>): Promise<number> {
  for (let answered = 0; answered < 10_000; answered += 1) {
    try {
      await call();
    } catch (error) {
      assert.ok(isBudgetExceeded(error), String(error));
      return answered;
    }
  }
  return assert.fail('nothing was ever refused');
}

describe('what a minted token may spend', () => {
  test('is spent to the last call that is expected to fit, and is exceeded by no more than that call', async () => {
    const spend = new TokenSpend({ prices: defaultPrices() });
    const { call, billed } = spending(spend, { id: 'a', spendNanoUsd: CENT });
    const answered = await untilRefused(call);
    assert.ok(answered > 5);
    const callNanoUsd = billed() / BigInt(answered);
    assert.ok(billed() < CENT + callNanoUsd && billed() > CENT - 2n * callNanoUsd, `${billed()} of ${CENT}`);
  });

  test('is held for calls that run at once', async () => {
    const spend = new TokenSpend({ prices: defaultPrices() });
    const { call, billed, sim } = spending(spend, { id: 'a', spendNanoUsd: CENT / 10n });
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, call));
    const refused = outcomes.filter(({ status }) => status === 'rejected').length;
    assert.ok(refused > 0 && refused < 50);
    assert.equal(sim.truth.requests.length, 50 - refused);
    // A call is expected to take half of its max_tokens, and can take all.
    assert.ok(billed() <= CENT / 5n, `${billed()}`);
  });

  test('is the same wherever the token is used again, and another for another token', async () => {
    const spend = new TokenSpend({ prices: defaultPrices() });
    await untilRefused(spending(spend, { id: 'a', spendNanoUsd: CENT }).call);
    assert.equal(await untilRefused(spending(spend, { id: 'a', spendNanoUsd: CENT }).call), 0);
    assert.ok((await untilRefused(spending(spend, { id: 'b', spendNanoUsd: CENT }).call)) > 0);
  });

  test('refuses a model without a price: nobody could say what is left', async () => {
    const spend = new TokenSpend({ prices: defaultPrices() });
    const { claude } = spending(spend, { id: 'a', spendNanoUsd: CENT });
    await assert.rejects(claude.messages.create({ ...PARAMS, model: 'claude-unheard-of' }), {
      reason: 'unknown_price',
    });
  });

  test('is shared by gateways on one Redis, and forgotten there within two hours', { skip: redis.skip }, async () => {
    const server = await redisServer();
    const client = new Redis(server.url);
    const ledger = () => redisLedger(client, { prefix: 'plimsoll:spend:', keepMs: 3_600_000 });
    const [here, there] = [0, 1].map(() => new TokenSpend({ prices: defaultPrices(), ledger }));
    assert.ok(here && there);
    try {
      const one = spending(here, { id: 'a', spendNanoUsd: CENT });
      const answered = await untilRefused(one.call);
      await here.close();
      const other = spending(there, { id: 'a', spendNanoUsd: CENT });
      const late = await untilRefused(other.call);
      assert.ok(answered > 5 && late <= 1, `${answered} and ${late}`);
      assert.ok(one.billed() + other.billed() < CENT + (2n * one.billed()) / BigInt(answered));
      await there.close();
      const keys = (await client.keys('*')).filter((key) => !key.endsWith('ledger_id'));
      assert.ok(keys.length > 0);
      for (const key of keys) {
        const leftMs = await client.pttl(key);
        assert.ok(leftMs > 0 && leftMs <= 2 * 3_600_000, `${key}: ${leftMs}`);
      }
    } finally {
      client.disconnect();
      await server.end();
    }
  });

  test('refuses while the Redis that keeps it does not answer', { skip: redis.skip }, async () => {
    const server = await redisServer();
    const client = new Redis(server.url, { maxRetriesPerRequest: 1, retryStrategy: () => null });
    client.on('error', () => undefined);
    const spend = new TokenSpend({ prices: defaultPrices(), ledger: () => redisLedger(client) });
    try {
      const { call } = spending(spend, { id: 'a', spendNanoUsd: CENT });
      await call();
      await server.stop();
      await assert.rejects(call(), { reason: 'ledger_unavailable' });
    } finally {
      await spend.close();
      client.disconnect();
      await server.end();
    }
  });
});
