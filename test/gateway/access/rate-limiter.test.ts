import assert from 'node:assert/strict';
import test, { after, describe } from 'node:test';
import {
  isRateLimited,
  rateGuard,
  redisRateLimiter,
  type RateLimiter,
} from '../../../src/gateway/access/rate-limiter.ts';
import { REFUSAL, type GuardedRequest } from '../../../src/decisions.ts';
import type { Call } from '../../../src/vocabulary.ts';
import { limiterCases } from '../../../testing/gateway/stores.ts';
import { redis, redisServer } from '../../../testing/redis-server.ts';

const MINUTE_MS = 60_000;

/** How many of so many requests at once are let through. */
async function letThrough(limiter: RateLimiter, requests: number, perMinute: number): Promise<number> {
  let count = 0;
  for (let request = 0; request < requests; request += 1) if ((await limiter.take('shop', perMinute)) === 0) count += 1;
  return count;
}

for (const { kind, skip, limiter, end } of await limiterCases()) {
  after(end);

  describe(`a rate limiter ${kind}`, () => {
    test('lets a minute of requests through at once, and then as many as have come back', { skip }, async () => {
      for (const perMinute of [1, 7, 60, 1_000]) {
        let nowMs = 1_000_000;
        const held = limiter(() => nowMs);
        assert.equal(await letThrough(held, perMinute + 3, perMinute), perMinute);
        nowMs += MINUTE_MS / perMinute - 1;
        assert.equal(await letThrough(held, 2, perMinute), 0);
        nowMs += 2;
        assert.equal(await letThrough(held, 3, perMinute), 1);
        nowMs += 10 * MINUTE_MS;
        assert.equal(await letThrough(held, perMinute + 3, perMinute), perMinute);
      }
    });

    test('says how long to wait, and after that wait lets the request through', { skip }, async () => {
      let nowMs = 0;
      const held = limiter(() => nowMs);
      await letThrough(held, 6, 6);
      nowMs += 4_000;
      const waitMs = await held.take('shop', 6);
      assert.ok(waitMs >= 6_000 && waitMs <= 6_001, String(waitMs));
      nowMs += waitMs;
      assert.equal(await held.take('shop', 6), 0);
    });

    test('counts each bucket for itself', { skip }, async () => {
      const held = limiter(() => 0);
      assert.equal(await letThrough(held, 3, 2), 2);
      assert.equal(await held.take('cafe', 2), 0);
    });
  });
}

const CALL = {} as Call;

const REQUEST: GuardedRequest = { body: null, bodyLength: 0 };

test('a request over the limit is refused with what a 429 says', () => {
  const guard = rateGuard({ take: () => 1_001 }, { holder: 'client', name: 'shop', perMinute: 30 });
  assert.throws(
    () => guard.admit(CALL, REQUEST),
    (error: unknown) => {
      assert.ok(isRateLimited(error));
      assert.deepEqual([error.retryAfterSeconds, error.limit, error[REFUSAL]], [2, 30, true]);
      return true;
    },
  );
});

test('a refusal says whose limit it was: that of the client, or of the token alone', () => {
  for (const [holder, name, who] of [
    ['client', 'shop', 'all tokens of the client together'],
    ['token', 'cafe', 'this token'],
  ] as const) {
    const guard = rateGuard({ take: () => 1_001 }, { holder, name, perMinute: 30 });
    const message = `Not sent: ${who} made more requests than the limit of 30 per minute.`;
    assert.throws(() => guard.admit(CALL, REQUEST), { message });
  }
});

test('two gateways on one Redis let no more through than one, by its clock', { skip: redis.skip }, async () => {
  const server = await redisServer();
  const gateways = [redisRateLimiter(server.url), redisRateLimiter(server.url)];
  try {
    const waits = await Promise.all(
      Array.from({ length: 20 }, async (_, turn) => gateways[turn % 2]?.take('client:shop', 1)),
    );
    assert.equal(waits.filter((waitMs) => waitMs === 0).length, 1);
    assert.ok(waits.every((waitMs) => waitMs !== undefined && waitMs <= MINUTE_MS));
  } finally {
    gateways.forEach((gateway) => gateway.close());
    await server.end();
  }
});

test('a Redis that is down refuses nobody: the limit is counted as failed', { skip: redis.skip }, async () => {
  const server = await redisServer();
  const limiter = redisRateLimiter(server.url);
  try {
    await limiter.take('client:shop', 1);
    await server.stop();
    const guard = rateGuard(limiter, { holder: 'client', name: 'shop', perMinute: 1 });
    await assert.rejects(Promise.resolve(guard.admit(CALL, REQUEST)), (error) => {
      assert.ok(!isRateLimited(error));
      return true;
    });
  } finally {
    limiter.close();
    await server.end();
  }
});

test('a token count takes a request, one of a bucket of its own, or nothing', () => {
  const buckets = (tokenCounts?: 'counted' | 'apart' | 'free') => {
    const taken: string[] = [];
    const take = (bucket: string): number => (taken.push(bucket), 0);
    const bucket = { holder: 'client', name: 'shop', perMinute: 30 } as const;
    const guard = rateGuard({ take }, tokenCounts === undefined ? bucket : { ...bucket, tokenCounts });
    for (const operation of ['messages.create', 'messages.count_tokens'])
      void guard.admit({ operation } as Call, REQUEST);
    return taken;
  };
  assert.deepEqual(buckets('free'), ['client:shop']);
  assert.deepEqual(buckets('apart'), ['client:shop', 'client:shop:count_tokens']);
  assert.deepEqual(buckets('counted'), ['client:shop', 'client:shop']);
  assert.deepEqual(buckets(), ['client:shop', 'client:shop']);
});
