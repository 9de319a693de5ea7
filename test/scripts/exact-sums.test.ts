import assert from 'node:assert/strict';
import { it } from 'node:test';
import { exactSums } from '../../scripts/exact-sums.ts';

// `scripts/exact-sums.ts` does it with 10 million.
it('costs come to the same integer in whatever order they are added, and the metric is within 1e-9 of it', () => {
  const { sums, relativeError, doubles } = exactSums(100_000, 3);
  assert.equal(new Set(sums).size, 1);
  assert.ok(relativeError < 1e-9, String(relativeError));
  assert.ok(doubles.length > 1, 'the same costs as doubles do not');
});
