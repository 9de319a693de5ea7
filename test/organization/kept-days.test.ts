import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeptDays } from '../../src/organization/kept-days.ts';
import { NOTHING, byKind, type DayReport, type Reading } from '../../src/organization/report.ts';
import { dayAfter, dayStartMs } from '../../src/totals/day-totals.ts';

const TODAY = '2026-11-26';
const NOON_MS = dayStartMs(TODAY) + 43_200_000;
const DAY_MS = 86_400_000;

function aDay(day: string, billed: bigint, readAtMs = NOON_MS): DayReport {
  const mode = { model: 'claude-opus-5-5', tier: 'standard', speed: 'standard', geo: 'global' };
  const counts = { tokens: byKind(() => 10n ** 20n), searches: 1n, requests: 3n, listSearches: 0n };
  const cells = [{ ...mode, ...counts, keyId: 'apikey_01', list: byKind(() => billed), billed }];
  const others = [{ costType: 'session_usage', keyId: null, list: 5n, billed: 4n }];
  return { day, readAtMs, source: 'analytics', cells, others, controlFailures: [] };
}

function aReading(days: readonly DayReport[], refreshedAtMs: number | null = dayStartMs(TODAY)): Reading {
  return { days, refreshedAtMs, source: 'analytics' };
}

/** Days kept as a store has them. */
function stored(...readings: readonly Reading[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const reading of readings)
    for (const { name, text } of new KeptDays(texts).add(reading, true)) texts.set(name, text ?? '');
  return texts;
}

const ALL = { fromDay: dayAfter(TODAY, -31), toDay: dayAfter(TODAY) };

test('everything is due at first, the newest days before a week at a time of the others', () => {
  const due = new KeptDays(new Map()).due(ALL, NOON_MS);
  assert.deepEqual(due, [
    { fromDay: '2026-11-23', toDay: '2026-11-27' },
    { fromDay: '2026-11-16', toDay: '2026-11-23' },
    { fromDay: '2026-11-09', toDay: '2026-11-16' },
    { fromDay: '2026-11-02', toDay: '2026-11-09' },
    { fromDay: '2026-10-26', toDay: '2026-11-02' },
  ]);
});

test('a day is due again after a day, and one that was not complete or is missing at once', () => {
  const days = Array.from({ length: 31 }, (_, index) => dayAfter(TODAY, -31 + index));
  const read = days.filter((day) => day !== '2026-11-10').map((day) => aDay(day, 1n));
  const kept = new KeptDays(stored(aReading(read), aReading([aDay('2026-11-05', 1n)], dayStartMs('2026-11-05'))));
  assert.deepEqual(kept.due(ALL, NOON_MS), [
    { fromDay: '2026-11-23', toDay: '2026-11-27' },
    { fromDay: '2026-11-10', toDay: '2026-11-11' },
    { fromDay: '2026-11-05', toDay: '2026-11-06' },
  ]);
  assert.equal(kept.due(ALL, NOON_MS + DAY_MS).length, 5);
});

test('a day that was not complete when it was read is not compared until it is read again', () => {
  const day = '2026-11-20';
  const texts = stored(aReading([aDay(day, 7n)], dayStartMs(day)), aReading([aDay('2026-11-25', 1n)]));
  const kept = new KeptDays(texts);
  kept.add(aReading([aDay('2026-11-25', 1n)]), true);
  assert.deepEqual(
    kept.of(ALL).reading.days.map((report) => report.day),
    ['2026-11-25'],
  );
});

test('the first reading of a complete day is kept beside one that says otherwise, whatever its digits', () => {
  const day = '2026-11-20';
  const exact = 123_456_789_012_345_678_901n;
  const texts = stored(
    aReading([aDay(day, 1n)], dayStartMs(day)),
    aReading([aDay(day, exact)]),
    aReading([aDay(day, exact, NOON_MS + DAY_MS)]),
    aReading([aDay(day, exact + 1n)]),
    aReading([aDay(day, exact + 2n)]),
  );
  const kept = new KeptDays(texts);
  kept.add(aReading([aDay('2026-11-25', 1n)]), true);
  const { reading, firsts } = kept.of({ fromDay: day, toDay: dayAfter(day) });
  assert.deepEqual(reading.days, [aDay(day, exact + 2n)]);
  assert.deepEqual(firsts, [aDay(day, exact, NOON_MS + DAY_MS)]);
});

test('days are kept for 400 days, after 40 of them as one sum for each key', () => {
  const [gone, old, young] = [dayAfter(TODAY, -401), dayAfter(TODAY, -41), dayAfter(TODAY, -40)];
  const reports = [gone, old, young].map((day) => aDay(day, 7n));
  const kept = new KeptDays(stored(aReading(reports)));
  assert.deepEqual(
    kept.age(NOON_MS).map(({ name, text }) => [name, text === null]),
    [
      [gone, true],
      [old, false],
    ],
  );
  assert.deepEqual(kept.age(NOON_MS), [], 'once');
  kept.add(aReading([aDay('2026-11-25', 1n)]), true);
  const { days } = kept.of({ fromDay: gone, toDay: TODAY }).reading;
  assert.deepEqual(
    days.map(({ cells }) => cells.map(({ model, billed, tokens }) => [model, billed, tokens.input])),
    [[['other', 7n, NOTHING.input]], [['claude-opus-5-5', 7n, 10n ** 20n]], [['claude-opus-5-5', 1n, 10n ** 20n]]],
  );
});
