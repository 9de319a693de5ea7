import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MinuteMarks, ThrottleHistory } from '../../src/tier/throttles.ts';
import type { Limiter } from '../../src/limiter.ts';

const MINUTE = 60_000;

const HOUR = 60 * MINUTE;

const DAY = 24 * HOUR;

const WEEK = 7 * DAY;

const T0 = Date.UTC(2026, 10, 24, 12);

describe('the minutes of a week', () => {
  it('are counted once, however often something happens in them', () => {
    const marks = new MinuteMarks();
    for (const ms of [0, 1, 59_999, 60_000, 3 * MINUTE]) marks.mark(T0 + ms);
    assert.equal(marks.count(T0, T0 + HOUR), 3);
    assert.equal(marks.count(T0 + MINUTE, T0 + 2 * MINUTE), 1);
  });

  it('fall out one by one as a week passes', () => {
    const marks = new MinuteMarks();
    marks.mark(T0);
    marks.mark(T0 + MINUTE);
    marks.mark(T0 + WEEK);
    assert.equal(marks.count(T0 - DAY, T0 + 2 * WEEK), 2);
    marks.mark(T0 + 10 * WEEK);
    assert.equal(marks.count(T0 - DAY, T0 + 20 * WEEK), 1);
  });

  it('begin anew when the clock was wrong by a week or more, and go on when it was wrong by less', () => {
    const marks = new MinuteMarks();
    marks.mark(T0 + 2 * DAY);
    marks.mark(T0);
    assert.equal(marks.count(T0 - DAY, T0 + MINUTE), 1);
    marks.mark(T0 - WEEK);
    assert.equal(marks.count(T0 - WEEK, T0 + WEEK), 1);
    marks.mark(T0 - 2 * WEEK);
    assert.equal(marks.count(T0 - WEEK, T0), 0, 'a week back to the minute');
  });

  it('agree with a set of minutes that forgets what is a week old', () => {
    const jumps = fc.array(fc.integer({ min: 0, max: 3 * DAY }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(jumps, fc.nat(WEEK), (waits, since) => {
        const marks = new MinuteMarks();
        const truth = new Set<number>();
        let nowMs = T0;
        for (const wait of waits) {
          nowMs += wait;
          marks.mark(nowMs);
          truth.add(Math.floor(nowMs / MINUTE));
        }
        const newest = Math.floor(nowMs / MINUTE);
        const from = Math.max(Math.floor((nowMs - since) / MINUTE), newest - 7 * 24 * 60 + 1);
        const expected = [...truth].filter((minute) => minute >= from).length;
        assert.equal(marks.count(nowMs - since, nowMs + 1), expected);
      }),
    );
  });
});

const left = (remaining: number, given: Partial<Limiter> = {}): Limiter => ({
  dimension: 'input_tokens',
  limit: 1_000,
  remaining,
  resetAtMs: null,
  ...given,
});

describe('the history of 429s', () => {
  it('shows for each day how many minutes were throttled, of how many with traffic', () => {
    const history = new ThrottleHistory();
    for (let minute = 0; minute < 100; minute += 1) history.of('sonnet-5')?.see([], null, T0 - DAY + minute * MINUTE);
    for (let minute = 0; minute < 3; minute += 1) {
      history.of('sonnet-5')?.see([], 'input_tokens', T0 - DAY + minute * MINUTE);
      history.of('sonnet-5')?.see([], 'input_tokens', T0 - DAY + minute * MINUTE + 30_000);
    }
    history.of('sonnet-5')?.see([], null, T0);
    history.of('sonnet-5')?.see([], 'requests', T0);
    const week = history.week(T0);
    assert.deepEqual(
      week.map(({ modelClass, reason }) => [modelClass, reason]),
      [
        ['sonnet-5', 'input_tokens'],
        ['sonnet-5', 'requests'],
      ],
    );
    assert.deepEqual(week[0]?.days.slice(-3), [
      { day: '2026-11-22', throttledMinutes: 0, activeMinutes: 0 },
      { day: '2026-11-23', throttledMinutes: 3, activeMinutes: 100 },
      { day: '2026-11-24', throttledMinutes: 0, activeMinutes: 1 },
    ]);
    assert.deepEqual(week[1]?.days.at(-1), { day: '2026-11-24', throttledMinutes: 1, activeMinutes: 1 });
  });

  it('is seven days long to the minute, and spans a leap day', () => {
    const history = new ThrottleHistory();
    const nowMs = Date.UTC(2028, 2, 3, 6);
    for (let hour = 0; hour < 10 * 24; hour += 1)
      history.of('opus-5')?.see([], 'requests', nowMs - 10 * DAY + hour * HOUR);
    const days = history.week(nowMs - 1)[0]?.days ?? [];
    assert.deepEqual(
      days.map(({ day, throttledMinutes }) => `${day} ${throttledMinutes}`),
      [
        ...['2028-02-25 18', '2028-02-26 24', '2028-02-27 24', '2028-02-28 24', '2028-02-29 24'],
        ...['2028-03-01 24', '2028-03-02 24', '2028-03-03 6'],
      ],
    );
  });

  it('keeps the most that was used of each limit, until a week has passed', () => {
    const history = new ThrottleHistory();
    for (const remaining of [500, 140, 900]) history.of('sonnet-5')?.see([left(remaining)], null, T0);
    history.of('sonnet-5')?.see([left(960), left(50, { dimension: 'requests', limit: 100 })], null, T0 + DAY);
    const peaks = (nowMs: number) =>
      history.peaks(nowMs).map(({ dimension, usedRatio }) => `${dimension} ${usedRatio.toFixed(2)}`);
    assert.deepEqual(peaks(T0 + DAY), ['input_tokens 0.86', 'requests 0.50']);
    assert.deepEqual(peaks(T0 + 7 * DAY), ['input_tokens 0.04', 'requests 0.50']);
    assert.deepEqual(peaks(T0 + 9 * DAY), []);
  });

  it('counts no use from headers without a limit, with a limit of 0, or without a remainder', () => {
    const history = new ThrottleHistory();
    history
      .of('opus-5')
      ?.see([left(0, { limit: null }), left(0, { limit: 0 }), left(5, { remaining: null })], null, T0);
    assert.deepEqual(history.peaks(T0), []);
  });

  it('stays within 0 and 1 where the headers show more than the limit', () => {
    const history = new ThrottleHistory();
    history.of('opus-5')?.see([left(4_000)], null, T0);
    assert.deepEqual(history.peaks(T0)[0]?.usedRatio, 0);
  });

  it('keeps a week of daily peaks, however long the process runs or the clock jumps', () => {
    const history = new ThrottleHistory();
    for (let day = 0; day < 400; day += 1) history.of('opus-5')?.see([left(1_000 - day)], null, T0 + day * DAY);
    assert.equal(history.peaks(T0 + 399 * DAY)[0]?.usedRatio.toFixed(3), '0.399');
    assert.equal(history.peaks(T0 + 100 * DAY).length, 0);
  });
});
