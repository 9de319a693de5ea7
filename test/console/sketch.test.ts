import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dense, join, merge, observe, quantile, type Sketch } from '../../src/console/sketch.ts';

/** Durations from a millisecond to half an hour, each 1% longer than the one before. */
const DURATIONS = Array.from({ length: 1_440 }, (_, at) => 0.001 * 1.01 ** at);

function quantilesOf(sketches: readonly Sketch[], shares: readonly number[]) {
  const counts = dense();
  for (const sketch of sketches) merge(counts, sketch);
  return shares.map((share) => quantile(counts, share) ?? NaN);
}

test('a quantile is right to 5%, however the durations were shared out', () => {
  const shares = [0.01, 0.25, 0.5, 0.75, 0.95, 0.99];
  const sketches: Sketch[] = [[], [], []];
  for (const [at, seconds] of DURATIONS.entries()) observe(sketches[at % 3] ?? [], seconds);
  for (const [at, found] of quantilesOf(sketches, shares).entries()) {
    const exact = DURATIONS[Math.ceil((shares[at] ?? 0) * DURATIONS.length) - 1] ?? NaN;
    assert.ok(Math.abs(found / exact - 1) < 0.05, `${found} is not ${exact}`);
  }
  const [one = [], ...others] = sketches;
  for (const other of others) join(one, other);
  assert.deepEqual(quantilesOf([one], shares), quantilesOf([one], shares));
});

test('what is shorter than a millisecond or longer than days is still counted', () => {
  const sketch: Sketch = [];
  for (const seconds of [0, 1e-9, 1e9, Infinity]) observe(sketch, seconds);
  const [low = NaN, high = NaN] = quantilesOf([sketch], [0.5, 1]);
  assert.equal(low, 0.001);
  assert.ok(high > 3 * 24 * 3_600);
});

test('fewer durations than asked for have no quantile', () => {
  const counts = dense();
  merge(counts, [100, 19]);
  assert.equal(quantile(counts, 0.5, 20), null);
  merge(counts, [100, 1]);
  assert.notEqual(quantile(counts, 0.5, 20), null);
});
