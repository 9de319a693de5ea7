import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pricesFrom } from '../../src/pricing/prices.ts';
import { recordPrices } from '../../src/record/facts.ts';
import { Store } from '../../src/record/store.ts';

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
