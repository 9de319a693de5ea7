import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf, soak } from '../../../bench/gateway-soak/soak.ts';

test('no byte of 100 streams at once is lost or changed, and every token of theirs is counted', async () => {
  const soaked = await soak({ concurrent: 100, forSeconds: 5, seconds: 3, pieces: 25 });
  assert.deepEqual(problemsOf(soaked), []);
  assert.ok(soaked.received.streams >= 100, `${soaked.received.streams} streams`);
});
