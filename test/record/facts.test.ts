import assert from 'node:assert/strict';
import { it, test } from 'node:test';
import { defaultPrices, pricesFrom } from '../../src/pricing/prices.ts';
import { priceGauges, priceTableTimestampSeconds, recordBuild, recordPrices } from '../../src/record/facts.ts';
import { Store } from '../../src/record/metrics/store.ts';
import { dayMs } from '../../testing/usages.ts';

const prices = defaultPrices();

/** `rate kind` → USD per million tokens, of one model. */
function gauges(model: string, day: string): Readonly<Record<string, number>> {
  const own = priceGauges(prices, dayMs(day)).filter((gauge) => gauge.model === model);
  return Object.fromEntries(own.map(({ rate, kind, usdPerMillionTokens }) => [`${rate} ${kind}`, usdPerMillionTokens]));
}

it('the gauges of a model show each kind at each rate it is sold at', () => {
  assert.deepEqual(gauges('claude-haiku-5-5', '2026-11-24'), {
    'standard input': 0.1,
    'standard cache_read': 0.01,
    'standard cache_write_5m': 0.125,
    'standard cache_write_1h': 0.2,
    'standard output': 0.5,
    'standard output_estimated': 0.5,
    'standard input_estimated': 0.1,
    'batch input': 0.05,
    'batch cache_read': 0.005,
    'batch cache_write_5m': 0.0625,
    'batch cache_write_1h': 0.1,
    'batch output': 0.25,
    'batch output_estimated': 0.25,
    'batch input_estimated': 0.05,
    'long_context input': 0.5,
    'long_context cache_read': 0.05,
    'long_context cache_write_5m': 0.625,
    'long_context cache_write_1h': 1,
    'long_context output': 2.5,
    'long_context output_estimated': 2.5,
    'long_context input_estimated': 0.5,
  });
});

it('fast prices are shown as long as they are in force', () => {
  assert.equal(gauges('claude-opus-4-8', '2026-11-29')['fast output'], 50);
  assert.equal(gauges('claude-opus-4-8', '2026-11-30')['fast output'], undefined);
  assert.equal(gauges('claude-opus-4-8', '2026-11-30')['standard output'], 25);
});

it('models that are not out yet, that have ended or that have no price are not shown', () => {
  const shown = (day: string) => new Set(priceGauges(prices, dayMs(day)).map(({ model }) => model));
  assert.equal(shown('2026-11-08').has('claude-fable-5-2'), false);
  assert.equal(shown('2026-11-09').has('claude-fable-5-2'), true);
  assert.equal(shown('2026-11-29').has('claude-sonnet-4-5'), true);
  assert.equal(shown('2026-11-30').has('claude-sonnet-4-5'), false);
  assert.equal(shown('2026-11-24').has('claude-mythos-preview'), false);
});

it('no series is shown twice', () => {
  const series = priceGauges(prices, dayMs('2026-11-24')).map(({ model, kind, rate }) => `${model} ${kind} ${rate}`);
  assert.equal(new Set(series).size, series.length);
});

it('the timestamp of the table is the day of its last check', () => {
  assert.equal(priceTableTimestampSeconds(prices), Date.UTC(2026, 10, 26) / 1000);
});

const RATES = { output: 10, cacheWrite5m: 2, cacheWrite1h: 4, cacheRead: 0.2 };

const PRICES = pricesFrom(
  {
    extends: 'none',
    checkedOn: '2026-11-01',
    models: [
      {
        model: 'claude-test-1',
        prices: [
          { effectiveTo: '2026-12-01', input: 3, ...RATES },
          { effectiveFrom: '2026-12-01', input: 2, ...RATES },
        ],
      },
      { model: 'claude-test-2', prices: [{ effectiveFrom: '2026-12-01', input: 7, ...RATES }] },
      { model: 'claude-test-0', eol: '2026-12-01', prices: [{ input: 9, ...RATES }] },
    ],
  },
  'the test',
);

test('the price gauges follow the table from day to day, with no call in between', () => {
  let nowMs = Date.UTC(2026, 10, 30, 23, 59);
  const store = new Store();
  recordPrices(store, PRICES, () => nowMs);
  const inputs = (): Record<string, number | null> =>
    Object.fromEntries(
      store
        .family('anthropic_price_usd_per_million_tokens')
        .all()
        .map((series) => [Object.fromEntries(series.labels), series.value()] as const)
        .filter(([labels]) => labels['kind'] === 'input' && labels['rate'] === 'standard')
        .map(([labels, value]) => [labels['model'] ?? '', value]),
    );
  assert.deepEqual(inputs(), { 'claude-test-1': 3, 'claude-test-0': 9, 'claude-test-2': null });
  nowMs = Date.UTC(2026, 11, 1);
  assert.deepEqual(inputs(), { 'claude-test-1': 2, 'claude-test-0': null, 'claude-test-2': 7 });
});

it('the start is when the counters began, and stays when a second client feeds the same store', () => {
  const store = new Store();
  const start = store.families.plimsoll_start_time_seconds;
  recordBuild(store, () => 1_000_000);
  recordBuild(store, () => 2_000_000);
  assert.deepEqual(
    start.all().map((series) => series.value()),
    [1_000],
  );
});

it('the start is a new one when the counters are set back to zero', () => {
  let nowMs = 1_000_000;
  const store = new Store();
  recordBuild(store, () => nowMs);
  nowMs = 5_000_000;
  store.reset();
  assert.equal(store.families.plimsoll_start_time_seconds.series({}).value(), 5_000);
});
