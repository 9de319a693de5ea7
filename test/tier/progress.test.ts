import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  SeenSpend,
  tierProgress,
  type MonthSpend,
  type ProgressQuestion,
  type TierProgress,
} from '../../src/tier/progress.ts';

const at = (text: string): number => Date.parse(`${text}Z`);

describe('spend as one process sees it', () => {
  const NOVEMBER = at('2026-11-30T23:59:59.999');
  const DECEMBER = at('2026-12-01T00:00:00');

  it('begins anew with each calendar month', () => {
    const spend = new SeenSpend();
    spend.add(4_000_000_000, NOVEMBER);
    assert.equal(spend.nanoUsd(NOVEMBER), 4_000_000_000n);
    assert.equal(spend.nanoUsd(DECEMBER), 0n);
    spend.add(7, DECEMBER);
    assert.equal(spend.nanoUsd(DECEMBER), 7n);
  });

  it('of a month is still there when the clock jumps back over its end, and is not counted into the next', () => {
    const spend = new SeenSpend();
    spend.add(10, NOVEMBER);
    spend.add(1, DECEMBER);
    spend.add(5, NOVEMBER);
    assert.deepEqual([spend.nanoUsd(NOVEMBER), spend.nanoUsd(DECEMBER)], [15n, 1n]);
  });

  it('is remembered for three months: a clock that jumps costs neither memory nor the present month', () => {
    const spend = new SeenSpend();
    spend.add(3, NOVEMBER);
    for (let year = 2050; year < 2060; year += 1) spend.add(1, Date.UTC(year, 0, 1));
    assert.equal(spend.nanoUsd(Date.UTC(2050, 0, 1)), 0n);
    spend.add(4, NOVEMBER);
    assert.equal(spend.nanoUsd(NOVEMBER), 4n);
  });

  it('is exact beyond what a double holds', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat(), { maxLength: 50 }), (amounts) => {
        const spend = new SeenSpend();
        for (const amount of amounts) spend.add(amount, NOVEMBER);
        assert.equal(
          spend.nanoUsd(NOVEMBER),
          amounts.reduce((sum, amount) => sum + BigInt(amount), 0n),
        );
      }),
    );
  });
});

const ledger = (usd: number, countedSinceMs = -Infinity): MonthSpend => ({ usd, countedSinceMs });

function progress(given: Partial<ProgressQuestion>): TierProgress {
  const question = { tier: 'Start', spend: ledger(100), limits: [], atMs: at('2026-11-16T00:00:00'), ...given };
  return tierProgress(question) ?? assert.fail('no progress');
}

describe('progress towards the cap of the tier', () => {
  it('is the share of the monthly cap that is spent', () => {
    const { tier, ratio, monthlyCapUsd, monthEndMs } = progress({ spend: ledger(430) });
    assert.deepEqual([tier, ratio, monthlyCapUsd], ['Start', 0.86, 500]);
    assert.equal(monthEndMs, Date.UTC(2026, 11, 1));
  });

  it('is not known where the tier is unknown, or did not exist at that time', () => {
    const question = { spend: ledger(1), limits: [], atMs: at('2026-11-16T00:00:00') };
    assert.equal(tierProgress({ ...question, tier: null }), null);
    assert.equal(tierProgress({ ...question, tier: 'Tier 2' }), null);
  });

  it('has no share if the spend is unknown, no cap is published, or there is no cap', () => {
    assert.deepEqual([progress({ spend: null }).spend, progress({ spend: null }).ratio], [null, null]);
    const evaluation = progress({ tier: 'Evaluation' });
    assert.deepEqual([evaluation.ratio, evaluation.uncapped], [null, false]);
    const custom = progress({ tier: 'Custom', spend: ledger(1e6) });
    assert.deepEqual([custom.ratio, custom.uncapped, custom.capReachedAtMs, custom.next], [null, true, null, null]);
  });

  it('says when the cap is reached if spend goes on as it did this month', () => {
    // $250 in 10 days are $25 a day: the other $250 take 10 days more.
    const { capReachedAtMs } = progress({ spend: ledger(250), atMs: at('2026-11-11T00:00:00') });
    assert.equal(capReachedAtMs, Date.UTC(2026, 10, 21));
  });

  it('says nothing where the month ends before the cap is reached', () => {
    // 15 of 30 days: $250 is the most that lasts.
    assert.equal(progress({ spend: ledger(249) }).capReachedAtMs, null);
    assert.equal(progress({ spend: ledger(250) }).capReachedAtMs, null);
    assert.ok((progress({ spend: ledger(251) }).capReachedAtMs ?? Infinity) < Date.UTC(2026, 11, 1));
  });

  it('uses the length of the month: February of a leap year has a day more', () => {
    const reached = (moment: string) =>
      progress({ spend: ledger(250), atMs: at(moment) }).capReachedAtMs === null ? 'not reached' : 'reached';
    assert.equal(reached('2028-02-15T00:00:00'), 'reached');
    assert.equal(reached('2027-02-15T00:00:00'), 'not reached');
  });

  it('takes the rate from when the process began to count', () => {
    // $10 in the 5 hours since: $490 more take 245 hours, which is over on the 26th at 5 in the morning.
    const spend = ledger(10, at('2026-11-15T19:00:00'));
    assert.equal(progress({ spend }).capReachedAtMs, at('2026-11-26T05:00:00'));
  });

  it('waits for an hour before it gives a rate', () => {
    const atMs = at('2026-11-01T00:59:59');
    assert.equal(progress({ spend: ledger(400), atMs }).capReachedAtMs, null);
    assert.notEqual(progress({ spend: ledger(400), atMs: atMs + 1_000 }).capReachedAtMs, null);
    const future = ledger(400, at('2027-01-01T00:00:00'));
    assert.equal(progress({ spend: future }).capReachedAtMs, null, 'the clock was set back');
  });

  it('a cap that is reached is reached now', () => {
    const atMs = at('2026-11-01T00:00:01');
    assert.equal(progress({ spend: ledger(500), atMs }).capReachedAtMs, atMs);
    assert.equal(progress({ spend: ledger(0) }).capReachedAtMs, null);
  });

  it('the cap is never reached later by spending more', () => {
    const usd = fc.double({ min: 0, max: 2_000, noNaN: true });
    fc.assert(
      fc.property(usd, usd, fc.integer({ min: 1, max: 29 * 24 }), (one, other, hours) => {
        const atMs = Date.UTC(2026, 10, 1, hours);
        const reached = (spent: number) => progress({ spend: ledger(spent), atMs }).capReachedAtMs ?? Infinity;
        assert.ok(reached(Math.max(one, other)) <= reached(Math.min(one, other)));
        assert.ok(reached(one) >= atMs);
      }),
    );
  });
});

describe('the next tier', () => {
  it('of Start is Build: a cap of $1,000, five times the requests and two and a half times the tokens', () => {
    const { next } = progress({});
    assert.deepEqual([next?.name, next?.monthlyCapUsd, next?.uncapped], ['Build', 1_000, false]);
    assert.deepEqual(
      next?.lifts.filter(({ modelClass }) => modelClass === 'sonnet-5'),
      [
        { modelClass: 'sonnet-5', dimension: 'requests', from: 1_000, to: 5_000, factor: 5 },
        { modelClass: 'sonnet-5', dimension: 'input_tokens', from: 2_000_000, to: 5_000_000, factor: 2.5 },
        { modelClass: 'sonnet-5', dimension: 'output_tokens', from: 400_000, to: 1_000_000, factor: 2.5 },
      ],
    );
    const fable = next?.lifts.filter(({ modelClass }) => modelClass === 'fable-5.x').map(({ factor }) => factor);
    assert.deepEqual(fable, [2, 3, 3]);
  });

  it('is measured by the limits that were seen, where they were', () => {
    const limits = [{ modelClass: 'opus-5', dimension: 'input_tokens', limit: 1_000_000 } as const];
    const lift = progress({ limits }).next?.lifts.find(
      ({ modelClass, dimension }) => modelClass === 'opus-5' && dimension === 'input_tokens',
    );
    assert.deepEqual([lift?.from, lift?.to, lift?.factor], [1_000_000, 5_000_000, 5]);
  });

  it('has no threshold to reach, and says so', () => {
    const { next } = progress({});
    assert.equal(next?.thresholdUsd, null);
    assert.match(next.reachedBy, /no threshold is published/);
  });

  it('had one among the old tiers: credit purchased in total', () => {
    const thresholds = ['Tier 1', 'Tier 2', 'Tier 3'].map((tier) => {
      const { next } = progress({ tier, atMs: at('2026-05-10T00:00:00') });
      return [next?.name, next?.thresholdUsd, next?.reachedBy];
    });
    assert.deepEqual(thresholds, [
      ['Tier 2', 40, 'by credit purchased in total'],
      ['Tier 3', 200, 'by credit purchased in total'],
      ['Tier 4', 400, 'by credit purchased in total'],
    ]);
  });

  it('after Evaluation has limits, but no factor over the present ones, which are not published', () => {
    const { next } = progress({ tier: 'Evaluation' });
    assert.equal(next?.name, 'Start');
    assert.deepEqual([next.lifts[0]?.from, next.lifts[0]?.factor], [null, null]);
  });

  it('after Scale is Custom, without a cap and without published limits', () => {
    const { next } = progress({ tier: 'Scale' });
    assert.deepEqual([next?.name, next?.uncapped, next?.lifts], ['Custom', true, []]);
  });
});
