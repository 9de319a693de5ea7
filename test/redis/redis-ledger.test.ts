import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { inspect } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { ConfigurationError } from 'plimsoll';
import type { BudgetDefinition, Ledger } from 'plimsoll/budget';
import { redisLedger } from 'plimsoll/redis';
import { budgeted, type BudgetedClient } from '../../testing/budget/budgeted-client.ts';
import { aPosting, NOW_MS } from '../../testing/budget/ledgers.ts';
import { PARAMS, samples, total } from '../../testing/client-workbench.ts';
import { redis, redisServer, type RedisServer } from '../../testing/redis-server.ts';

const ROOMY: BudgetDefinition = { name: 'all', period: 'day', usd: 100, mode: 'block' };

interface OnRedis {
  readonly server: RedisServer;
  readonly ledger: Ledger;
  /** Is disconnected at the end. */
  readonly keep: <Client extends { disconnect(): void }>(client: Client) => Client;
}

/** Runs the check on a Redis and a ledger of its own. */
function onRedis(name: string, check: (on: OnRedis) => Promise<void>, args: readonly string[] = []): void {
  test(name, { skip: redis.skip }, async () => {
    const server = await redisServer(args);
    const ledger = redisLedger(server.url);
    const kept: { disconnect(): void }[] = [];
    try {
      await check({ server, ledger, keep: (client) => (kept.push(client), client) });
    } finally {
      for (const client of kept) client.disconnect();
      await ledger.close();
      await server.end();
    }
  });
}

/** Asks until the ledger has it: what is on its way, or waits for the next try, takes its time. */
async function eventually(client: BudgetedClient, isSo: () => Promise<boolean>): Promise<void> {
  for (const untilMs = performance.now() + 120_000; performance.now() < untilMs;) {
    await client.held.refresh();
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('it never came to be so');
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  onRedis(
    `a Redis that is stopped by ${signal} and started again in the middle loses nothing settled`,
    async ({ server, ledger }) => {
      const client = budgeted([ROOMY], { budgets: { ledger } });
      const call = () => client.claude.messages.create(PARAMS);
      for (let calls = 0; calls < 20; calls += 1) await call();
      const underWay = Array.from({ length: 10 }, call);
      await server.stop(signal);
      for (let calls = 0; calls < 20; calls += 1) await call();
      await Promise.all(underWay);
      assert.equal(await total(client.registry, 'anthropic_budget_ledger_up'), 0);
      assert.ok(
        ((await samples(client.registry, 'anthropic_budget_decisions_total'))['budget=all,decision=unavailable'] ??
          0) >= 19,
      );
      await server.start();
      await eventually(client, async () => (await client.balance()).spent === client.billed());
      await eventually(client, async () => (await client.balance()).reserved === 0n);
      await call();
      await eventually(client, async () => (await client.balance()).spent === client.billed());
      assert.equal(await total(client.registry, 'anthropic_budget_ledger_up'), 1);
      assert.equal(client.sim.truth.requests.length, 51);
    },
  );
}

onRedis(
  'a ledger waits as long as it is told for its Redis, longer than one that is not told',
  async ({ server, ledger }) => {
    const patient = redisLedger(server.url, { deadlineMs: 600_000 });
    const asked = async (one: Ledger) => one.balance(aPosting(), NOW_MS);
    try {
      await Promise.all([patient, ledger].map(asked));
      server.pause();
      let isAnswered = false;
      const answer = asked(patient).then(() => (isAnswered = true));
      await assert.rejects(asked(ledger), { code: 'PLIMSOLL_LEDGER_UNAVAILABLE' });
      assert.equal(isAnswered, false);
      server.resume();
      assert.equal(await answer, true);
    } finally {
      await patient.close();
    }
  },
);

test('a text that cannot be parsed a URL of a Redis is refused with what to do, and is not shown', () => {
  assert.throws(
    () => redisLedger('redis://not a url with s3cret'),
    (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.equal(error.code, 'PLIMSOLL_LEDGER_INVALID');
      assert.doesNotMatch(inspect(error, { depth: null, showHidden: true }), /s3cret/);
      return true;
    },
  );
});

test('what is no address of a Redis is refused with what came: an empty variable, one that is not set, or options', () => {
  const refused = (given: unknown): string => {
    try {
      redisLedger(given as string);
    } catch (error) {
      assert.ok(error instanceof ConfigurationError);
      return error.problems.map(({ got }) => got).join();
    }
    return 'taken';
  };
  assert.deepEqual(['', undefined, { host: 'redis' }].map(refused), ['an empty text', 'nothing', 'an object']);
});

onRedis(
  'a Redis that hangs holds up a call for no longer than the deadline, and the calls after it not at all',
  async ({ server, ledger }) => {
    // So long that a busy machine answers within it, and a Redis that is stopped does not.
    const client = budgeted([ROOMY], { budgets: { ledger, deadlineMs: 1_000 } });
    const call = () => client.claude.messages.create(PARAMS);
    await call();
    server.pause();
    for (let calls = 0; calls < 50; calls += 1) await call();
    server.resume();
    const decisions = await samples(client.registry, 'anthropic_budget_decisions_total');
    assert.deepEqual(decisions, { 'budget=all,decision=allowed': 1, 'budget=all,decision=unavailable': 50 });
    await eventually(client, async () => (await client.balance()).spent === client.billed());
  },
);

test('a Redis that is not there when the service starts is used once it is there', { skip: redis.skip }, async () => {
  const server = await redisServer();
  await server.stop();
  const ledger = redisLedger(server.url);
  const client = budgeted([{ ...ROOMY, onLedgerDown: 'open' }], { budgets: { ledger } });
  try {
    await client.claude.messages.create(PARAMS);
    assert.equal(ledger.id(), null);
    const up = async () => samples(client.registry, 'anthropic_budget_ledger_up');
    assert.ok((await client.registry.metrics()).includes('anthropic_budget_ledger_up{ledger="redis",ledger_id=""} 0'));
    await server.start();
    await eventually(client, async () => (await client.balance()).spent === client.billed());
    assert.deepEqual(await up(), { [`ledger=redis,ledger_id=${ledger.id()}`]: 1 });
    const shown = await samples(client.registry, 'anthropic_budget_spent_usd');
    assert.deepEqual(shown, {
      [`budget=all,period=day,scope=all,ledger_id=${ledger.id()}`]: Number(client.billed()) / 1e9,
    });
  } finally {
    await ledger.close();
    await server.end();
  }
});

onRedis('a password that Redis refuses is not in the error, whatever is printed of it', async ({ server, keep }) => {
  const admin = keep(new Redis(server.url));
  await admin.config('SET', 'requirepass', 'the right one');
  const ledger = redisLedger(server.url.replace('//', '//:a-wrong-one@'));
  const error: unknown = await Promise.resolve(ledger.balance(aPosting(), NOW_MS)).catch((why: unknown) => why);
  await ledger.close();
  const printed = inspect(error, { depth: null, showHidden: true });
  assert.match(printed, /WRONGPASS/);
  assert.doesNotMatch(printed, /a-wrong-one/);
});

describe('in Redis', () => {
  onRedis('a script that was flushed is sent again', async ({ server, ledger, keep }) => {
    const client = keep(new Redis(server.url));
    await ledger.post(aPosting({ heldNanoUsd: 1n }));
    await client.script('FLUSH');
    assert.equal((await ledger.post(aPosting({ heldNanoUsd: 2n }))).reservedNanoUsd, 2n);
  });

  onRedis('one decision is one command', async ({ server, ledger, keep }) => {
    const client = keep(new Redis(server.url));
    await ledger.post(aPosting({ heldNanoUsd: 1n }));
    const commands = async () => {
      const stats = await client.info('commandstats');
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const before = await commands();
    await ledger.post(
      aPosting({ heldNanoUsd: 1n, requests: [1n, 2n, 3n], sequence: 1, spends: [{ startMs: NOW_MS, nanoUsd: 1n }] }),
    );
    assert.equal((await commands()) - before, 1);
  });

  onRedis('every key goes away when nothing is posted for ten weeks', async ({ server, ledger, keep }) => {
    const client = keep(new Redis(server.url));
    await ledger.post(aPosting({ requests: [1n], sequence: 1, spends: [{ startMs: NOW_MS, nanoUsd: 1n }] }));
    const keys = (await client.keys('*')).filter((key) => key !== 'plimsoll:ledger_id');
    assert.ok(keys.length >= 4);
    const dayMs = 86_400_000;
    for (const key of keys) {
      const lifetimeMs = await client.pttl(key);
      assert.ok(lifetimeMs > 6 * dayMs && lifetimeMs <= 70 * dayMs, `${key}: ${lifetimeMs}`);
    }
  });

  onRedis('a client that was passed in keeps its prefix, and stays open', async ({ server, keep }) => {
    const client = keep(new Redis(server.url, { keyPrefix: 'shop:' }));
    const ledger = redisLedger(client, { prefix: 'money:' });
    await ledger.post(aPosting({ requests: [1n] }));
    await ledger.close();
    assert.equal(await client.ping(), 'PONG');
    const plain = keep(new Redis(server.url));
    assert.ok((await plain.keys('*')).every((key) => key.startsWith('shop:money:')));
  });

  onRedis(
    'all keys of a budget are in one slot of a Cluster',
    async ({ server, keep }) => {
      const node = keep(new Redis(server.url));
      await node.cluster('ADDSLOTSRANGE', 0, 16_383);
      while (!(await node.cluster('INFO')).includes('cluster_state:ok'))
        await new Promise((resolve) => setTimeout(resolve, 20));
      const cluster = keep(new Cluster([{ host: '127.0.0.1', port: server.port }]));
      const ledger = redisLedger(cluster);
      const client = budgeted([ROOMY, { ...ROOMY, name: 'month', period: 'month' }], {
        budgets: { ledger, deadlineMs: 5_000 },
      });
      for (let calls = 0; calls < 5; calls += 1) await client.claude.messages.create(PARAMS);
      await eventually(client, async () => (await client.balance('month')).spent === client.billed());
      assert.deepEqual(await client.balance('all'), { spent: client.billed(), reserved: 0n });
      const slots = new Map<string, Set<number>>();
      for (const key of await node.keys('*')) {
        const account = /\{(.+)\}/.exec(key)?.[1] ?? key;
        slots.set(account, (slots.get(account) ?? new Set()).add(await node.cluster('KEYSLOT', key)));
      }
      assert.deepEqual([...slots.keys()].sort(), ['all/day', 'month/month', 'plimsoll:ledger_id']);
      for (const [account, own] of slots) assert.equal(own.size, 1, account);
    },
    ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
  );

  for (const dropped of ['state', 'held', 'holders', 'buckets']) {
    onRedis(`a Redis that evicts the ${dropped} of an account holds nothing twice, and nothing forever`, async (on) => {
      const { server, ledger, keep } = on;
      const client = keep(new Redis(server.url));
      const spends = [{ startMs: NOW_MS, nanoUsd: 50n }];
      const [own, other] = [aPosting({ writer: 'own' }), aPosting({ writer: 'other', holdMs: 1_000 })];
      await ledger.post({ ...own, sequence: 1, spends, heldNanoUsd: 10n });
      await ledger.post({ ...other, heldNanoUsd: 5n });
      const [key = ''] = await client.keys(`*:${dropped}`);
      assert.equal(await client.del(key), 1);
      const again = { ...own, leastSpentNanoUsd: 50n, limitNanoUsd: 100n };
      const posted = await ledger.post({ ...again, heldNanoUsd: 10n, requests: [36n] });
      assert.equal(posted.spentNanoUsd, 50n);
      // What the other holds is lost with the key that has it, until the other says it again.
      assert.equal(posted.reservedNanoUsd, dropped === 'held' ? 46n : 15n);
      while ((await ledger.post(again)).reservedNanoUsd !== 0n) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(await client.zcard(key.replace(dropped, 'holders')), 0);
    });
  }

  onRedis('a Redis that answers with an error is a ledger that is down', async ({ server, ledger, keep }) => {
    const client = keep(new Redis(server.url));
    await ledger.post(aPosting({ heldNanoUsd: 1n }));
    const [held = ''] = await client.keys('*:held');
    await client.set(held, 'not a hash');
    await assert.rejects(async () => ledger.balance(aPosting(), NOW_MS), { code: 'PLIMSOLL_LEDGER_UNAVAILABLE' });
  });
});
