import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { memoryLimits, sqliteLimits, type LimitAsk, type LimitStore } from '../../../src/gateway/access/limits.ts';
import { redisLimits } from '../../../src/gateway/access/redis-limits.ts';
import { redis, redisServer } from '../../../testing/redis-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-limits-'));
const server = redis.skip === false ? await redisServer() : null;
after(async () => {
  rmSync(folder, { recursive: true });
  await server?.end();
});

interface Kind {
  readonly kind: string;
  readonly skip: string | false;
  /** Two processes' views of one store, where it can be shared. */
  open(name: string, nowMs: () => number): readonly [LimitStore, LimitStore];
}

const KINDS: readonly Kind[] = [
  {
    kind: 'memory',
    skip: false,
    open(_name, nowMs) {
      const store = memoryLimits({ clock: { epochMs: nowMs } });
      return [store, store];
    },
  },
  {
    kind: 'SQLite',
    skip: false,
    open(name, nowMs) {
      const open = (): LimitStore => sqliteLimits(join(folder, `${name}.db`), { clock: { epochMs: nowMs } });
      return [open(), open()];
    },
  },
  {
    kind: 'Redis',
    skip: redis.skip,
    open(name, nowMs) {
      const open = (): LimitStore => redisLimits(server?.url ?? '', { prefix: `${name}:`, nowMs });
      return [open(), open()];
    },
  },
];

const START_MS = 1_000_000;

const ask = (lease: string, more: Partial<LimitAsk> = {}): LimitAsk => ({
  ...{ group: 'shop', takes: [], slots: [], lease, leaseMs: 30_000 },
  ...more,
});

const tokens = (amount: number, bucket = 'input') => ({ bucket, perMinute: 600, amount });

for (const { kind, skip, open } of KINDS) {
  describe(`limits in ${kind}`, () => {
    let homes = 0;
    const kept = (
      name: string,
      check: (stores: readonly [LimitStore, LimitStore], clock: { nowMs: number }) => Promise<void>,
    ): void =>
      void test(name, { skip }, async () => {
        const clock = { nowMs: START_MS };
        const stores = open(`${kind}-${(homes += 1)}`, () => clock.nowMs);
        try {
          await check(stores, clock);
        } finally {
          for (const store of new Set(stores)) await store.close();
        }
      });

    kept(
      'let through a minute of tokens, whoever takes them, and then what has come back',
      async ([one, two], clock) => {
        assert.equal(await one.take(ask('a', { takes: [tokens(400)] })), null);
        assert.equal(await two.take(ask('b', { takes: [tokens(200)] })), null);
        assert.deepEqual(await one.take(ask('c', { takes: [tokens(1)] })), { index: 0, waitMs: 100, remaining: 0 });
        clock.nowMs += 5_000;
        assert.deepEqual(await two.take(ask('c', { takes: [tokens(51)] })), { index: 0, waitMs: 100, remaining: 50 });
        assert.equal(await two.take(ask('c', { takes: [tokens(50)] })), null);
        clock.nowMs += 600_000;
        assert.equal(await one.take(ask('d', { takes: [tokens(600)] })), null);
        assert.deepEqual(await one.take(ask('e', { takes: [tokens(600)] })), {
          index: 0,
          waitMs: 60_000,
          remaining: 0,
        });
      },
    );

    kept('take all of what is asked for or nothing, and name the longest wait', async ([one, two]) => {
      await one.take(ask('a', { takes: [tokens(600, 'output')], slots: [{ name: 'slot', most: 1 }] }));
      const takes = [tokens(600), tokens(100, 'output')];
      assert.deepEqual(await two.take(ask('b', { takes })), { index: 1, waitMs: 10_000, remaining: 0 });
      const held = {
        takes: [tokens(600)],
        slots: [
          { name: 'other', most: 1 },
          { name: 'slot', most: 1 },
        ],
      };
      assert.deepEqual(await two.take(ask('c', held)), { index: 2, waitMs: 0, remaining: 0 });
      assert.equal(await two.take(ask('d', { takes: [tokens(600)], slots: [{ name: 'other', most: 1 }] })), null);
    });

    kept('give back what was not used, and wait for what was used beyond it', async ([one, two]) => {
      await one.take(ask('a', { takes: [tokens(500)] }));
      await one.settle({ group: 'shop', lease: 'a', takes: [tokens(-300)], slots: [] });
      assert.equal(await two.take(ask('b', { takes: [tokens(400)] })), null);
      await two.settle({ group: 'shop', lease: 'b', takes: [tokens(600)], slots: [] });
      assert.deepEqual(await one.take(ask('c', { takes: [tokens(1)] })), { index: 0, waitMs: 60_100, remaining: 0 });
    });

    kept('never hold more than a minute, however late something is given back', async ([one], clock) => {
      await one.take(ask('a', { takes: [tokens(600)] }));
      clock.nowMs += 59_000;
      await one.settle({ group: 'shop', lease: 'a', takes: [tokens(-600)], slots: [] });
      assert.equal(await one.take(ask('b', { takes: [tokens(600)] })), null);
      assert.deepEqual(await one.take(ask('c', { takes: [tokens(1)] })), { index: 0, waitMs: 100, remaining: 0 });
    });

    kept('hold slots until they are left, renewed or not, or their leases end', async ([one, two], clock) => {
      const slots = [{ name: 'slot', most: 2 }];
      for (const lease of ['a', 'b']) assert.equal(await one.take(ask(lease, { slots })), null);
      assert.deepEqual(await two.take(ask('c', { slots })), { index: 0, waitMs: 0, remaining: 0 });
      await two.settle({ group: 'shop', lease: 'a', takes: [], slots });
      assert.equal(await two.take(ask('c', { slots })), null);
      clock.nowMs += 20_000;
      await one.renew(ask('b', { slots }));
      clock.nowMs += 10_001;
      assert.equal(await one.take(ask('d', { slots })), null);
      assert.notEqual(await two.take(ask('e', { slots })), null);
      clock.nowMs += 30_001;
      assert.equal(await two.take(ask('e', { slots })), null);
    });

    kept('are exact when many ask at the same time', async ([one, two]) => {
      const slots = [{ name: 'slot', most: 20 }];
      const asks = Array.from({ length: 50 }, async (_, index) =>
        (index % 2 === 0 ? one : two).take(ask(`lease-${index}`, { slots, takes: [tokens(40)] })),
      );
      const granted = (await Promise.all(asks)).filter((shortage) => shortage === null).length;
      assert.equal(granted, 15);
    });
  });
}

const HOLDER = `
import { redisLimits } from ${JSON.stringify(import.meta.resolve('../../../src/gateway/access/redis-limits.ts'))};
const limits = redisLimits(process.argv[1], { prefix: 'killed:' });
const ask = { group: 'shop', takes: [], slots: [{ name: 'slot', most: 1 }], lease: 'of-the-killed', leaseMs: 1000 };
console.log(String(await limits.take(ask)));
setInterval(() => limits.renew(ask), 200);`;

test('a replica that is killed holds its slot no longer than its lease', { skip: redis.skip }, async () => {
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', HOLDER, server?.url ?? ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const limits = redisLimits(server?.url ?? '', { prefix: 'killed:' });
  const mine = ask('mine', { slots: [{ name: 'slot', most: 1 }], leaseMs: 1_000 });
  assert.notEqual(await limits.take(mine), null);
  child.kill('SIGKILL');
  await once(child, 'close');
  while ((await limits.take(mine)) !== null) await wait(20);
  await limits.close();
});
