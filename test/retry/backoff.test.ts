import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { waitMs } from '../../src/retry/backoff.ts';
import { retryAfterMs } from '../../src/retry/retry-after.ts';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const backoff = fc.record({ backoffMs: fc.nat(10_000), maxBackoffMs: fc.nat(120_000) });

describe('the wait before a retry', () => {
  it('is never shorter than the server asked for, and longer by no more than the doubled bound', () => {
    const waiting = fc.record({
      retries: fc.nat(20),
      retryAfterMs: fc.option(fc.nat(3_600_000)),
      random: chance.map((drawn) => () => drawn),
    });
    fc.assert(
      fc.property(backoff, waiting, (settings, { retries, retryAfterMs: asked, random }) => {
        const wait = waitMs(settings, { retries, retryAfterMs: asked, random });
        let bound = settings.backoffMs;
        for (let i = 0; i < retries && bound < settings.maxBackoffMs; i++) bound += bound;
        assert.ok(wait >= (asked ?? 0));
        assert.ok(wait <= (asked ?? 0) + Math.min(bound, settings.maxBackoffMs));
      }),
    );
  });

  it('takes the whole room below its bound: 1, 2, 4, 8 s and then what is the most', () => {
    const settings = { backoffMs: 1_000, maxBackoffMs: 10_000 };
    const waits = (drawn: number) =>
      [0, 1, 2, 3, 4, 5].map((retries) => waitMs(settings, { retries, retryAfterMs: null, random: () => drawn }));
    assert.deepEqual(waits(0), [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(waits(0.5), [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    assert.deepEqual(waits(1), [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });
});

describe('what the server asks for', () => {
  const NOW_MS = Date.parse('2026-11-24T12:00:00Z');
  const CASES: readonly (readonly [headers: Record<string, string>, ms: number | null])[] = [
    [{}, null],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.25' }, 250],
    [{ 'retry-after-ms': '1500' }, 1_500],
    [{ 'retry-after-ms': '1500', 'retry-after': '60' }, 1_500],
    [{ 'retry-after-ms': 'soon', 'retry-after': '60' }, 60_000],
    [{ 'retry-after-ms': '0', 'retry-after': '60' }, 60_000],
    [{ 'retry-after': 'Tue, 24 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Tue, 24 Nov 2026 11:59:00 GMT' }, null],
    [{ 'retry-after': '0' }, null],
    [{ 'retry-after': '-3' }, null],
    [{ 'retry-after': 'tomorrow' }, null],
    [{ 'retry-after': 'Infinity' }, Infinity],
  ];
  for (const [headers, ms] of CASES) {
    it(`is ${ms} ms by ${JSON.stringify(headers)}`, () => assert.equal(retryAfterMs(new Headers(headers), NOW_MS), ms));
  }
});
