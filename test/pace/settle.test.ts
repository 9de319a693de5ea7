/** What an answer teaches of the limits: worked out by hand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, type Asked } from '../../src/pace/ask.ts';
import { newClass, type Charge, type ClassState } from '../../src/pace/pace-state.ts';
import { settle, type SeenLimit, type Settlement } from '../../src/pace/settle.ts';

const NOW_MS = Date.UTC(2026, 10, 2, 9);

/** 600 requests, 60,000 tokens in and 60,000 out a minute: 10, 1,000 and 1,000 a second. */
const LIMITS = [600, 60_000, 60_000] as const;

const ASKED: Asked = {
  lane: 'interactive',
  amounts: [1, 1_000, 1_000],
  maxTokens: 4_000,
  ageMs: 0,
  isFirst: false,
  leeway: 1.15,
  limits: LIMITS,
  share: 1,
  nowMs: NOW_MS,
};

function sent(state: ClassState, given: Partial<Asked> = {}): Charge {
  const answer = ask(state, { ...ASKED, ...given });
  assert.ok(answer.kind === 'go');
  return answer.charge;
}

const settlement = (charge: Charge, given: Partial<Settlement> = {}): Settlement => ({
  charge,
  actual: [1, 1_000, 1_000],
  isOver: true,
  seen: null,
  refusal: null,
  share: 1,
  sentAtMs: NOW_MS,
  nowMs: NOW_MS + 1_000,
  ...given,
});

/** The headers of a continuous bucket that owes so many tokens at a time. */
const input = (owed: number, atMs: number, limit = 60_000): SeenLimit => ({
  limit,
  remaining: limit - owed,
  resetAtMs: atMs + (owed * 60_000) / limit + 500,
});

describe('an answer', () => {
  it('puts what was used in place of what was estimated, in both clocks', () => {
    const state = newClass(NOW_MS);
    const charge = sent(state);
    assert.equal(state.limits[2].fullAtMs, NOW_MS + 1_000);
    settle(state, settlement(charge, { actual: [1, 1_000, 3_000] }));
    assert.equal(state.limits[2].fullAtMs, NOW_MS + 3_000);
    assert.equal(state.limits[2].paidAtMs, NOW_MS - 1_000);
    assert.equal(state.limits[1].fullAtMs, NOW_MS + 1_000);
  });

  it('that was refused gives everything back', () => {
    const state = newClass(NOW_MS);
    const before = structuredClone(newClass(NOW_MS).limits.map(({ paidAtMs }) => paidAtMs));
    settle(state, settlement(sent(state), { actual: [0, 0, 0] }));
    assert.deepEqual(
      state.limits.map(({ paidAtMs }) => paidAtMs),
      before,
    );
    assert.equal(state.held, 0);
  });

  it('that never comes leaves its estimate spent, and nothing in flight', () => {
    const state = newClass(NOW_MS);
    settle(state, settlement(sent(state), { actual: [null, null, null] }));
    assert.equal(state.limits[1].fullAtMs, NOW_MS + 1_000);
    assert.deepEqual([state.held, state.most], [0, 0]);
  });

  it('shows that others used the limit: the picture goes up at once', () => {
    const state = newClass(NOW_MS);
    settle(state, settlement(sent(state), { seen: [null, input(31_000, NOW_MS + 1_000), null] }));
    // 31 s of debt a second later, less a second and half of the rounding that are no disagreement.
    assert.equal(state.limits[1].fullAtMs, NOW_MS + 32_000 - 1_500);
  });

  it('shows that less was used than estimated: the picture goes down by half', () => {
    const state = newClass(NOW_MS);
    const charge = sent(state, { amounts: [1, 20_000, 10] });
    settle(state, settlement(charge, { actual: [1, null, 10], seen: [null, input(0, NOW_MS + 1_000), null] }));
    assert.equal(state.limits[1].fullAtMs, NOW_MS + 20_000 + (-19_000 + 1_500) / 2);
  });

  it('shows another limit, and debts keep their tokens', () => {
    const state = newClass(NOW_MS);
    const charge = sent(state, { amounts: [1, 20_000, 10] });
    settle(
      state,
      settlement(charge, { actual: [1, null, 10], seen: [null, input(19_000, NOW_MS + 1_000, 30_000), null] }),
    );
    assert.equal(state.limits[1].limit, 30_000);
    // 19 s of debt at 1,000 a second are 38 s at 500.
    assert.equal(state.limits[1].fullAtMs, NOW_MS + 1_000 + 38_000);
  });

  it('of a server with fixed windows is recognized after five of them', () => {
    const state = newClass(NOW_MS);
    const resetAtMs = NOW_MS + 50_000;
    for (let answers = 1; answers <= 5; answers += 1) {
      assert.equal(state.limits[1].windowEndMs, 0);
      const seen = { limit: 60_000, remaining: 60_000 - answers * 1_000, resetAtMs };
      settle(state, settlement(sent(state), { seen: [null, seen, null] }));
    }
    assert.deepEqual([state.limits[1].windowEndMs, state.limits[1].used], [resetAtMs, 5_000]);
  });
});

describe('a 429', () => {
  const refused = (charge: Charge, by: number | 'acceleration', seen: Settlement['seen'] = null): Settlement =>
    settlement(charge, { actual: [0, 0, 0], refusal: { by, retryAfterMs: 7_000 }, seen });

  it('closes its limit for everybody, for as long as it says', () => {
    const state = newClass(NOW_MS);
    settle(state, refused(sent(state), 1));
    const answer = ask(state, { ...ASKED, nowMs: NOW_MS + 1_000 });
    assert.ok(answer.kind === 'wait');
    assert.deepEqual([answer.cause, answer.waitMs], ['input_tokens', 7_000]);
  });

  it('that headers and picture contradict is a surprise: the burst shrinks, once for all that were sent before', () => {
    const state = newClass(NOW_MS);
    const [one, other] = [sent(state), sent(state)];
    const left = [null, input(10_000, NOW_MS + 1_000), null] as const;
    assert.equal(settle(state, refused(one, 1, left)).isSurprise, true);
    assert.equal(state.limits[1].burst, 0.35);
    settle(state, refused(other, 1, left));
    assert.equal(state.limits[1].burst, 0.35);
  });

  it('that headers explain is none', () => {
    const state = newClass(NOW_MS);
    const none = [null, input(59_900, NOW_MS + 1_000), null] as const;
    assert.equal(settle(state, refused(sent(state), 1, none)).isSurprise, false);
    assert.equal(state.limits[1].burst, 1);
  });

  it('tries a larger burst again after ten minutes without a surprise', () => {
    const state = newClass(NOW_MS);
    const left = [null, input(10_000, NOW_MS + 1_000), null] as const;
    settle(state, refused(sent(state), 1, left));
    const nowMs = NOW_MS + 602_000;
    settle(state, settlement(sent(state, { nowMs }), { sentAtMs: nowMs, nowMs }));
    assert.equal(state.limits[1].burst, 1);
  });

  it('for growing too fast slows the input down, once for all that were sent before, and it grows again', () => {
    const state = newClass(NOW_MS);
    const [one, other] = [sent(state), sent(state)];
    const answered = sent(state);
    settle(state, refused(one, 'acceleration'));
    settle(state, refused(other, 'acceleration'));
    assert.equal(state.ramp, 0.9);
    const later = (ms: number): number => {
      const nowMs = NOW_MS + ms;
      settle(state, settlement(answered, { sentAtMs: NOW_MS, nowMs }));
      return state.ramp;
    };
    assert.equal(later(5_900), 0.9);
    const grown = later(7_000);
    assert.ok(grown > 0.9 && grown < 1, String(grown));
    assert.equal(later(30_000), 1);
  });
});
