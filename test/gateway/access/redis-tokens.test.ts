import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { redisRateLimiter } from '../../../src/gateway/access/rate-limiter.ts';
import { redisTokens } from '../../../src/gateway/access/redis-tokens.ts';
import { TokenStoreError } from '../../../src/gateway/access/tokens.ts';
import { redis, redisServer } from '../../../testing/redis-server.ts';
import { aRecord } from '../../../testing/gateway/token-records.ts';

test(
  'a Redis that is stopped is a store that does not answer, and one that comes back has its tokens',
  { skip: redis.skip },
  async () => {
    const server = await redisServer();
    const store = redisTokens(server.url);
    try {
      await store.put(aRecord());
      await server.stop();
      await assert.rejects(store.find('token0000001'), TokenStoreError);
      await server.start();
      const again = redisTokens(server.url);
      assert.deepEqual(await again.find('token0000001'), aRecord());
      await again.close();
    } finally {
      await store.close();
      await server.end();
    }
  },
);

test('an error about a password that Redis refuses does not contain it', { skip: redis.skip }, async () => {
  const server = await redisServer(['--requirepass', 'another']);
  const url = `redis://:hush@127.0.0.1:${server.port}`;
  const [store, limiter] = [redisTokens(url), redisRateLimiter(url)];
  const told = (error: unknown): true => {
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('hush'));
    return true;
  };
  try {
    await assert.rejects(store.find('token0000001'), told);
    await assert.rejects(store.list(), told);
    await assert.rejects(Promise.resolve(limiter.take('client:shop', 1)), told);
  } finally {
    await store.close();
    limiter.close();
    await server.end();
  }
});

test('a Redis that hangs is given up after a second', { skip: redis.skip }, async () => {
  const server = await redisServer();
  const store = redisTokens(server.url);
  try {
    await store.put(aRecord());
    server.pause();
    await assert.rejects(store.find('token0000001'), { code: 'PLIMSOLL_TOKEN_STORE_UNAVAILABLE' });
  } finally {
    await store.close();
    await server.end();
  }
});
