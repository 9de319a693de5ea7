import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { CounterSeries, GaugeSeries, HistogramSeries, MoneySeries } from '../../../src/record/metrics/series.ts';

const trace = { traceId: 't', spanId: 's', timestampSeconds: 7 };

test('a counter is hidden until it counts, even if it counts 0', () => {
  const counter = new CounterSeries([]);
  assert.equal(counter.value(), null);
  counter.add(0);
  assert.equal(counter.value(), 0);
  counter.add(2.5);
  assert.equal(counter.value(), 2.5);
});

test('a reset hides a counter again, but one that was shown at zero stays at 0', () => {
  const counted = new CounterSeries([]);
  const born = new CounterSeries([]);
  born.showAtZero();
  for (const counter of [counted, born]) {
    counter.add(3, trace);
    counter.reset();
    assert.equal(counter.exemplar(), null);
  }
  assert.equal(counted.value(), null);
  assert.equal(born.value(), 0);
});

test('a counter keeps the last observation that had a trace', () => {
  const counter = new CounterSeries([]);
  counter.add(1, { ...trace, traceId: 'first' });
  counter.add(2, trace);
  counter.add(4);
  counter.add(8, null);
  assert.deepEqual(counter.exemplar(), { ...trace, value: 2 });
});

for (const amount of [-1, NaN, Infinity]) {
  test(`a counter refuses ${amount} and stays as it was`, () => {
    const counter = new CounterSeries([]);
    counter.add(1);
    assert.throws(() => counter.add(amount), RangeError);
    assert.equal(counter.value(), 1);
  });
}

test('money adds up to the last nano-dollar at any size', () => {
  const amount = fc.oneof(fc.maxSafeNat(), fc.integer({ min: 0, max: 3_000_000_000 }), fc.constant(999_999_999));
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1, maxLength: 200 }), (amounts) => {
      const money = new MoneySeries([]);
      for (const nanoUsd of amounts) money.addNanoUsd(nanoUsd);
      const exact = amounts.reduce((sum, nanoUsd) => sum + BigInt(nanoUsd), 0n);
      assert.equal(money.totalNanoUsd(), exact);
      assert.equal(
        money.value(),
        Number(`${exact / 1_000_000_000n}.${String(exact % 1_000_000_000n).padStart(9, '0')}`),
      );
    }),
  );
});

test('one nano-dollar is still seen on top of a hundred million dollars', () => {
  const money = new MoneySeries([]);
  for (let i = 0; i < 100; i += 1) money.addNanoUsd(1_000_000 * 1_000_000_000);
  money.addNanoUsd(1);
  assert.equal(money.totalNanoUsd(), 100_000_000_000_000_001n);
});

for (const amount of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
  test(`money refuses ${amount} nano-dollars`, () => {
    const money = new MoneySeries([]);
    assert.throws(() => money.addNanoUsd(amount), RangeError);
    assert.equal(money.value(), null);
  });
}

test('a gauge says what is: it is hidden before it is set, cleared when that is not known, and not reset', () => {
  const gauge = new GaugeSeries([]);
  assert.equal(gauge.value(), null);
  gauge.add(2);
  gauge.reset();
  assert.equal(gauge.value(), 2);
  gauge.clear();
  assert.equal(gauge.value(), null);
  gauge.set(-1);
  assert.equal(gauge.value(), -1);
});

test('a computed gauge is read at each scrape, and null hides it', () => {
  const gauge = new GaugeSeries([]);
  let now: number | null = 1;
  gauge.computeBy(() => now);
  assert.equal(gauge.value(), 1);
  now = null;
  assert.equal(gauge.value(), null);
});

test('a histogram counts as the one of prom-client does', async () => {
  const buckets = [0.1, 1, 10];
  const theirs = new Histogram({ name: 'h', help: 'h', buckets, registers: [new Registry()] });
  const ours = new HistogramSeries([], buckets);
  for (const value of [0, 0.1, 0.100001, 1, 5, 10, 10.5, 1e9, -1]) {
    theirs.observe(value);
    ours.observe(value);
  }
  const samples = new Map(
    (await theirs.get()).values.map(({ metricName, labels, value }) => [
      `${metricName} ${labels['le' as never]}`,
      value,
    ]),
  );
  let cumulated = 0;
  [...buckets, '+Inf'].forEach((le, bucket) => {
    cumulated += ours.countIn(bucket);
    assert.equal(cumulated, samples.get(`h_bucket ${le}`), `le ${le}`);
  });
  assert.equal(ours.sum(), samples.get('h_sum undefined'));
  assert.equal(ours.value(), samples.get('h_count undefined'));
});

test('a histogram keeps one exemplar for each bucket, the last', () => {
  const histogram = new HistogramSeries([], [1, 2]);
  histogram.observe(0.5, { ...trace, traceId: 'first' });
  histogram.observe(0.6, trace);
  histogram.observe(5, { ...trace, traceId: 'slow' });
  histogram.observe(1.5);
  assert.deepEqual(histogram.exemplarIn(0), { ...trace, value: 0.6 });
  assert.equal(histogram.exemplarIn(1), null);
  assert.deepEqual(histogram.exemplarIn(2), { ...trace, traceId: 'slow', value: 5 });
  histogram.reset();
  assert.equal(histogram.exemplarIn(0), null);
  assert.equal(histogram.value(), null);
});

for (const value of [NaN, Infinity, -Infinity]) {
  test(`a histogram refuses ${value} and stays as it was`, () => {
    const histogram = new HistogramSeries([], [1]);
    assert.throws(() => histogram.observe(value), RangeError);
    assert.equal(histogram.value(), null);
    assert.equal(histogram.sum(), 0);
  });
}
