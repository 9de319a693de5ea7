import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryLedger, sqliteLedger, type BudgetDefinition, type Ledger, type ThresholdReached } from 'plimsoll/budget';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';
import { budgeted, readAll } from '../../testing/budget/budgeted-client.ts';
import { refusal } from '../../testing/budget/refusal.ts';

const ROOMY: BudgetDefinition = { name: 'all', period: 'month', usd: 100, mode: 'block' };

test('while a call is in progress its expected cost is reserved; when it ends, the actual cost replaces it', async () => {
  const { claude, balance, billed } = budgeted([ROOMY]);
  const stream = await claude.messages.create({ ...PARAMS, stream: true });
  const during = await balance();
  assert.equal(during.spent, 0n);
  assert.ok(during.reserved > 0n);
  await readAll(stream);
  assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
});

test('what is held is never more than all of max_tokens and a token for each character', async () => {
  const { claude, balance } = budgeted([ROOMY]);
  const stream = await claude.messages.create({ ...PARAMS, max_tokens: 10_000, stream: true });
  // Claude Haiku 4.5: $1, $2 for what is cached an hour, and $5 a million tokens.
  const worst = BigInt(JSON.stringify({ ...PARAMS, max_tokens: 10_000, stream: true }).length * 2_000 + 10_000 * 5_000);
  const { reserved } = await balance();
  assert.ok(reserved > worst / 10n && reserved <= worst, `${reserved} of ${worst}`);
  stream.controller.abort();
});

test('what is held follows what the route has used of its max_tokens so far', async () => {
  const { claude, balance } = budgeted([ROOMY], {
    simulator: { respond: () => ({ text: 'Aye.', usage: { output_tokens: 100 } }) },
  });
  const params = { ...PARAMS, max_tokens: 10_000 };
  const heldForOne = async (): Promise<number> => {
    const stream = await claude.messages.create({ ...params, stream: true });
    const { reserved } = await balance();
    await readAll(stream);
    return Number(reserved);
  };
  const first = await heldForOne();
  for (let calls = 0; calls < 30; calls += 1) await claude.messages.create(params);
  const last = await heldForOne();
  assert.ok(first > 5_000 * 5_000, String(first));
  // 100 of 10,000 tokens at $5 a million are 500,000 nano-dollars.
  assert.ok(last > 500_000 && last < 10 * 500_000, String(last));
});

test('calls that fail, are canceled or are abandoned release what they held', async () => {
  const { claude, sim, balance, billed } = budgeted([ROOMY]);
  sim.script([{ fault: 'overloaded' }, { fault: 'connection_reset' }, { fault: 'cut_body', at: 'message_stop' }]);
  const once = { maxRetries: 0 };
  await assert.rejects(claude.messages.create(PARAMS, once));
  await assert.rejects(claude.messages.create(PARAMS, once));
  assert.deepEqual(await balance(), { spent: 0n, reserved: 0n });
  await assert.rejects(claude.messages.stream(PARAMS, once).finalMessage());
  assert.equal((await balance()).reserved, 0n);
  const left = await claude.messages.create({ ...PARAMS, stream: true });
  for await (const event of left) if (event.type === 'content_block_delta') break;
  const aborted = new AbortController();
  aborted.abort();
  await assert.rejects(claude.messages.create(PARAMS, { ...once, signal: aborted.signal }));
  const { spent, reserved } = await balance();
  assert.equal(reserved, 0n);
  // Of what was cut and left the server bills what it had generated, which nobody is told.
  assert.ok(spent > 0n && spent <= billed() * 2n, `${spent} of ${billed()}`);
});

test('a call that is retried holds and costs once', async () => {
  const { claude, sim, balance, billed, registry } = budgeted([ROOMY]);
  sim.script([{ fault: 'overloaded', headers: { 'retry-after-ms': '1' } }]);
  await claude.messages.create(PARAMS);
  assert.equal(sim.truth.requests.length, 2);
  assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
  assert.equal(await total(registry, 'anthropic_budget_decisions_total'), 1);
});

test('scopes count calls by key, model and label, and a call in several scopes counts in each', async () => {
  const route = { label: 'route', value: 'search' };
  const scopes = {
    all: 'all',
    key: { key: 'prod-search-api' },
    otherKey: { key: 'prod-checkout-api' },
    haiku: { model: 'claude-haiku-4-5' },
    sonnet: { model: 'claude-sonnet-5' },
    search: route,
    elsewhere: { ...route, value: 'elsewhere' },
  } as const;
  const definitions = Object.entries(scopes).map(([name, scope]) => ({ ...ROOMY, name, scope }));
  const { claude, balance, billed, registry } = budgeted(definitions, {
    instrument: { key: 'prod-search-api', attribution: { route: ['search'] }, labels: { route: 'search' } },
  });
  await claude.messages.create({ ...PARAMS, model: 'claude-haiku-4-5-20251001' });
  const haiku = billed();
  await claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' });
  const spent: Record<string, bigint> = {};
  for (const name of Object.keys(scopes)) spent[name] = (await balance(name)).spent;
  assert.deepEqual(spent, {
    all: billed(),
    key: billed(),
    otherKey: 0n,
    haiku,
    sonnet: billed() - haiku,
    search: billed(),
    elsewhere: 0n,
  });
  assert.equal((await samples(registry, 'anthropic_budget_decisions_total'))['budget=haiku,decision=allowed'], 1);
});

test('spend on another model than the requested one counts for the budget of the model that ran', async () => {
  const { claude, balance, billed } = budgeted(
    [
      { ...ROOMY, name: 'asked', scope: { model: 'claude-sonnet-5' } },
      { ...ROOMY, name: 'ran', scope: { model: 'claude-haiku-4-5' } },
    ],
    { simulator: { respond: () => ({ model: 'claude-haiku-4-5' }) } },
  );
  await claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' });
  assert.deepEqual(await balance('asked'), { spent: 0n, reserved: 0n });
  assert.deepEqual(await balance('ran'), { spent: billed(), reserved: 0n });
});

test('a budget of a model holds under every id that the price table knows the model by', async () => {
  const scope = { model: 'claude-haiku-4-5-20251001' };
  const { claude, balance, billed } = budgeted([{ ...ROOMY, scope, usd: '0.0004', mode: 'block' }]);
  await claude.messages.create({ ...PARAMS, model: 'claude-haiku-4-5' });
  assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
  await refusal(async () => {
    for (let tries = 0; tries < 10; tries += 1) await claude.messages.create(PARAMS);
  });
});

test('a batch is held once it is created, and is spent when its results are read', async () => {
  const { claude, balance, billed } = budgeted([ROOMY]);
  const requests = ['first', 'second'].map((custom_id) => ({ custom_id, params: PARAMS }));
  const { id } = await claude.messages.batches.create({ requests });
  // 32 tokens out are expected of each at $2.50 a million, and more than 20 in at $0.50.
  const { spent, reserved } = await balance();
  assert.ok(spent === 0n && reserved > 2n * (32n * 2_500n + 20n * 500n) && reserved < 300_000n, String(reserved));
  for (;;) if ((await claude.messages.batches.retrieve(id)).processing_status === 'ended') break;
  await readAll(await claude.messages.batches.results(id));
  assert.ok(billed() > 0n);
  assert.deepEqual(await balance(), { spent: billed(), reserved: 0n });
});

test('onThreshold is called once for each threshold, and the counter counts it', async () => {
  const reached: ThresholdReached[] = [];
  const { claude, registry, sim } = budgeted([{ ...ROOMY, usd: '0.002', mode: 'warn', thresholds: [1, 0.5] }], {
    budgets: { onThreshold: (one) => void reached.push(one) },
    simulator: { respond: () => ({ text: 'Aye.', usage: { input_tokens: 100, output_tokens: 60 } }) },
  });
  for (let calls = 0; calls < 8; calls += 1) await claude.messages.create(PARAMS);
  assert.equal(sim.truth.requests.length, 8);
  assert.deepEqual(
    reached.map(({ budget, threshold, spentUsd, limitUsd }) => ({ budget, threshold, spentUsd, limitUsd })),
    [
      // A call costs $0.0004.
      { budget: 'all', threshold: 0.5, spentUsd: 0.0012, limitUsd: 0.002 },
      { budget: 'all', threshold: 1, spentUsd: 0.002, limitUsd: 0.002 },
    ],
  );
  assert.deepEqual(await samples(registry, 'anthropic_budget_thresholds_reached_total'), {
    'budget=all,threshold=0.5': 1,
    'budget=all,threshold=1': 1,
  });
});

test('an onThreshold that throws or rejects is counted, and no call notices', async () => {
  for (const onThreshold of [
    () => {
      throw new Error('pager is down');
    },
    () => Promise.reject(new Error('pager is down')),
  ]) {
    const tiny: BudgetDefinition = { ...ROOMY, usd: '0.0001', mode: 'warn', thresholds: [1] };
    const { claude, registry } = budgeted([tiny], { budgets: { onThreshold } });
    await claude.messages.create(PARAMS);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=budget': 1 });
  }
});

test('budgets can be closed twice: the second close waits for the same end', async () => {
  const { held } = budgeted([{ name: 'all', period: 'day', usd: 1 }]);
  assert.deepEqual(await Promise.all([held.close(), held.close()]), [true, true]);
  assert.equal(await held.close(), true);
});

test('calls of one turn that a full budget blocks take nothing from a budget that they share with others', async () => {
  const opus = { ...PARAMS, model: 'claude-opus-4-5', max_tokens: 4_000 };
  const haiku = { ...PARAMS, max_tokens: 4_000 };
  // Ten calls of Haiku need $0.20 at most, and the thirty of Opus, none of which is sent, $3.
  const definitions: readonly BudgetDefinition[] = [
    { name: 'all', period: 'month', usd: 1, mode: 'block' },
    { name: 'opus', period: 'month', usd: 0.000_001, mode: 'block', scope: { model: opus.model } },
  ];
  for (const ledger of [memoryLedger(), sqliteLedger(':memory:')]) {
    const { claude, held, registry } = budgeted(definitions, { budgets: { ledger } });
    held.gather();
    const asked = Array.from({ length: 40 }, (_, index) => claude.messages.create(index % 4 === 3 ? haiku : opus));
    const ended = await Promise.allSettled(asked);
    const sent = ended.map(({ status }, index) => (status === 'fulfilled' ? index % 4 : null));
    assert.deepEqual(
      sent.filter((place) => place !== null),
      new Array(10).fill(3),
    );
    // Once the budget of Opus has refused, its calls are refused before another budget is asked.
    assert.deepEqual(await samples(registry, 'anthropic_budget_decisions_total'), {
      'budget=all,decision=allowed': 11,
      'budget=opus,decision=blocked': 30,
    });
    await held.close();
  }
});

test('a call of several budgets is one transaction before it is sent, and one after it', async () => {
  const ledger = sqliteLedger(':memory:');
  const steps: string[] = [];
  const { post, postAll } = ledger;
  assert.ok(postAll !== undefined);
  const counting: Ledger = {
    ...ledger,
    post: (posting) => (steps.push('one'), post(posting)),
    postAll: (postings) => (steps.push(`${postings.length} together`), postAll(postings)),
  };
  const names = ['a', 'b', 'c', 'd', 'e'];
  const { claude, sim, balance, billed } = budgeted(
    names.map((name) => ({ name, period: 'month', usd: 1, mode: 'block' })),
    { budgets: { ledger: counting }, simulator: { respond: () => (steps.push('sent'), { text: 'Aye.' }) } },
  );
  await claude.messages.create(PARAMS);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(steps, ['5 together', 'sent', '5 together']);
  assert.equal(sim.truth.requests.length, 1);
  for (const name of names) assert.deepEqual(await balance(name), { spent: billed(), reserved: 0n });
});
