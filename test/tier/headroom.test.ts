import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LimiterHistory, LimiterWindow, tightest, type Headroom } from '../../src/tier/headroom.ts';
import type { Limiter } from '../../src/limiter.ts';

const T0 = Date.UTC(2026, 10, 24, 12);

const SECOND = 1_000;

const MINUTE = 60_000;

const input = (given: Partial<Limiter>): Limiter => ({
  dimension: 'input_tokens',
  limit: 600_000,
  remaining: 600_000,
  resetAtMs: null,
  ...given,
});

/** A window that saw these amounts remaining, at these times after T0. */
function windowOf(...seen: readonly (readonly [atMs: number, remaining: number, given?: Partial<Limiter>])[]) {
  const window = new LimiterWindow();
  for (const [atMs, remaining, given] of seen) window.see(input({ remaining, ...given }), T0 + atMs);
  return window;
}

/**
 * The API's side, reckoned apart: a bucket that is refilled all the time and told of as the headers do, with what
 * remains to the nearest thousand and the reset to the next whole second.
 */
class Bucket {
  readonly #limit: number;
  #available: number;
  #atMs = T0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#available = limit;
  }

  available(atMs: number): number {
    return Math.min(this.#limit, this.#available + (this.#limit * (atMs - this.#atMs)) / MINUTE);
  }

  take(amount: number, atMs: number): Limiter {
    this.#available = Math.max(0, this.available(atMs) - amount);
    this.#atMs = atMs;
    const fullAtMs = atMs + ((this.#limit - this.#available) / this.#limit) * MINUTE;
    return input({
      limit: this.#limit,
      remaining: Math.round(this.#available / 1_000) * 1_000,
      resetAtMs: Math.ceil(fullAtMs / SECOND) * SECOND,
    });
  }
}

describe('what is left of a limit', () => {
  it('is the last value seen, refilled along a line until the reset', () => {
    const window = windowOf([0, 100_000, { resetAtMs: T0 + 50 * SECOND }]);
    const left = (afterMs: number) => window.headroom(T0 + afterMs)?.remaining;
    assert.equal(left(0), 100_000);
    assert.equal(left(25 * SECOND), 350_000);
    assert.equal(left(50 * SECOND), 600_000);
    assert.equal(left(4 * MINUTE), 600_000);
  });

  it('is refilled within a minute where no reset was sent, or one that is not ahead of our clock', () => {
    for (const resetAtMs of [null, T0 - 10 * SECOND]) {
      const window = windowOf([0, 300_000, { resetAtMs }]);
      assert.equal(window.headroom(T0 + 15 * SECOND)?.remaining, 450_000);
      assert.equal(window.headroom(T0 + 30 * SECOND)?.remaining, 600_000);
    }
  });

  it('is not known before anything was seen, and five minutes after the last response', () => {
    assert.equal(new LimiterWindow().headroom(T0), null);
    const window = windowOf([0, 100_000]);
    assert.notEqual(window.headroom(T0 + 5 * MINUTE), null);
    assert.equal(window.headroom(T0 + 5 * MINUTE + 1), null);
  });

  it('of a limit of 0, as fast mode without capacity, is 0', () => {
    const window = windowOf([0, 0, { dimension: 'fast_input_tokens', limit: 0 }]);
    const { limit, remaining, exhaustedInSeconds } = window.headroom(T0 + MINUTE) ?? assert.fail();
    assert.deepEqual([limit, remaining, exhaustedInSeconds], [0, 0, null]);
  });

  it('is unknown if the headers have no limit or no remainder', () => {
    assert.equal(windowOf([0, 5_000, { limit: null }]).headroom(T0), null);
    assert.equal(windowOf([0, 0, { remaining: null }]).headroom(T0), null);
  });

  const seen = fc.record({
    afterMs: fc.nat(10 * MINUTE),
    limit: fc.option(fc.nat(5_000_000), { nil: null }),
    remaining: fc.option(fc.integer({ min: 0, max: 9_000_000 }), { nil: null }),
    resetMs: fc.option(fc.integer({ min: -5 * MINUTE, max: 5 * MINUTE }), { nil: null }),
  });

  it('is never below 0 nor above the limit, whatever the headers and the clock say', () => {
    fc.assert(
      fc.property(fc.array(seen, { maxLength: 30 }), fc.integer({ min: -MINUTE, max: 15 * MINUTE }), (all, nowMs) => {
        const window = new LimiterWindow();
        for (const { afterMs, limit, remaining, resetMs } of all) {
          const resetAtMs = resetMs === null ? null : T0 + afterMs + resetMs;
          window.see(input({ limit, remaining, resetAtMs }), T0 + afterMs);
        }
        const left = window.headroom(T0 + nowMs);
        if (left === null) return;
        assert.ok(left.remaining >= 0 && left.remaining <= left.limit, JSON.stringify(left));
        assert.ok(left.usedPerMinute === null || (left.usedPerMinute >= 0 && Number.isFinite(left.usedPerMinute)));
        assert.ok(left.exhaustedInSeconds === null || left.exhaustedInSeconds >= 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('only grows while nothing more is seen', () => {
    const times = fc.array(fc.nat(5 * MINUTE), { minLength: 2 }).map((all) => all.toSorted((a, b) => a - b));
    fc.assert(
      fc.property(seen, times, ({ limit, remaining, resetMs }, moments) => {
        const window = new LimiterWindow();
        window.see(input({ limit, remaining, resetAtMs: resetMs === null ? null : T0 + resetMs }), T0);
        const left = moments.map((ms) => window.headroom(T0 + ms)?.remaining ?? 0);
        assert.deepEqual(
          left,
          left.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  it('agrees with the bucket itself to what the headers round away', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 100, max: 9_000 }), fc.nat(60_000)), { minLength: 1 });
    fc.assert(
      fc.property(steps, fc.nat(2 * MINUTE), (all, later) => {
        const bucket = new Bucket(600_000);
        const window = new LimiterWindow();
        let nowMs = T0;
        for (const [waitMs, tokens] of all) {
          nowMs += waitMs;
          window.see(bucket.take(tokens, nowMs), nowMs);
        }
        const { remaining } = window.headroom(nowMs + later) ?? assert.fail();
        // Half a thousand by the remainder, and up to a second of 10,000 tokens by the reset.
        assert.ok(Math.abs(remaining - bucket.available(nowMs + later)) <= 10_500);
      }),
    );
  });
});

describe('how fast a limit is used, and when it is gone', () => {
  it('is what was refilled and is no longer there', () => {
    // 10,000 tokens flow in each second, 300,000 in 30 s; of those 200,000 are there: 100,000 were used in half a minute.
    const { usedPerMinute, exhaustedInSeconds, remaining } =
      windowOf([0, 200_000], [30 * SECOND, 400_000]).headroom(T0 + 30 * SECOND) ?? assert.fail();
    assert.equal(usedPerMinute, 200_000);
    assert.equal(remaining, 400_000);
    assert.equal(exhaustedInSeconds, null);
  });

  it('is gone when what is used beyond the refill has used up what is left', () => {
    // 300,000 in 10 s while 100,000 flowed in: 1,800,000 a minute, 1,200,000 above the inflow.
    const window = windowOf([0, 500_000], [10 * SECOND, 300_000]);
    const { usedPerMinute, exhaustedInSeconds } = window.headroom(T0 + 10 * SECOND) ?? assert.fail();
    assert.equal(usedPerMinute, 1_800_000);
    assert.equal(exhaustedInSeconds, 15);
  });

  it('is not known from one response, nor from two within a second', () => {
    assert.equal(windowOf([0, 1_000]).headroom(T0)?.usedPerMinute, null);
    assert.equal(windowOf([0, 1_000], [900, 0]).headroom(T0 + 900)?.usedPerMinute, null);
  });

  it('fades when calls stop, and is not known after five minutes', () => {
    const window = windowOf([0, 600_000], [10 * SECOND, 300_000]);
    const used = (afterMs: number) => window.headroom(T0 + afterMs)?.usedPerMinute ?? null;
    assert.equal(used(10 * SECOND), 1_800_000);
    assert.equal(used(MINUTE), 300_000);
    assert.equal(used(5 * MINUTE + 11 * SECOND), null);
  });

  it('for rare calls is what they took, although the bucket is full again in between', () => {
    const window = windowOf(...[0, 1, 2, 3, 4].map((minute) => [minute * MINUTE, 570_000] as const));
    assert.equal(window.headroom(T0 + 4 * MINUTE)?.usedPerMinute, 30_000);
  });

  it('with a tier that rises starts anew: a bucket of another size is another bucket', () => {
    const window = windowOf([0, 100_000], [10 * SECOND, 1_900_000, { limit: 2_000_000 }]);
    const { limit, remaining, usedPerMinute } = window.headroom(T0 + 10 * SECOND) ?? assert.fail();
    assert.deepEqual([limit, remaining, usedPerMinute], [2_000_000, 1_900_000, null]);
  });

  it('leaves out answers that come late, and begins again when the clock was set back by more than a minute', () => {
    const window = windowOf([0, 600_000], [30 * SECOND, 500_000], [20 * SECOND, 1_000]);
    assert.equal(window.headroom(T0 + 30 * SECOND)?.remaining, 500_000);
    window.see(input({ remaining: 250_000 }), T0 - 60 * MINUTE);
    assert.equal(window.headroom(T0 - 60 * MINUTE)?.remaining, 250_000);
  });

  it('is the true rate within what rounding allows, however the calls are spaced', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 50, max: 5_000 }), fc.integer({ min: 1_000, max: 20_000 })), {
      minLength: 40,
      maxLength: 120,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const bucket = new Bucket(2_000_000);
        const window = new LimiterWindow();
        const taken: { atMs: number; tokens: number }[] = [];
        let nowMs = T0;
        for (const [waitMs, tokens] of all) {
          nowMs += waitMs;
          window.see(bucket.take(tokens, nowMs), nowMs);
          taken.push({ atMs: nowMs, tokens });
        }
        const used = window.headroom(nowMs)?.usedPerMinute ?? 0;
        // The window begins at a response about a minute ago, so the truth lies between those of its neighbours.
        const rates = taken
          .filter(({ atMs }) => nowMs - atMs >= Math.min(MINUTE, nowMs - T0) * 0.8 && nowMs - atMs <= MINUTE + 15_000)
          .map((from) => {
            const since = taken.filter(({ atMs }) => atMs > from.atMs);
            return (since.reduce((sum, { tokens }) => sum + tokens, 0) * MINUTE) / (nowMs - from.atMs);
          });
        if (rates.length === 0) return;
        // 1,000 tokens by the two remainders; and a full bucket hides up to half a thousand at each response.
        const slack = 1_000 + 500 * taken.length;
        assert.ok(
          used >= Math.min(...rates) - slack && used <= Math.max(...rates) + slack,
          `${used} of ${rates.join()}`,
        );
      }),
    );
  });

  it('is remembered in bounded memory: 30 observations of five minutes, however many calls there are', () => {
    const window = new LimiterWindow();
    const bucket = new Bucket(2_000_000);
    for (let ms = 0; ms <= 20 * MINUTE; ms += 200) window.see(bucket.take(5_000, T0 + ms), T0 + ms);
    const { usedPerMinute } = window.headroom(T0 + 20 * MINUTE) ?? assert.fail();
    // 300 calls a minute of 5,000 tokens.
    assert.ok(Math.abs((usedPerMinute ?? 0) - 1_500_000) < 30_000, String(usedPerMinute));
  });
});

describe('several keys and replicas of one organization', () => {
  it('see the same bucket: what is left and what is used is not doubled', () => {
    const bucket = new Bucket(600_000);
    const one = new LimiterHistory();
    const replicas = [new LimiterHistory(), new LimiterHistory()];
    const keys = ['prod-api-key', 'ci-runner-key'];
    for (let step = 0; step <= 400; step += 1) {
      const atMs = T0 + step * 300;
      const seen = [bucket.take(4_000, atMs)];
      const key = keys[step % 2] ?? assert.fail();
      one.of({ key, modelClass: 'sonnet-5' }).see(seen, atMs);
      replicas[step % 2]?.of({ key: 'prod-api-key', modelClass: 'sonnet-5' }).see(seen, atMs);
    }
    const nowMs = T0 + 120 * SECOND;
    // 4,000 tokens every 300 ms are 800,000 a minute, 200,000 more than flow in: of 600,000 a third is left after two.
    for (const history of [one, ...replicas]) {
      const [only, ...others] = history.headroom(nowMs);
      assert.deepEqual(others, []);
      assert.ok(Math.abs((only?.remaining ?? 0) - 200_000) <= 10_000, String(only?.remaining));
      assert.ok(Math.abs((only?.usedPerMinute ?? 0) - 800_000) < 15_000, String(only?.usedPerMinute));
      assert.ok(Math.abs((only?.exhaustedInSeconds ?? 0) - 60) < 6, String(only?.exhaustedInSeconds));
    }
  });

  it('whose use is refilled in between are not seen: the rate is then a lower bound, and nothing is in danger', () => {
    const bucket = new Bucket(600_000);
    const history = new LimiterHistory();
    for (let step = 0; step <= 240; step += 1) {
      const atMs = T0 + step * 500;
      const seen = bucket.take(4_000, atMs);
      if (step % 2 === 0) history.of({ key: 'prod-api-key', modelClass: 'sonnet-5' }).see([seen], atMs);
    }
    const [only] = history.headroom(T0 + 120 * SECOND);
    assert.equal(only?.usedPerMinute, 240_000);
    assert.equal(only.exhaustedInSeconds, null);
    assert.equal(only.remaining, 596_000);
  });

  it('with a workspace that has a lower limit: the tier goes by the higher limit, the headroom by what is least', () => {
    const history = new LimiterHistory();
    history
      .of({ key: 'prod-api-key', modelClass: 'opus-5' })
      .see([input({ limit: 2_000_000, remaining: 900_000 })], T0);
    history.of({ key: 'ci-runner-key', modelClass: 'opus-5' }).see([input({ limit: 50_000, remaining: 20_000 })], T0);
    assert.deepEqual(history.limits(T0), [{ modelClass: 'opus-5', dimension: 'input_tokens', limit: 2_000_000 }]);
    const [least] = history.headroom(T0);
    assert.deepEqual([least?.limit, least?.remaining], [50_000, 20_000]);
  });

  it('of the same remainder the one that is soonest exhausted is the tightest', () => {
    const some = (exhaustedInSeconds: number | null): Headroom => ({
      limit: 1_000,
      remaining: 500,
      usedPerMinute: null,
      exhaustedInSeconds,
      observedAtMs: T0,
    });
    assert.equal(tightest([some(null), some(20), some(30), some(null)])?.exhaustedInSeconds, 20);
    assert.equal(tightest([]), null);
  });
});

describe('limits that stand', () => {
  const see = (history: LimiterHistory, [modelClass, limit]: readonly [string, number], atMs: number): boolean =>
    history.of({ key: 'prod-api-key', modelClass }).see([input({ limit, remaining: 0 })], atMs);
  const classes = (history: LimiterHistory, nowMs: number) => history.limits(nowMs).map((one) => one.modelClass);

  it('a limit is reported as changed when it is new and when it changes', () => {
    const history = new LimiterHistory();
    assert.deepEqual(
      [1_000, 1_000, 5_000].map((limit, index) => see(history, ['opus-5', limit], T0 + index)),
      [true, false, true],
    );
  });

  it('are those of the last day, seen within an hour of the newest', () => {
    const history = new LimiterHistory();
    see(history, ['opus-5', 1_000], T0);
    see(history, ['sonnet-5', 5_000], T0 + 30 * MINUTE);
    assert.deepEqual(classes(history, T0 + 23 * 60 * MINUTE), ['opus-5', 'sonnet-5']);
    see(history, ['haiku-4.5', 5_000], T0 + 61 * MINUTE);
    assert.deepEqual(classes(history, T0 + 61 * MINUTE), ['sonnet-5', 'haiku-4.5']);
    assert.deepEqual(classes(history, T0 + 26 * 60 * MINUTE), []);
  });

  it('are those seen after the clock was set back, not those of what is now the future', () => {
    const history = new LimiterHistory();
    see(history, ['opus-5', 1_000], T0 + 300 * 60 * MINUTE);
    see(history, ['sonnet-5', 5_000], T0);
    assert.deepEqual(classes(history, T0), ['sonnet-5']);
  });
});
