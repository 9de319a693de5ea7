import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster, Redis } from 'ioredis';
import { redisRateLimiter } from '../../src/gateway/access/rate-limiter.ts';
import { redisLimits } from '../../src/gateway/access/redis-limits.ts';
import { redisTokens } from '../../src/gateway/access/redis-tokens.ts';
import { noUsage } from '../../src/gateway/access/usage.ts';
import { redisUsage } from '../../src/gateway/access/usage-stores.ts';
import type { RedisOutage } from '../../src/redis-address.ts';
import { RedisScript, redisConnection } from '../../src/redis/connection.ts';
import { redisLedger } from '../../src/redis/redis-ledger.ts';
import { redisReports } from '../../src/redis/redis-reports.ts';
import { redisTotals } from '../../src/redis/redis-totals.ts';
import { noCounts } from '../../src/totals/day-totals.ts';
import { aPosting, NOW_MS } from '../../testing/budget/ledgers.ts';
import { aRecord } from '../../testing/gateway/token-records.ts';
import { clusterFleet, sentinelFleet, type RedisFleet } from '../../testing/redis-fleets.ts';
import { redis, redisServer } from '../../testing/redis-server.ts';

/** Tries until it succeeds: what a Redis needs to take over is its own. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const untilMs = performance.now() + 120_000; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const USUAL = { tier: 'standard', speed: 'standard', geo: 'global', band: 'usual', refused: null } as const;

const USED = { client: 'shop', owner: 'ada', key: 'a-b-c', model: 'claude-haiku-5-5' };

/** Uses everything that plimsoll keeps in Redis once, for several names, so that a Cluster has to spread them. */
async function useAll(url: string): Promise<void> {
  const [ledger, totals, reports] = [redisLedger(url), redisTotals(url), redisReports(url)];
  const [tokens, limiter, limits] = [redisTokens(url), redisRateLimiter(url), redisLimits(url)];
  const usage = redisUsage(url, 30);
  try {
    for (const account of ['one', 'two', 'three', 'four', 'five']) {
      const spends = [{ startMs: NOW_MS, nanoUsd: 7n }];
      const posted = await ledger.post(aPosting({ account, sequence: 1, spends, requests: [5n] }));
      assert.deepEqual([posted.spentNanoUsd, posted.reservedNanoUsd], [7n, 5n]);
      assert.equal((await ledger.balance(aPosting({ account }), NOW_MS)).spentNanoUsd, 7n);
      assert.deepEqual(await ledger.history(account, 0), spends);
      assert.equal(await limiter.take(`client:${account}`, 1), 0);
      assert.ok((await limiter.take(`client:${account}`, 1)) > 0);
      const takes = [{ bucket: 'input', perMinute: 60, amount: 1 }];
      const slots = [{ name: 'parallel', most: 1 }];
      const ask = { group: account, takes, slots, lease: 'one', leaseMs: 60_000 };
      assert.equal(await limits.take(ask), null);
      assert.equal((await limits.take({ ...ask, lease: 'two' }))?.index, 1);
      await limits.renew(ask);
      await limits.settle(ask);
      assert.equal(await limits.take({ ...ask, lease: 'two' }), null);
      await tokens.put(aRecord({ id: `token-${account}` }));
      assert.ok(await tokens.revoke(`token-${account}`, 1));
    }
    assert.equal((await tokens.list()).length, 5);
    assert.match(String(ledger.id()), /^[0-9a-f-]{36}$/);
    const cell = { key: 'a-b-c', model: 'claude-haiku-5-5', ...USUAL };
    const row = { day: '2026-11-26', toDay: '2026-11-27', cell, counts: { ...noCounts(), calls: 1 } };
    await totals.add({ writer: 'one', sequence: 1, atMs: NOW_MS, rows: [row], ends: true });
    assert.equal((await totals.read('2026-11-01', '2026-12-01')).firstDay, '2026-11-26');
    const used = { day: '2026-11-26', cell: USED, counts: { ...noUsage(), calls: 3n } };
    await usage.add({ writer: 'one', sequence: 1, atMs: NOW_MS, rows: [used], ends: true });
    assert.deepEqual(await usage.read('2026-11-26', '2026-11-27'), [used]);
    assert.ok(await reports.claim({ holder: 'one', forMs: 60_000, atMs: NOW_MS }));
    assert.ok(await reports.write('one', NOW_MS, [{ folder: 'days', name: 'a', text: 'b' }]));
    assert.deepEqual([...(await reports.read('days'))], [['a', 'b']]);
  } finally {
    await Promise.all([ledger, totals, reports, tokens, usage, limits].map(async (each) => each.close()));
    limiter.close();
  }
}

/** Both take seconds to become one Redis, and start together. */
const starting = redis.skip === false ? ([sentinelFleet(), clusterFleet()] as const) : null;

function started(which: 0 | 1): Promise<RedisFleet> {
  if (starting === null) throw new TypeError('expected redis-server');
  return starting[which];
}

describe('a Redis whose replica takes over', { skip: redis.skip }, () => {
  let fleet: RedisFleet;
  before(async () => (fleet = await started(0)));
  after(() => fleet.end());

  test('is found by its Sentinels, and followed when its master hangs: what was spent is still there', async () => {
    await useAll(fleet.url);
    const changes: (RedisOutage | null)[] = [];
    const ledger = redisLedger(fleet.url, { onAvailability: (outage) => changes.push(outage) });
    const posting = aPosting({ account: 'kept', sequence: 1, spends: [{ startMs: NOW_MS, nanoUsd: 11n }] });
    await eventually(() => Promise.resolve(ledger.post(posting)));
    const client = redisConnection(fleet.url);
    await client.ask('wait', (node) => (node as Redis).wait(1, 60_000));
    fleet.pauseMaster();
    const found = await eventually(() => Promise.resolve(ledger.balance(aPosting({ account: 'kept' }), NOW_MS)));
    assert.equal(found.spentNanoUsd, 11n);
    assert.deepEqual([changes[0], changes.at(-1)], ['timeout', null]);
    // The old master comes back as a replica, and nobody writes to it.
    fleet.resumeMaster();
    const again = { ...posting, sequence: 2 };
    assert.equal((await eventually(() => Promise.resolve(ledger.post(again)))).spentNanoUsd, 22n);
    client.close();
    await ledger.close();
  });
});

describe('a Cluster', { skip: redis.skip }, () => {
  let fleet: RedisFleet;
  before(async () => (fleet = await started(1)));
  after(() => fleet.end());

  test('keeps everything: the keys of one script share a slot', () => useAll(fleet.url));

  test('of which a server hangs is away as a whole, at once, and used again when the server answers', async () => {
    const ports = fleet.url.split(',').map((host) => Number(host.split(':').at(-1)));
    const client = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })));
    const connection = redisConnection(client);
    const limiter = redisRateLimiter(client);
    // Enough names to meet every server.
    const take = async () => {
      for (let name = 0; name < 12; name += 1) await limiter.take(`client:${name}`, 600);
    };
    await eventually(take);
    fleet.pauseMaster();
    await assert.rejects(async () => {
      for (;;) await take();
    });
    await assert.rejects(
      connection.ask('any', (node) => node.get('any')),
      { code: 'PLIMSOLL_REDIS_UNAVAILABLE' },
    );
    fleet.resumeMaster();
    await eventually(take);
    connection.close();
  });
});

test(
  'all that share a client share what is known of its Redis, and none replaces its connection',
  { skip: redis.skip },
  async () => {
    const server = await redisServer();
    const client = new Redis(server.url, { maxRetriesPerRequest: 0 });
    client.on('error', () => undefined);
    try {
      const changes: (RedisOutage | null)[] = [];
      const ledger = redisLedger(client, { onAvailability: (outage) => changes.push(outage) });
      const limiter = redisRateLimiter(client);
      assert.equal(await limiter.take('client:shop', 600), 0);
      server.pause();
      await assert.rejects(Promise.resolve(limiter.take('client:shop', 600)));
      assert.deepEqual(changes, ['timeout']);
      await assert.rejects(Promise.resolve(ledger.balance(aPosting(), NOW_MS)), {
        code: 'PLIMSOLL_LEDGER_UNAVAILABLE',
      });
      server.resume();
      await eventually(() => Promise.resolve(ledger.balance(aPosting(), NOW_MS)));
      assert.deepEqual(changes, ['timeout', null]);
      assert.match(await client.info('clients'), /connected_clients:1\r/);
    } finally {
      redisConnection(client).close();
      await server.end();
    }
  },
);

/** As Redis 6.2 answers a script on a master that has become a replica (redis/ioredis#1089, redis/go-redis#2229). */
const DEMOTED =
  "ERR Error running script (call to f_f74233f5): @user_script:5: @user_script: 5: -READONLY You can't write against a read only replica.";

test('a master that became a replica is left, also where Redis 6 wraps its answer', { skip: redis.skip }, async () => {
  const server = await redisServer();
  const outages: (RedisOutage | null)[] = [];
  const connection = redisConnection(server.url, { onAvailability: (outage) => outages.push(outage) });
  try {
    await connection.ask('key', (client) => client.get('key'));
    const script = new RedisScript('return redis.error_reply(ARGV[1])');
    await assert.rejects(connection.run(script, ['key'], [DEMOTED]), { code: 'PLIMSOLL_REDIS_UNAVAILABLE' });
    assert.equal(outages[0], 'not_ready');
    // It connects anew, to whoever is the master by then.
    await eventually(() => connection.ask('key', (client) => client.get('key')));
    assert.equal(outages.at(-1), null);
  } finally {
    connection.close();
    await server.end();
  }
});
