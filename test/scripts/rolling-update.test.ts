import assert from 'node:assert/strict';
import test from 'node:test';
import { rollingUpdate } from '../../scripts/rolling-update/rolling.ts';
import { redis } from '../../testing/redis-server.ts';
import { tool } from '../../testing/tools.ts';

test(
  'two gateways behind nginx are replaced one after the other, and no stream and no request breaks',
  { skip: redis.skip === false ? tool('nginx').skip : redis.skip },
  async (t) => {
    const rolled = await rollingUpdate(t, { balancer: 'nginx', rounds: 1, streams: 4, tokensPerStream: 30 });
    assert.deepEqual(rolled.requests.failed, []);
    assert.ok(rolled.requests.made > 0);
    assert.deepEqual([rolled.restarts, rolled.streams.whole], [2, 8]);
    assert.ok(rolled.streams.open > 0, 'no stream was open at a restart');
    assert.equal(rolled.spentNanoUsd, rolled.billedNanoUsd);
  },
);
