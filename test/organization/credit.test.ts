import assert from 'node:assert/strict';
import { test } from 'node:test';
import { creditLeft } from '../../src/organization/credit.ts';
import { nanoUsdOf, type ExactUsd } from '../../src/organization/exact-usd.ts';
import { NOTHING, type DayReport } from '../../src/organization/report.ts';
import { dayAfter, dayStartMs, noCounts, type TotalsRow } from '../../src/totals/day-totals.ts';

const FIRST = '2026-11-01';
const USD = 10n ** 18n;

/** A day of $10 at list price. */
function dayOf(day: string, billed: ExactUsd): DayReport {
  const mode = { model: 'claude-opus-5-5', tier: 'standard', speed: 'standard', geo: 'global' };
  const cell = { ...mode, keyId: 'apikey_01', tokens: NOTHING, searches: 0n, requests: 1n, listSearches: 0n, billed };
  const cells = [{ ...cell, list: { ...NOTHING, input: 10n * USD } }];
  return { day, readAtMs: 0, source: 'analytics', cells, others: [], controlFailures: [] };
}

function seen(day: string, usd: number): TotalsRow {
  const mode = { model: 'claude-opus-5-5', tier: 'standard', speed: 'standard', geo: 'global' };
  const cell = { ...mode, key: 'prod-shop-api', band: 'usual', refused: null } as const;
  return { day, toDay: day, cell, counts: { ...noCounts(), recorded_nano_usd: usd * 1e9 } };
}

test('own spend since the report is at its discount, and the bounds have list price and the largest correction', () => {
  const days = Array.from({ length: 8 }, (_, index) => dayAfter(FIRST, index));
  const today = dayAfter(FIRST, 8);
  const sources = {
    reports: days.map((day) => dayOf(day, 9n * USD)),
    firsts: [dayOf(dayAfter(FIRST, 3), 9n * USD - USD / 2n)],
    refreshedAtMs: dayStartMs(today),
    rows: [...days.map((day) => seen(day, 6)), seen(today, 4)],
    nowMs: dayStartMs(today) + 12 * 3_600_000,
  };
  const found = creditLeft({ balance: { usd: 100, at: FIRST } }, sources);
  const nano = (units: ExactUsd | undefined) => Number(nanoUsdOf(units ?? 0n)) / 1e9;
  // $100, less 8 × $9; $4 at 10% off is $3.60; others had $9 − $5.40 a day, of which half a day has passed.
  assert.equal(nano(found?.left), 22.6);
  assert.equal(nano(found?.least), 21.7, 'less 50 cents of corrections, and 40 of a discount that may not be');
  assert.equal(nano(found?.most), 23.1);
});
