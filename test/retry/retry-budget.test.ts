import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ConfigurationError, RetryBudget } from 'plimsoll';

const WINDOW_MS = 60_000;
/** The window moves on in steps of a second. */
const SLOT_MS = WINDOW_MS / 60;

function budgetAt(options: { readonly ratio?: number; readonly floor?: number } = {}) {
  const time = { ms: 0 };
  const clock = { epochMs: () => time.ms, monotonicMs: () => time.ms };
  return { time, budget: new RetryBudget({ ...options, windowMs: WINDOW_MS, clock }) };
}

const taken = (budget: RetryBudget, tries: number) =>
  Array.from({ length: tries }, () => budget.take()).filter(Boolean);

const step = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ does: 'begin' } as const) },
  { weight: 2, arbitrary: fc.constant({ does: 'take' } as const) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.nat(2 * WINDOW_MS) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.nat(3_000) }) },
);

describe('a retry budget', () => {
  it('is never exceeded: at each retry it allows, retries are at most the ratio of the calls of the window, or the floor', () => {
    const settings = fc.record({ ratio: fc.double({ min: 0, max: 2, noNaN: true }), floor: fc.nat(5) });
    fc.assert(
      fc.property(settings, fc.array(step, { maxLength: 300 }), (options, steps) => {
        const { budget, time } = budgetAt(options);
        const calls: number[] = [];
        const retries: number[] = [];
        for (const { does, ...more } of steps) {
          if ('ms' in more) time.ms += more.ms;
          if (does === 'begin') calls.push(time.ms);
          if (does === 'begin') budget.countCall();
          if (does !== 'take') continue;
          const inWindow = (times: readonly number[]) =>
            times.filter((ms) => Math.floor(ms / SLOT_MS) > Math.floor(time.ms / SLOT_MS) - 60).length;
          const allowed = Math.max(options.floor, options.ratio * inWindow(calls));
          const granted = budget.take();
          assert.equal(granted, inWindow(retries) + 1 <= allowed);
          if (granted) retries.push(time.ms);
        }
      }),
    );
  });

  it('allows 20 retries for 100 calls, and so many again when the window is over', () => {
    const { budget, time } = budgetAt();
    for (let i = 0; i < 100; i++) budget.countCall();
    assert.equal(taken(budget, 50).length, 20);
    time.ms += WINDOW_MS;
    for (let i = 0; i < 100; i++) budget.countCall();
    assert.equal(taken(budget, 50).length, 20);
  });

  it('allows its floor to a service with next to no calls', () => {
    const { budget } = budgetAt({ floor: 3 });
    budget.countCall();
    assert.equal(taken(budget, 10).length, 3);
  });

  it('is used up by retries that nobody asked it about', () => {
    const { budget } = budgetAt({ floor: 3 });
    for (let i = 0; i < 3; i++) budget.countRetry();
    assert.equal(budget.take(), false);
  });

  it('reports all problems of its options at once', () => {
    assert.throws(
      () => new RetryBudget({ ratio: -1, floor: 0.5, windowMs: 1 }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.equal(error.code, 'PLIMSOLL_RETRY_INVALID');
        assert.deepEqual(
          error.problems.map(({ field }) => field),
          ['ratio', 'floor', 'windowMs'],
        );
        return true;
      },
    );
  });
});
