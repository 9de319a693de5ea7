import assert from 'node:assert/strict';
import test from 'node:test';
import { live } from '../../scripts/team-day/day.ts';
import { redis } from '../../testing/redis-server.ts';
import { tool } from '../../testing/tools.ts';

test(
  'a team loses no task and no nano-dollar when a key is revoked and Redis is away',
  { skip: redis.skip === false ? tool('caddy').skip : redis.skip },
  async (t) => {
    const events = ['a key is revoked by the provider', 'Redis is away'] as const;
    const shape = { owners: 6, pauseMs: 700, redisAwayMs: 1_500, events, onEvent: () => undefined };
    const { worked, byOwner, statuses } = await live(t, shape);
    assert.deepEqual([worked.lost, worked.brokenStreams], [[], 0]);
    assert.ok((statuses['401'] ?? 0) > 0, 'the revoked key was never used');
    assert.equal(byOwner.size, 6);
    for (const [owner, { counted, charged }] of byOwner) {
      assert.ok(charged > 0n, owner);
      assert.equal(counted, charged, owner);
    }
  },
);
