import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { draw, requestRandom, seededRandom, wireId } from '../../src/simulator/scenario.ts';

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function series(random: () => number, length: number): readonly number[] {
  return Array.from({ length }, random);
}

test('the generator is mulberry32: its published sequence for seed 1', () => {
  // From the reference implementation in C by its author.
  const words = series(seededRandom(1), 3).map((value) => Math.round(value * 4_294_967_296));
  assert.deepEqual(words, [2_693_262_067, 11_749_833, 2_265_367_787]);
});

test('the same seed gives the same sequence, from 0 to below 1', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const values = series(seededRandom(seed), 50);
      assert.deepEqual(values, series(seededRandom(seed), 50));
      assert.ok(values.every((value) => value >= 0 && value < 1));
    }),
  );
});

test('first draws of the requests of one run are spread evenly', () => {
  const firsts = Array.from({ length: 10_000 }, (_, request) => requestRandom(1, request + 1)());
  const tenths = Array.from({ length: 10 }, (_, tenth) => firsts.filter((x) => Math.floor(x * 10) === tenth).length);
  assert.ok(
    tenths.every((count) => count > 850 && count < 1_150),
    tenths.join(' '),
  );
});

test('first draws of many seeds for one request are spread evenly', () => {
  const firsts = Array.from({ length: 10_000 }, (_, seed) => requestRandom(seed, 1)());
  assert.ok(Math.abs(mean(firsts) - 0.5) < 0.02);
});

test('distributions have the mean or the median that they are said to have', () => {
  const random = seededRandom(7);
  const drawn = (spread: Parameters<typeof draw>[0]): readonly number[] => series(() => draw(spread, random), 20_000);
  assert.ok(drawn({ kind: 'constant', value: 12 }).every((value) => value === 12));
  assert.ok(Math.abs(mean(drawn({ kind: 'uniform', min: 100, max: 300 })) - 200) < 2);
  const sorted = drawn({ kind: 'lognormal', median: 400, sigma: 0.5 }).toSorted((left, right) => left - right);
  assert.ok(Math.abs((sorted[10_000] ?? 0) - 400) < 12);
  // The 84th percentile is the median times e to the sigma.
  assert.ok(Math.abs((sorted[16_827] ?? 0) - 400 * Math.exp(0.5)) < 30);
});

test('ids look like those of the API and differ', () => {
  const random = seededRandom(1);
  const ids = series(() => 0, 10_000).map(() => wireId('msg_01', random));
  assert.ok(ids.every((id) => /^msg_01[1-9A-HJ-NP-Za-km-z]{22}$/.test(id)));
  assert.equal(new Set(ids).size, ids.length);
});
