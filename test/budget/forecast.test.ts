import assert from 'node:assert/strict';
import test from 'node:test';
import { forecast, rollingForecast, type Spend, type SpendSoFar } from 'plimsoll/budget';
import { traffic, TRAFFICS } from '../../testing/budget/traffic.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const USD = 1_000_000_000n;
/** A Sunday. */
const NOVEMBER_MS = Date.UTC(2026, 10, 1);
const DECEMBER_MS = Date.UTC(2026, 11, 1);

/** Spend from `fromMs` to `untilMs`, so many dollars in each hour. */
function hourly(fromMs: number, untilMs: number, usdAt: (startMs: number) => number): readonly Spend[] {
  return Array.from({ length: (untilMs - fromMs) / HOUR_MS }, (_, hour) => {
    const startMs = fromMs + hour * HOUR_MS;
    return { startMs, nanoUsd: BigInt(Math.round(usdAt(startMs) * 1e9)) };
  }).filter(({ nanoUsd }) => nanoUsd > 0n);
}

function november(given: Partial<SpendSoFar>): SpendSoFar {
  const { hours = [], nowMs = NOVEMBER_MS } = given;
  const spentNanoUsd = hours
    .filter(({ startMs }) => startMs >= NOVEMBER_MS)
    .reduce((sum, { nanoUsd }) => sum + nanoUsd, 0n);
  return { hours, startMs: NOVEMBER_MS, endMs: DECEMBER_MS, nowMs, spentNanoUsd, limitNanoUsd: 1_000n * USD, ...given };
}

function near(actual: number | null | undefined, expected: number, part: number): void {
  assert.ok(Math.abs((actual ?? Number.NaN) / expected - 1) <= part, `${actual} is not ${expected} within ${part}`);
}

test('even spend goes on: a dollar an hour makes $720 in November, and $500 last 500 hours', () => {
  const nowMs = NOVEMBER_MS + 10 * DAY_MS;
  const hours = hourly(NOVEMBER_MS, nowMs, () => 1);
  const found = forecast(november({ hours, nowMs, limitNanoUsd: 500n * USD }));
  near(found?.burnUsdPerHour, 1, 0.001);
  near(found?.expectedUsd, 720, 0.001);
  near((found?.runsOutAtMs ?? 0) - NOVEMBER_MS, 500 * HOUR_MS, 0.001);
});

test('a budget that lasts to the end of its period does not run out', () => {
  const nowMs = NOVEMBER_MS + 10 * DAY_MS;
  const hours = hourly(NOVEMBER_MS, nowMs, () => 1);
  assert.equal(forecast(november({ hours, nowMs, limitNanoUsd: 721n * USD }))?.runsOutAtMs, null);
});

test('a budget that is used up has run out by now', () => {
  const nowMs = NOVEMBER_MS + 10 * DAY_MS;
  const hours = hourly(NOVEMBER_MS, nowMs, () => 1);
  assert.equal(forecast(november({ hours, nowMs, limitNanoUsd: 240n * USD }))?.runsOutAtMs, nowMs);
});

test('weekends differ from weekdays, once some have been seen', () => {
  const isWeekend = (atMs: number) => [0, 6].includes(new Date(atMs).getUTCDay());
  const usdAt = (atMs: number) => (isWeekend(atMs) ? 0 : 1);
  const [fromMs, nowMs] = [NOVEMBER_MS - 28 * DAY_MS, NOVEMBER_MS + 7 * DAY_MS];
  // November 2026 has 21 weekdays.
  const found = forecast(november({ hours: hourly(fromMs, nowMs, usdAt), nowMs }));
  near(found?.expectedUsd, 21 * 24, 0.05);
  const line = (5 * 24 * 30) / 7;
  assert.ok(Math.abs((found?.expectedUsd ?? 0) - 504) < Math.abs(line - 504));
});

test('the hours of the day differ: a day whose spend comes in the morning is over at noon', () => {
  const dayMs = Date.UTC(2026, 10, 24);
  const usdAt = (atMs: number) => (new Date(atMs).getUTCHours() < 12 ? 2 : 0);
  const hours = hourly(dayMs - 14 * DAY_MS, dayMs + DAY_MS / 2, usdAt);
  const found = forecast({
    hours,
    startMs: dayMs,
    endMs: dayMs + DAY_MS,
    nowMs: dayMs + DAY_MS / 2,
    spentNanoUsd: 24n * USD,
    limitNanoUsd: 100n * USD,
  });
  near(found?.expectedUsd, 24, 0.15);
});

test('a new pace counts more than an old one', () => {
  const [fromMs, nowMs] = [NOVEMBER_MS, NOVEMBER_MS + 20 * DAY_MS];
  const usdAt = (atMs: number) => (atMs < NOVEMBER_MS + 6 * DAY_MS ? 1 : 4);
  const { burnUsdPerHour = 0 } = forecast(november({ hours: hourly(fromMs, nowMs, usdAt), nowMs })) ?? {};
  assert.ok(burnUsdPerHour > 3.5 && burnUsdPerHour < 4, String(burnUsdPerHour));
});

test('before anything is spent there is no forecast', () => {
  assert.equal(forecast(november({})), null);
  assert.equal(forecast(november({ hours: [{ startMs: NOVEMBER_MS, nanoUsd: 0n }] })), null);
});

test('a first call does not make a month of calls: nothing is said before a hundredth of the period was seen', () => {
  const hours = [{ startMs: NOVEMBER_MS, nanoUsd: 9n * USD }];
  assert.equal(forecast(november({ hours, nowMs: NOVEMBER_MS + 8 * HOUR_MS })), null);
  near(forecast(november({ hours, nowMs: NOVEMBER_MS + 9 * HOUR_MS }))?.burnUsdPerHour, 1, 0.05);
});

test('two seconds of spend at the end of an hour are not an hour of it', () => {
  const [startMs, endMs] = [NOVEMBER_MS, NOVEMBER_MS + DAY_MS];
  const day = { startMs, endMs, spentNanoUsd: 3n * USD, limitNanoUsd: 10n * USD };
  const hours = [{ startMs: NOVEMBER_MS + 9 * HOUR_MS, nanoUsd: 3n * USD }];
  const atMinute = (minute: number) => forecast({ ...day, hours, nowMs: NOVEMBER_MS + 9 * HOUR_MS + minute * 60_000 });
  assert.deepEqual([15, 59, 60, 74].map(atMinute), [null, null, null, null]);
  assert.notEqual(atMinute(75), null);
  const rolling = { bucketMs: DAY_MS / 60, lengthMs: DAY_MS, spentNanoUsd: 3n * USD, limitNanoUsd: 10n * USD };
  const minutesAfter = (minutes: number) =>
    rollingForecast({ ...rolling, buckets: hours, nowMs: NOVEMBER_MS + 9 * HOUR_MS + minutes * 60_000 });
  assert.deepEqual([0.03, 23, 38].map(minutesAfter), [null, null, null]);
  assert.notEqual(minutesAfter(39), null);
});

test('spend that lies in the future after a clock was set back does not count for the pace', () => {
  const nowMs = NOVEMBER_MS + 10 * DAY_MS;
  const hours = [...hourly(NOVEMBER_MS, nowMs, () => 1), { startMs: nowMs + DAY_MS, nanoUsd: 500n * USD }];
  near(forecast(november({ hours, nowMs }))?.burnUsdPerHour, 1, 0.001);
});

for (const kind of TRAFFICS.slice(0, 2)) {
  test(`over a year of made-up traffic (${kind.name}) the middle of a month tells its end to within a tenth, mostly`, () => {
    const hours = traffic(kind, { fromMs: Date.UTC(2026, 0, 1), days: 365, seed: 1 });
    const errors = Array.from({ length: 11 }, (_, month) => {
      const [startMs, endMs] = [Date.UTC(2026, month, 1), Date.UTC(2026, month + 1, 1)];
      const nowMs = startMs + 14 * DAY_MS;
      const usd = (fromMs: number, untilMs: number) =>
        hours.filter(({ startMs: at }) => at >= fromMs && at < untilMs).reduce((sum, { nanoUsd }) => sum + nanoUsd, 0n);
      const seen = hours.filter(({ startMs: at }) => at >= nowMs - 35 * DAY_MS && at < nowMs);
      const found = forecast({
        hours: seen,
        startMs,
        endMs,
        nowMs,
        spentNanoUsd: usd(startMs, nowMs),
        limitNanoUsd: USD,
      });
      return Math.abs((found?.expectedUsd ?? Number.NaN) / (Number(usd(startMs, endMs)) / 1e9) - 1);
    });
    assert.ok(errors.filter((error) => error < 0.1).length >= 9, errors.join(', '));
  });
}

test('a rolling window is expected to fill at the pace of its last quarter', () => {
  const nowMs = Date.UTC(2026, 10, 24, 12);
  const bucketMs = HOUR_MS;
  // $1 an hour for 18 hours, then $3 an hour for 6.
  const buckets = Array.from({ length: 24 }, (_, hour) => ({
    startMs: nowMs - (24 - hour) * HOUR_MS,
    nanoUsd: (hour < 18 ? 1n : 3n) * USD,
  }));
  const seen = { buckets, bucketMs, lengthMs: DAY_MS, nowMs, spentNanoUsd: 36n * USD };
  const found = rollingForecast({ ...seen, limitNanoUsd: 54n * USD });
  assert.equal(found?.burnUsdPerHour, 3);
  assert.equal(found?.expectedUsd, 72);
  // $3 come in an hour and $1.50 leave on average: $18 more after 12 hours.
  assert.equal(found?.runsOutAtMs, nowMs + 12 * HOUR_MS);
  assert.equal(rollingForecast({ ...seen, limitNanoUsd: 80n * USD })?.runsOutAtMs, null);
  assert.equal(rollingForecast({ ...seen, limitNanoUsd: 36n * USD })?.runsOutAtMs, nowMs);
  assert.equal(rollingForecast({ ...seen, buckets: [], limitNanoUsd: USD }), null);
});
