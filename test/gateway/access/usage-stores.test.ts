import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { redisUsage, sqliteUsage } from '../../../src/gateway/access/usage-stores.ts';
import {
  noUsage,
  type UsageCell,
  type UsageCount,
  type UsageRow,
  type UsageStore,
} from '../../../src/gateway/access/usage.ts';
import { RedisScript, redisConnection } from '../../../src/redis/connection.ts';
import { redis, redisServer } from '../../../testing/redis-server.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);
const DAY = '2026-11-24';
const KEEP_DAYS = 30;

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-usage-'));
const server = redis.skip === false ? await redisServer() : null;
after(async () => {
  rmSync(folder, { recursive: true });
  await server?.end();
});

const KINDS: readonly { readonly kind: string; readonly skip: string | false; open(name: string): UsageStore }[] = [
  { kind: 'SQLite', skip: false, open: (name) => sqliteUsage(join(folder, `${name}.db`), KEEP_DAYS) },
  { kind: 'Redis', skip: redis.skip, open: (name) => redisUsage(server?.url ?? '', KEEP_DAYS, `${name}:`) },
];

const cell = (owner: string, more: Partial<UsageCell> = {}): UsageCell => ({
  ...{ client: 'platform', owner, key: 'prod-api-key', model: 'claude-haiku-5-5' },
  ...more,
});

const row = (owner: string, counts: Partial<Record<UsageCount, bigint>>, day = DAY): UsageRow => ({
  ...{ day, cell: cell(owner) },
  counts: { ...noUsage(), ...counts },
});

const posting = (writer: string, sequence: number, rows: readonly UsageRow[]) => ({
  ...{ writer, sequence, atMs: NOW_MS, rows, ends: false },
});

for (const { kind, skip, open } of KINDS) {
  describe(`usage in ${kind}`, () => {
    let homes = 0;
    const kept = (name: string, check: (stores: readonly [UsageStore, UsageStore]) => Promise<void>): void => {
      test(name, { skip }, async () => {
        const home = `${kind}-${(homes += 1)}`;
        const stores = [open(home), open(home)] as const;
        try {
          await check(stores);
        } finally {
          for (const store of stores) await store.close();
        }
      });
    };

    kept('adds up what several processes post, to the last nano-dollar, and each posting once', async ([one, two]) => {
      const large = 9_007_199_254_740_993n;
      await one.add(posting('a', 1, [row('ada', { calls: 1n, cost_nano_usd: large }), row('', { refused: 2n })]));
      await two.add(posting('b', 1, [row('ada', { calls: 2n, cost_nano_usd: 1n, output: 7n })]));
      await one.add(posting('a', 1, [row('ada', { calls: 100n })]));
      await one.add(posting('a', 2, [row('ada', { input: 5n })]));
      assert.deepEqual(await two.read(DAY, '2026-11-25'), [
        row('', { refused: 2n }),
        row('ada', { calls: 3n, input: 5n, output: 7n, cost_nano_usd: large + 1n }),
      ]);
    });

    kept('reads the days that were asked for, in order, with names as they were', async ([store]) => {
      const odd = 'O’Neil "x" {y}, z; 李';
      const days = ['2026-11-25', '2026-11-23', DAY];
      await store.add(
        posting(
          'a',
          1,
          days.map((day) => row(odd, { calls: 1n }, day)),
        ),
      );
      const read = await store.read('2026-11-23', '2026-11-25');
      assert.deepEqual(
        read.map(({ day, cell: { owner } }) => [day, owner]),
        [
          ['2026-11-23', odd],
          [DAY, odd],
        ],
      );
    });

    kept('counts the usage of a forgotten owner for nobody by name, on every day', async ([store, other]) => {
      const rows = [
        row('ada', { calls: 1n, cost_nano_usd: 3n }),
        row('ada', { calls: 2n }, '2026-11-23'),
        row('bob', { calls: 4n }),
      ];
      await store.add(posting('a', 1, rows));
      assert.equal(await other.forget({ owner: 'ada', beforeDay: null }), 2);
      await store.add(posting('a', 2, [row('ada', { calls: 8n, cost_nano_usd: 1n })]));
      assert.equal(await other.forget({ owner: 'ada', beforeDay: null }), 1);
      assert.deepEqual(await store.read('2026-11-01', '2026-12-01'), [
        row('forgotten', { calls: 2n }, '2026-11-23'),
        row('bob', { calls: 4n }),
        row('forgotten', { calls: 9n, cost_nano_usd: 4n }),
      ]);
    });

    kept('deletes the days before one', async ([store]) => {
      await store.add(posting('a', 1, [row('ada', { calls: 1n }, '2026-11-22'), row('ada', { calls: 2n })]));
      assert.equal(await store.forget({ owner: null, beforeDay: DAY }), 1);
      assert.deepEqual(await store.read('2026-01-01', '2027-01-01'), [row('ada', { calls: 2n })]);
    });
  });
}

test('usage in SQLite older than it is kept goes with the next posting', async () => {
  const store = sqliteUsage(join(folder, 'old.db'), KEEP_DAYS);
  await store.add(posting('a', 1, [row('ada', { calls: 1n }, '2026-10-24'), row('ada', { calls: 1n }, '2026-10-25')]));
  const days = (await store.read('2026-01-01', '2027-01-01')).map(({ day }) => day);
  assert.deepEqual(days, ['2026-10-25']);
  await store.close();
});

test('usage in Redis ends by itself when it has been kept for so long', { skip: redis.skip }, async () => {
  const store = redisUsage(server?.url ?? '', KEEP_DAYS, 'expiring:');
  await store.add(posting('a', 1, [row('ada', { calls: 1n })]));
  const connection = redisConnection(server?.url ?? '');
  const ttl = new RedisScript("return redis.call('PTTL', KEYS[1])");
  const leftMs = Number(await connection.run(ttl, [`expiring:{usage}:${DAY}`], []));
  connection.close();
  await store.close();
  assert.ok(leftMs > (KEEP_DAYS - 1) * 86_400_000 && leftMs <= KEEP_DAYS * 86_400_000, String(leftMs));
});
