import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CellLabels } from '../../src/console/cell.ts';
import { chartsOf, counted, numbersOf, tableOf } from '../../src/console/counted.ts';
import { LastHour } from '../../src/console/timeline.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { DEFAULT_MODELS } from '../../src/routing/models.ts';

const AT_MS = Date.UTC(2026, 10, 26, 14, 32, 10);
const pricing = { prices: defaultPrices(), models: DEFAULT_MODELS, nowMs: AT_MS };
const placed = (route: string, model = 'claude-haiku-4-5'): CellLabels => ({
  ...{ operation: 'messages.create', key: 'prod-harbor', model },
  attribution: { route },
});
const [haiku, sonnet] = [placed('chat'), placed('review', 'claude-sonnet-5-5')];

function ofHour(hour: LastHour, filter: Readonly<Record<string, string>> = {}) {
  return counted(hour, { rangeSeconds: 3_600, filter }, AT_MS);
}

test('labels that find no room are counted as other of their model and key, so that totals stay right', () => {
  const hour = new LastHour({ mostSets: 8 });
  for (let route = 0; route < 50; route += 1) hour.count(placed(`route-${route}`), AT_MS, (cell) => (cell.ok += 1));
  const numbers = numbersOf(ofHour(hour), 0, AT_MS);
  assert.deepEqual([numbers.ok, numbers.folded], [50, 42]);
  assert.equal(numbersOf(ofHour(hour, { model: 'claude-haiku-4-5', key: 'prod-harbor' }), 0, AT_MS).ok, 50);
  const { rows } = tableOf(ofHour(hour), { by: 'route', labels: ['route'] }, pricing);
  assert.deepEqual([rows.length, rows[0]?.value, rows[0]?.calls], [9, 'other', 42]);
});

test('a bin that outgrows its bytes keeps the labels with the most calls', () => {
  const hour = new LastHour({ mostBytes: 400 });
  for (let route = 0; route < 100; route += 1)
    hour.count(placed(`route-${route}`), AT_MS - 120_000, (cell) => (cell.ok = 100 - route));
  for (let ago = 60; ago >= 0; ago -= 1) hour.count(haiku, AT_MS - ago * 1_000, (cell) => (cell.ok += 1));
  const { rows } = tableOf(ofHour(hour), { by: 'route', labels: ['route'] }, pricing);
  const named = rows.filter(({ value }) => value.startsWith('route-')).map(({ value }) => value);
  assert.deepEqual(named.slice(0, 3), ['route-0', 'route-1', 'route-2']);
  assert.ok(named.length < 40);
  const { ok, folded } = numbersOf(ofHour(hour), 0, AT_MS);
  assert.equal(ok, 5_050 + 61);
  assert.equal(folded, rows.find(({ value }) => value === 'other')?.calls);
});

test('labels that were not seen for an hour give their room to others', () => {
  const hour = new LastHour({ mostSets: 2 });
  for (const route of ['a', 'b']) hour.count(placed(route), AT_MS - 7_200_000, (cell) => (cell.ok = 1));
  for (const route of ['c', 'd']) hour.count(placed(route), AT_MS, (cell) => (cell.ok = 1));
  assert.deepEqual(
    hour.labelsSince(AT_MS - 1).map(({ attribution }) => attribution['route']),
    ['c', 'd'],
  );
  assert.equal(numbersOf(ofHour(hour), 0, AT_MS).folded, 0);
});

test('every range counts each call once, with all it had, packed or not', () => {
  const hour = new LastHour();
  const secondsAgo = [3_500, 3_400, 800, 200, 100, 59, 31, 30, 29, 12, 7, 4, 3, 2, 1, 0];
  for (const ago of secondsAgo) {
    hour.count(ago % 2 === 0 ? haiku : sonnet, AT_MS - ago * 1_000, (cell) => {
      cell.ok += 2;
      cell.failed += 1;
      cell.left += 1;
      cell.attempts += 300;
      cell.retries += 3;
      cell.waitSeconds += 1.25;
      cell.costNanoUsd += 4_000_000_123;
      cell.addTokens('output', 70_000);
      cell.reject('acceleration', 5);
      for (let call = 0; call < 20; call += 1) cell.took(ago + 1);
      cell.began(0.5, 20);
    });
  }
  for (const rangeSeconds of [60, 300, 900, 3_600] as const) {
    const within = secondsAgo.filter((ago) => ago <= rangeSeconds);
    const of = counted(hour, { rangeSeconds, filter: {} }, AT_MS);
    const numbers = numbersOf(of, 0, AT_MS);
    assert.deepEqual(
      [numbers.calls, numbers.attempts, numbers.retries, numbers.waitSeconds, numbers.rateLimited],
      [4, 300, 3, 1.25, 5].map((each) => each * within.length),
    );
    assert.equal(Math.round(numbers.costUsd * 1e9), 4_000_000_123 * within.length);
    const [longest = 0] = within.map((ago) => ago + 1);
    assert.ok(numbers.firstToken !== null && Math.abs(numbers.firstToken.p50 - 0.5) < 0.03);
    assert.ok(numbers.latency !== null && numbers.latency.p95 <= longest * 1.05);
    const { startsMs, stepMs, answered } = chartsOf(of);
    const expected = startsMs.map(
      (start) => 2 * secondsAgo.filter((ago) => Math.floor((AT_MS - ago * 1_000) / stepMs) * stepMs === start).length,
    );
    assert.deepEqual(answered, expected);
  }
});
