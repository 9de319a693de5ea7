import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheOf, chartsOf, counted, labelOf, numbersOf, tableOf } from '../../src/console/counted.ts';
import type { CellLabels } from '../../src/console/cell.ts';
import { LastHour } from '../../src/console/timeline.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { DEFAULT_MODELS } from '../../src/routing/models.ts';

const AT_MS = Date.UTC(2026, 10, 26, 14, 32, 10);
const pricing = { prices: defaultPrices(), models: DEFAULT_MODELS, nowMs: AT_MS };
const place = (model: string, route: string): CellLabels => ({
  ...{ operation: 'messages.create', key: 'prod-harbor', model },
  attribution: { route },
});
const sonnet = place('claude-sonnet-5-5', 'review');
const haiku = place('claude-haiku-4-5', 'chat');

function seen(hour: LastHour, filter: Readonly<Record<string, string>> = {}) {
  return counted(hour, { rangeSeconds: 3_600, filter }, AT_MS);
}

test('bins stand on whole minutes of an hour, and what is older than their range is gone', () => {
  const hour = new LastHour();
  for (const minutesAgo of [90, 61, 59, 1, 0]) hour.count(haiku, AT_MS - minutesAgo * 60_000, (cell) => (cell.ok += 1));
  const { startsMs, answered, stepMs } = chartsOf(seen(hour));
  assert.deepEqual([startsMs.length, stepMs, startsMs.at(-1)], [61, 60_000, Date.UTC(2026, 10, 26, 14, 32)]);
  assert.deepEqual(
    answered.flatMap((value, index) => (value === 0 ? [] : [60 - index])),
    [59, 1, 0],
  );
});

test('a pace is of the time that was observed, and there is none in its first minute', () => {
  const hour = new LastHour();
  hour.count(haiku, AT_MS, (cell) => (cell.costNanoUsd = 1_000_000_000));
  assert.equal(numbersOf(seen(hour), AT_MS - 30_000, AT_MS).costUsdPerHour, null);
  assert.equal(numbersOf(seen(hour), AT_MS - 600_000, AT_MS).costUsdPerHour, 6);
});

test('a quantile of fewer than 20 calls is not known, and one of more is right to 5%', () => {
  const hour = new LastHour();
  for (let call = 1; call <= 19; call += 1) hour.count(haiku, AT_MS, (cell) => cell.took(call / 10));
  assert.equal(numbersOf(seen(hour), 0, AT_MS).latency, null);
  hour.count(haiku, AT_MS, (cell) => cell.took(2));
  const { latency } = numbersOf(seen(hour), 0, AT_MS);
  assert.ok(latency !== null && Math.abs(latency.p50 - 1) < 0.05 && Math.abs(latency.p95 - 1.9) < 0.1);
});

test('a filter by a label that calls do not have lets nothing through', () => {
  const hour = new LastHour();
  hour.count(haiku, AT_MS, (cell) => (cell.ok = 1));
  assert.equal(numbersOf(seen(hour, { route: 'chat' }), 0, AT_MS).ok, 1);
  for (const filter of [{ route: 'review' }, { constructor: 'chat' }, { tenant: 'harbor' }])
    assert.equal(numbersOf(seen(hour, filter), 0, AT_MS).ok, 0);
  assert.equal(labelOf(haiku, 'toString'), '');
});

test('the same tokens on the next cheaper model cost what its prices say', () => {
  // 1,000 input tokens at $2 and 1,000 output tokens at $10 a million; on Haiku at $1 and $5.
  const hour = new LastHour();
  hour.count(sonnet, AT_MS, (cell) => {
    cell.ok = 1;
    cell.addTokens('input', 1_000);
    cell.addTokens('output', 1_000);
    cell.costNanoUsd = 12_000_000;
  });
  const { rows } = tableOf(seen(hour), { by: 'route', labels: ['route'] }, pricing);
  assert.deepEqual(rows, [
    {
      ...{ value: 'review', calls: 1, ok: 1, failed: 0, tokens: 2_000, costUsd: 0.012 },
      cheaper: { model: 'claude-haiku-4-5', costUsd: 0.006 },
    },
  ]);
});

test('what the cache saved is the input price of what it read, less what reading and writing cost', () => {
  // On Haiku a million read tokens cost $0.10 and written ones $1.25, in place of $1 each.
  const hour = new LastHour();
  hour.count(haiku, AT_MS, (cell) => {
    cell.addTokens('cache_read', 3_000_000);
    cell.addTokens('cache_write_5m', 1_000_000);
  });
  const cache = cacheOf(seen(hour), pricing);
  assert.equal(cache?.readRatio, 0.75);
  assert.ok(Math.abs((cache?.savedUsd ?? 0) - (3 * 0.9 - 0.25)) < 1e-9);
});
