import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { APIError } from '@anthropic-ai/sdk';
import { budgets, sqliteLedger, type BudgetDefinition } from 'plimsoll/budget';
import { PARAMS, samples } from '../../testing/client-workbench.ts';
import { gatewayBench } from '../../testing/gateway/workbench.ts';

const SMALL = { name: 'small', period: 'month', usd: '0.000000001', mode: 'block' } as const;
const LARGE = { name: 'large', period: 'month', usd: '1000', mode: 'block' } as const;

async function budgeted(t: TestContext, definitions: readonly BudgetDefinition[], text = 'ahoy '.repeat(400)) {
  const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
  const bench = await gatewayBench({
    simulator: { respond: () => ({ text, usage: { output_tokens: 400 } }) },
    gateway: { budgets: held },
  });
  t.after(async () => {
    await bench.close();
    await held.close();
  });
  return {
    ...bench,
    async balance() {
      const [first] = (await held.refresh()).budgets;
      return { spent: first?.balance?.spentNanoUsd, reserved: first?.balance?.reservedNanoUsd };
    },
  };
}

test('a call that does not fit is a 402 of the API’s kind, sent nowhere, and the SDK does not try it again', async (t) => {
  const { claude, sim, registry, log } = await budgeted(t, [SMALL]);
  let requests = 0;
  const counting: typeof fetch = (...asked) => {
    requests++;
    return fetch(...asked);
  };
  const error: unknown = await claude({ maxRetries: 5, fetch: counting })
    .messages.create(PARAMS)
    .catch((reason: unknown) => reason);
  assert.ok(error instanceof APIError);
  assert.equal(error.status, 402);
  assert.equal(error.type, 'billing_error');
  assert.match(
    error.message,
    /would exceed the budget \\"small\\" of \$0\.000000001, which resets at \d{4}-\d\d-\d\dT/,
  );
  assert.doesNotMatch(error.message, /fields of this error/);
  assert.equal(requests, 1);
  assert.equal(sim.truth.requests.length, 0);
  assert.deepEqual(log.events, ['started', 'finished blocked']);
  assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), { 'budget=small,decision=blocked': 1 });

  test('a refusal shows the amount of its budget as money, down to the nano-dollar', async (t) => {
    for (const [usd, shown] of [
      ['0.002', '$0.002'],
      ['0.0005', '$0.0005'],
      ['0.00000012', '$0.00000012'],
    ] as const) {
      const { claude } = await budgeted(t, [{ ...SMALL, usd }]);
      const large = { ...PARAMS, max_tokens: 20_000 };
      const asked = claude().messages.create(large);
      await assert.rejects(
        asked,
        (error: unknown) => error instanceof APIError && error.message.includes(` of ${shown}, which`),
      );
    }
  });

  test('what was spent is what the API bills, for answers, streams and batches', async (t) => {
    const { claude, sim, balance } = await budgeted(t, [LARGE]);
    const client = claude();
    await client.messages.create(PARAMS);
    await client.messages.stream(PARAMS).finalMessage();
    const { id } = await client.messages.batches.create({ requests: [{ custom_id: 'a', params: PARAMS }] });
    for await (const line of await client.messages.batches.results(id)) assert.equal(line.result.type, 'succeeded');
    const billed = [...sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
    assert.ok(billed > 0);
    assert.deepEqual(await balance(), { spent: BigInt(billed), reserved: 0n });
  });

  test('calls that are left hold nothing afterwards, and have spent what their answer had come to, or their prompt', async (t) => {
    const { claude, sim, balance, log } = await budgeted(t, [LARGE]);
    const client = claude({ maxRetries: 0 });
    sim.script([
      { fault: 'stalled_body', at: 6 },
      { fault: 'slow_first_byte', delayMs: 600_000 },
    ]);
    for await (const event of await client.messages.create({ ...PARAMS, stream: true })) {
      if (event.type === 'content_block_delta') break;
    }
    const controller = new AbortController();
    const waiting = client.messages.create(PARAMS, { signal: controller.signal });
    const left = assert.rejects(waiting, { name: 'APIUserAbortError' });
    while (sim.truth.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await left;
    await log.finishedCalls(2);
    assert.deepEqual(
      log.calls.map(({ outcome }) => outcome),
      ['cancelled', 'cancelled'],
    );
    const counted = log.calls.reduce((sum, { cost }) => sum + (cost?.totalNanoUsd ?? 0), 0);
    // The second was left before an answer: its prompt costs $1 a million tokens, of 2.7 characters each.
    const promptTokens = Math.ceil(JSON.stringify(PARAMS).length / 2.7);
    assert.equal(log.calls[1]?.cost?.totalNanoUsd, promptTokens * 1_000);
    assert.ok(counted > promptTokens * 1_000);
    assert.deepEqual(await balance(), { spent: BigInt(counted), reserved: 0n });
  });
});
