import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemTimers, utcMonth } from '../src/clock.ts';

const at = (text: string): number => Date.parse(`${text}Z`);

describe('the calendar month in UTC', () => {
  const MONTHS: readonly (readonly [moment: string, start: string, end: string])[] = [
    ['2026-11-24T12:00:00', '2026-11-01', '2026-12-01'],
    ['2026-11-30T23:59:59.999', '2026-11-01', '2026-12-01'],
    ['2026-12-01T00:00:00', '2026-12-01', '2027-01-01'],
    ['2026-12-31T23:59:59.999', '2026-12-01', '2027-01-01'],
    ['2028-02-29T12:00:00', '2028-02-01', '2028-03-01'],
    ['2027-02-28T23:59:59.999', '2027-02-01', '2027-03-01'],
    ['2100-02-28T12:00:00', '2100-02-01', '2100-03-01'],
  ];
  for (const [moment, start, end] of MONTHS) {
    it(`of ${moment} UTC is from ${start} until before ${end}`, () => {
      const { startMs, endMs } = utcMonth(at(moment));
      assert.deepEqual([startMs, endMs], [Date.parse(start), Date.parse(end)]);
    });
  }

  it('has 29 days in a leap year and 28 in others', () => {
    const days = (moment: string): number => {
      const { startMs, endMs } = utcMonth(at(moment));
      return (endMs - startMs) / 86_400_000;
    };
    assert.deepEqual(['2028-02-10T00:00', '2027-02-10T00:00', '2100-02-10T00:00'].map(days), [29, 28, 28]);
  });
});

describe("the system's timers", () => {
  for (const timer of ['whileWaiting', 'inBackground'] as const) {
    it(`wait no less ${timer} where more was asked for than Node's can`, async () => {
      let ran = 0;
      const cancel = systemTimers[timer](1e12, () => (ran += 1));
      // Node's run after one millisecond then: before one that was set after them.
      await new Promise((resolve) => systemTimers.whileWaiting(20, () => resolve(null)));
      cancel();
      assert.equal(ran, 0);
    });
  }
});
