import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { APIError } from '@anthropic-ai/sdk';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { clientGuards, type GatewayOptions, type Grant } from 'plimsoll/gateway';
import type { Fault, SimulatorOptions } from 'plimsoll/simulator';
import { sqliteUsage } from '../../src/gateway/access/usage-stores.ts';
import { usageBook } from '../../src/gateway/access/usage.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { PARAMS, collected, samples } from '../../testing/client-workbench.ts';
import { freePort } from '../../testing/free-port.ts';
import { gatewayBench } from '../../testing/gateway/workbench.ts';

const secret = (name: string): string => ['sk-ant', 'test', name].join('-');

const KEYS = ['prod-one-api', 'prod-two-api', 'prod-three-api'] as const;

const FAILOVERS = 'plimsoll_gateway_failovers_total';

interface Pooled {
  readonly grant?: Partial<Grant>;
  readonly gateway?: Partial<GatewayOptions>;
  readonly simulator?: SimulatorOptions;
  readonly aliases?: readonly string[];
}

/** A gateway with a pool of keys, each of an organization of its own, asked in their order. */
async function pooled(t: TestContext, { grant, gateway, simulator, aliases = KEYS }: Pooled = {}) {
  let nowMs = 1_000_000;
  const keys = KEYS.map((name) => ({ name, key: secret(name), organization: `org-${name}` }));
  const bench = await gatewayBench({
    simulator: { keys, ...simulator },
    grant: { key: 'team', ...grant },
    gateway: {
      keys: new Map(KEYS.map((alias) => [alias, () => secret(alias)])),
      // The first of equal weights wins, because nothing is drawn.
      pools: new Map([
        ['team', { keys: new Map(aliases.map((alias) => [alias, 1])), choose: 'weight', sticky: false }],
      ]),
      clock: { epochMs: () => Date.now(), monotonicMs: () => nowMs },
      random: () => 0.5,
      ...gateway,
    },
  });
  t.after(() => bench.close());
  return {
    ...bench,
    usedKeys: () => bench.sim.truth.requests.map(({ key }) => key),
    /** Lets time pass for what rests. */
    pass: (ms: number) => void (nowMs += ms),
    ask: (body: object = PARAMS) =>
      bench
        .claude({ maxRetries: 0 })
        .messages.create({ ...PARAMS, ...body })
        .withResponse(),
  };
}

const [ONE, TWO] = KEYS;

const MOVED: Readonly<Record<string, readonly [Fault, reason: string]>> = {
  'a rate limit': [{ fault: 'input_tokens_limit' }, 'rate_limited'],
  'a spend cap of the tier': [{ fault: 'tier_spend_cap' }, 'spend_limited'],
  'a spend limit of the workspace': [{ fault: 'workspace_spend_limit' }, 'spend_limited'],
  'credit that is used up': [{ fault: 'no_credit' }, 'spend_limited'],
  'a key that was revoked': [{ fault: 'unauthorized' }, 'unauthorized'],
  'an overload': [{ fault: 'overloaded' }, 'overloaded'],
};

describe('a pool hides from its client', () => {
  for (const [what, [fault, reason]] of Object.entries(MOVED))
    test(what, async (t) => {
      const bench = await pooled(t);
      bench.sim.script([fault]);
      const { data, response } = await bench.ask();
      assert.equal(data.type, 'message');
      assert.equal(response.headers.get('plimsoll-fallback'), null);
      assert.equal(bench.sim.truth.requests.length, 2);
      await bench.log.finishedCalls(2);
      assert.deepEqual(bench.log.calls.map(({ key, outcome }) => [key, outcome]).toSorted(), [
        [ONE, 'failed_over'],
        [TWO, 'ok'],
      ]);
      assert.deepEqual(await samples(bench.registry, FAILOVERS), { [`key=${ONE},reason=${reason},way=pool`]: 1 });
      const states = await samples(bench.registry, 'plimsoll_gateway_key_state');
      assert.equal(states[`key=${ONE},state=${reason}`], 1);
      assert.equal(states[`key=${TWO},state=closed`], 1);
    });
});

describe('a pool passes on', () => {
  const passed: Readonly<Record<string, Fault>> = {
    'a request that is wrong': { fault: 'invalid_request' },
    'a server error': { fault: 'server_error' },
    'a limit of the organization that is to pay': { fault: 'linked_organization_spend_limit' },
  };
  for (const [what, fault] of Object.entries(passed))
    test(what, async (t) => {
      const bench = await pooled(t);
      bench.sim.script([fault]);
      await assert.rejects(bench.ask(), APIError);
      assert.deepEqual(bench.usedKeys(), [ONE]);
      assert.deepEqual(await samples(bench.registry, FAILOVERS), {});
    });

  test('the last refusal, where every key refuses, byte for byte', async (t) => {
    const bench = await pooled(t);
    bench.sim.script([{ fault: 'overloaded' }, { fault: 'overloaded' }, { fault: 'input_tokens_limit' }]);
    const error: unknown = await bench.ask().catch((reason: unknown) => reason);
    assert.ok(error instanceof APIError);
    assert.equal(error.status, 429);
    assert.match(error.message, /input tokens per minute/);
    assert.ok(error.headers instanceof Headers && error.headers.has('retry-after'));
    assert.equal(new Set(bench.usedKeys()).size, 3);
  });

  test('a stream that breaks after its first byte', async (t) => {
    const bench = await pooled(t);
    bench.sim.script([{ fault: 'error_event', at: 2, type: 'overloaded_error' }]);
    const stream = await bench.claude({ maxRetries: 0 }).messages.create({ ...PARAMS, stream: true });
    await assert.rejects(collected(stream), APIError);
    assert.equal(bench.sim.truth.requests.length, 1);
  });
});

test('a key that refused rests, is tried by one request, and comes back', async (t) => {
  const bench = await pooled(t);
  bench.sim.script([{ fault: 'unauthorized' }]);
  await bench.ask();
  await bench.ask();
  assert.deepEqual(
    bench.usedKeys(),
    [null, TWO, TWO].map((key) => key ?? ONE),
  );
  bench.pass(60_001);
  await bench.ask();
  await bench.ask();
  assert.deepEqual(bench.usedKeys().slice(3), [ONE, ONE]);
});

test('a limit of one model class leaves the key to the others', async (t) => {
  const bench = await pooled(t);
  bench.sim.script([{ fault: 'input_tokens_limit' }]);
  await bench.ask({ model: 'claude-opus-5-5' });
  await bench.ask({ model: 'claude-haiku-5-5' });
  await bench.ask({ model: 'claude-opus-5-5' });
  assert.deepEqual(bench.usedKeys(), [ONE, TWO, ONE, TWO]);
});

test('where all keys rest, each request goes to one of them, and the API answers for itself', async (t) => {
  const bench = await pooled(t, { aliases: [ONE, TWO] });
  bench.sim.script([{ fault: 'overloaded' }, { fault: 'overloaded' }, { fault: 'overloaded' }]);
  await assert.rejects(bench.ask(), { status: 529 });
  await assert.rejects(bench.ask(), { status: 529 });
  await bench.ask();
  assert.equal(bench.sim.truth.requests.length, 4);
});

test('a key that is replaced is asked at once, and what was under way with the old one says nothing about it', async (t) => {
  let text = 'revoked';
  const keys = new Map([
    [ONE, () => secret(text)],
    [TWO, () => secret(TWO)],
  ]);
  const bench = await pooled(t, { aliases: [ONE, TWO], gateway: { keys } });
  await bench.ask();
  text = ONE;
  await bench.ask();
  assert.deepEqual(bench.usedKeys(), [null, TWO, ONE]);
});

test('retries of an SDK come back to the key of their call, and are one call with it', async (t) => {
  const bench = await pooled(t, { aliases: [ONE, TWO] });
  const limited = {
    fault: 'error',
    status: 429,
    type: 'rate_limit_error',
    headers: { 'retry-after-ms': '1' },
  } as const;
  bench.sim.script([limited, limited]);
  const asked = bench.claude({ maxRetries: 2 }).messages.create(PARAMS);
  await asked;
  await bench.log.finishedCalls(2);
  const calls = bench.log.calls.map(({ key, attempts, outcome }) => [key, attempts, outcome]);
  assert.equal(bench.sim.truth.requests.length, 3);
  assert.deepEqual(calls[0], [ONE, 1, 'failed_over']);
  assert.equal(calls.at(-1)?.[2], 'ok');
});

test('budgets hold each request that is sent, by its own key, and have spent what the API bills', async (t) => {
  const definitions = [
    { name: 'all', period: 'month', usd: '10', mode: 'block' },
    { name: 'one', period: 'month', usd: '10', mode: 'block', scope: { key: ONE } },
    { name: 'two', period: 'month', usd: '10', mode: 'block', scope: { key: TWO } },
  ] as const;
  const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
  t.after(() => held.close());
  const bench = await pooled(t, { gateway: { budgets: held } });
  bench.sim.script([{ fault: 'overloaded' }]);
  await bench.ask();
  await bench.log.finishedCalls(2);
  const billed = [...bench.sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0);
  assert.ok(billed > 0);
  const { budgets: seen } = await held.refresh();
  assert.deepEqual(
    seen.map(({ balance }) => [balance?.spentNanoUsd, balance?.reservedNanoUsd]),
    [
      [BigInt(billed), 0n],
      [0n, 0n],
      [BigInt(billed), 0n],
    ],
  );
});

test('a budget that refuses the second key lets the first refusal go back', async (t) => {
  const definitions = [
    { name: 'two', period: 'month', usd: '0.000000001', mode: 'block', scope: { key: TWO } },
  ] as const;
  const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
  t.after(() => held.close());
  const bench = await pooled(t, { aliases: [ONE, TWO], gateway: { budgets: held } });
  bench.sim.script([{ fault: 'overloaded' }]);
  await assert.rejects(bench.ask(), { status: 529 });
  assert.equal(bench.sim.truth.requests.length, 1);
  assert.deepEqual(await samples(bench.registry, FAILOVERS), {}, 'its client saw the refusal');
});

/** The state of a key, as the metrics show it. */
async function stateOf({ registry }: Awaited<ReturnType<typeof pooled>>, alias: string): Promise<string | undefined> {
  const states = await samples(registry, 'plimsoll_gateway_key_state');
  const [shown] = Object.entries(states).find(([labels, is]) => is === 1 && labels.startsWith(`key=${alias},`)) ?? [];
  return shown?.replace(/.*state=/, '');
}

describe('a key that rested is tried by the next request, when the one that tried it', () => {
  test('was refused by a guard', async (t) => {
    const guards = clientGuards({ models: ['claude-haiku-4-5', 'claude-haiku-5-5'] });
    const bench = await pooled(t, { aliases: [ONE, TWO], grant: { guards } });
    bench.sim.script([{ fault: 'unauthorized' }]);
    await bench.ask({ model: 'claude-haiku-5-5' });
    bench.pass(60_001);
    await assert.rejects(bench.ask({ model: 'claude-opus-5-5' }), { status: 403 });
    await bench.ask({ model: 'claude-haiku-5-5' });
    assert.deepEqual(bench.usedKeys(), [ONE, TWO, ONE]);
    assert.equal(await stateOf(bench, ONE), 'closed');
  });

  test('was wrong itself, which says that the key is valid', async (t) => {
    const bench = await pooled(t, { aliases: [ONE, TWO] });
    bench.sim.script([{ fault: 'unauthorized' }]);
    await bench.ask();
    bench.pass(60_001);
    bench.sim.script([{ fault: 'invalid_request' }]);
    await assert.rejects(bench.ask(), { status: 400 });
    assert.equal(await stateOf(bench, ONE), 'closed');
  });
});

test('one refusal is one failover: requests that pass over a resting key are detours', async (t) => {
  const fallbacks = [{ on: ['overloaded'], models: ['claude-opus-5-5', 'claude-haiku-5-5'] }] as const;
  const bench = await pooled(t, { grant: { key: ONE, fallbacks } });
  bench.sim.script([{ fault: 'overloaded' }]);
  for (let time = 0; time < 5; time += 1) await bench.ask({ model: 'claude-opus-5-5' });
  const moved = `key=${ONE},reason=overloaded,way=model`;
  assert.deepEqual(await samples(bench.registry, FAILOVERS), { [moved]: 1 });
  assert.deepEqual(await samples(bench.registry, 'plimsoll_gateway_detours_total'), { [moved]: 4 });
});

test('files and batches always have the first key, however it stands', async (t) => {
  const bench = await pooled(t);
  bench.sim.script([{ fault: 'unauthorized' }]);
  await bench.ask();
  const requests = [{ custom_id: 'a', params: PARAMS }];
  const { id } = await bench.claude().messages.batches.create({ requests });
  await bench.claude().messages.batches.retrieve(id);
  assert.deepEqual(bench.usedKeys().slice(2), [ONE, ONE]);
});

describe('a rule of a client', () => {
  test('leads to another model, and says so', async (t) => {
    const fallbacks = [
      { on: ['overloaded'], models: ['claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5-5'] },
    ] as const;
    const bench = await pooled(t, { grant: { key: ONE, fallbacks } });
    bench.sim.script([{ fault: 'overloaded' }, { fault: 'overloaded' }]);
    const { data, response } = await bench.ask({ model: 'claude-opus-5-5' });
    assert.equal(data.model, 'claude-haiku-5-5');
    assert.equal(response.headers.get('plimsoll-fallback'), 'model=claude-haiku-5-5; on=overloaded');
    assert.deepEqual(
      bench.sim.truth.requests.map(({ requestedModel }) => requestedModel),
      ['claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5-5'],
    );
    assert.deepEqual(await samples(bench.registry, FAILOVERS), { [`key=${ONE},reason=overloaded,way=model`]: 2 });
  });

  test('never leads to a model that the token may not use', async (t) => {
    const fallbacks = [{ on: ['overloaded'], models: ['claude-opus-5-5', 'claude-haiku-5-5'] }] as const;
    const guards = clientGuards({ models: ['claude-opus-5-5'] });
    const bench = await pooled(t, { grant: { key: ONE, fallbacks, guards } });
    bench.sim.script([{ fault: 'overloaded' }]);
    await assert.rejects(bench.ask({ model: 'claude-opus-5-5' }), { status: 529 });
    assert.equal(bench.sim.truth.requests.length, 1);
  });

  test('leads to another pool, at once as long as every key of the first rests', async (t) => {
    const fallbacks = [{ on: ['spend_limited'], key: TWO }] as const;
    const bench = await pooled(t, { grant: { key: ONE, fallbacks } });
    bench.sim.script([{ fault: 'tier_spend_cap' }]);
    for (let time = 0; time < 2; time++) {
      const { response } = await bench.ask();
      assert.equal(response.headers.get('plimsoll-fallback'), 'key; on=spend_limited');
    }
    assert.deepEqual(bench.usedKeys(), [ONE, TWO, TWO]);
  });

  test('is not asked for another reason than its own', async (t) => {
    const fallbacks = [{ on: ['spend_limited'], key: TWO }] as const;
    const bench = await pooled(t, { grant: { key: ONE, fallbacks } });
    bench.sim.script([{ fault: 'overloaded' }]);
    await assert.rejects(bench.ask(), { status: 529 });
    assert.deepEqual(bench.usedKeys(), [ONE]);
  });

  test('leads to another API where the first cannot be reached', async (t) => {
    const fallbacks = [{ on: ['unreachable'], key: TWO }] as const;
    const keyUrls = new Map([[ONE, `http://127.0.0.1:${await freePort()}`]]);
    const bench = await pooled(t, { grant: { key: ONE, fallbacks }, gateway: { keyUrls } });
    const { response } = await bench.ask();
    assert.equal(response.headers.get('plimsoll-fallback'), 'key; on=unreachable');
    assert.deepEqual(bench.usedKeys(), [TWO]);
  });

  test('reserves the price of the model that is sent', async (t) => {
    const fallbacks = [{ on: ['overloaded'], models: ['claude-opus-5-5'] }] as const;
    // Enough for Haiku, too little for Opus.
    const definitions = [{ name: 'all', period: 'month', usd: '0.004', mode: 'block' }] as const;
    const held = budgets({ ledger: sqliteLedger(':memory:'), definitions });
    t.after(() => held.close());
    const bench = await pooled(t, { grant: { key: ONE, fallbacks }, gateway: { budgets: held } });
    bench.sim.script([{ fault: 'overloaded' }]);
    await assert.rejects(bench.ask({ max_tokens: 1_000 }), { status: 529 });
    assert.equal(bench.sim.truth.requests.length, 1);
  });
});

test('usage counts a request once, however many ways it was sent', async (t) => {
  const store = sqliteUsage(':memory:', 30);
  const book = usageBook({ store, prices: defaultPrices() });
  t.after(() => book.close());
  const bench = await pooled(t, { gateway: { recorders: [book.recorder] } });
  bench.sim.script([{ fault: 'overloaded' }, { fault: 'overloaded' }]);
  await bench.ask();
  await book.flush();
  const rows = await store.read('2000-01-01', '3000-01-01');
  assert.deepEqual(
    rows.map(({ cell, counts }) => [cell.key, counts.calls, counts.refused]),
    [[KEYS[2], 1n, 0n]],
  );
});

test('a client with one request at a time gets its failover, which leaves the place of the refused one', async (t) => {
  const bench = await pooled(t, { grant: { requestsAtOnce: 1 } });
  bench.sim.script([{ fault: 'overloaded' }]);
  assert.equal((await bench.ask()).data.type, 'message');
});
