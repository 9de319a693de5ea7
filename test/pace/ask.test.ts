/** Whether a call may be sent now, by what is known of the limits: worked out by hand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, type Asked } from '../../src/pace/ask.ts';
import { newClass, type ClassState } from '../../src/pace/pace-state.ts';

const NOW_MS = Date.UTC(2026, 10, 2, 9);

/** 60 requests, 60,000 tokens in and 6,000 out a minute: 1, 1,000 and 100 a second. */
const LIMITS = [60, 60_000, 6_000] as const;

const asked = (given: Partial<Asked> = {}): Asked => ({
  lane: 'interactive',
  amounts: [1, 100, 10],
  maxTokens: 40,
  ageMs: 0,
  isFirst: true,
  leeway: 1.15,
  limits: LIMITS,
  share: 1,
  nowMs: NOW_MS,
  ...given,
});

/** Asks until it has to wait; returns how many went, and the wait. */
function untilWait(state: ClassState, given: Partial<Asked> = {}): { readonly went: number; readonly waitMs: number } {
  for (let went = 0; ; went += 1) {
    const answer = ask(state, asked(given));
    if (answer.kind === 'wait') return { went, waitMs: answer.waitMs };
    assert.equal(answer.kind, 'go');
  }
}

describe('a call that asks for its turn', () => {
  it('of a batch goes while the burst of four seconds lasts, and then as debts are paid', () => {
    assert.deepEqual(untilWait(newClass(NOW_MS), { lane: 'batch' }), { went: 5, waitMs: 1_000 });
  });

  it('goes further if it is interactive, into the overdraft of 36 seconds', () => {
    assert.deepEqual(untilWait(newClass(NOW_MS)), { went: 41, waitMs: 1_000 });
  });

  it('is held back by the limit that it uses up first', () => {
    const state = newClass(NOW_MS);
    untilWait(state, { lane: 'batch', amounts: [1, 100, 500] });
    const answer = ask(state, asked({ lane: 'batch', amounts: [1, 100, 500] }));
    assert.ok(answer.kind === 'wait');
    assert.equal(answer.cause, 'output_tokens');
  });

  it('uses no more than the configured share', () => {
    const state = newClass(NOW_MS);
    const { went, waitMs } = untilWait(state, { lane: 'batch', share: 0.5 });
    assert.deepEqual({ went, waitMs }, { went: 3, waitMs: 2_000 });
  });

  it('that is larger than what is left waits for the bucket, whatever its own debts are', () => {
    const state = newClass(NOW_MS);
    state.limits[1].limit = 60_000;
    // Ten seconds of refill are left: 10,000 tokens, less a second that is kept and half of the rounding.
    state.limits[1].fullAtMs = NOW_MS + 50_000;
    assert.equal(ask(state, asked({ amounts: [1, 8_000, 10] })).kind, 'go');
    state.limits[1].fullAtMs = NOW_MS + 50_000;
    const answer = ask(state, asked({ amounts: [1, 9_000, 10] }));
    assert.ok(answer.kind === 'wait');
    assert.equal(answer.waitMs, 500);
  });

  it('never fits if its prompt is larger than the limit, with leeway for its estimate', () => {
    assert.equal(ask(newClass(NOW_MS), asked({ amounts: [1, 69_000, 10] })).kind, 'go');
    const never = ask(newClass(NOW_MS), asked({ amounts: [1, 69_001, 10] }));
    assert.deepEqual(never, { kind: 'never', limit: 60_000, isAvoided: true });
  });

  it('waits for the first answer where no limit is known; one of them goes every three seconds, however many wait', () => {
    const state = newClass(NOW_MS);
    const unknown = { limits: [0, 0, 0] } as const;
    assert.equal(ask(state, asked(unknown)).kind, 'go');
    assert.equal(ask(state, asked(unknown)).kind, 'go');
    const third = ask(state, asked(unknown));
    assert.ok(third.kind === 'wait');
    assert.equal(third.cause, 'start');
    const later = asked({ ...unknown, ageMs: 90_000, nowMs: NOW_MS + 3_000 });
    assert.equal(ask(state, later).kind, 'go');
    assert.equal(ask(state, later).kind, 'wait');
  });

  it('finds the debt of those that went before a limit was known', () => {
    const state = newClass(NOW_MS);
    for (let call = 0; call < 2; call += 1) ask(state, asked({ limits: [0, 0, 0], amounts: [1, 100, 1_000] }));
    assert.equal(ask(state, asked({ lane: 'batch' })).kind, 'wait');
    // 2,000 tokens at 100 a second.
    assert.deepEqual(
      state.limits.map(({ fullAtMs }) => fullAtMs - NOW_MS),
      [2_000, 200, 20_000],
    );
  });

  it('finds no debt of more than a minute, whatever was sent before a limit was known', () => {
    const state = newClass(NOW_MS);
    ask(state, asked({ limits: [0, 0, 0], amounts: [1, 500_000, 10] }));
    ask(state, asked({ lane: 'batch' }));
    assert.equal(state.limits[1].fullAtMs - NOW_MS, 60_000);
  });

  it('of a batch stands back for two seconds where an interactive one waits, unless it has waited for a minute', () => {
    const state = newClass(NOW_MS);
    untilWait(state);
    for (const limit of state.limits) limit.paidAtMs = NOW_MS - 4_000;
    const answer = ask(state, asked({ lane: 'batch' }));
    assert.ok(answer.kind === 'wait');
    assert.deepEqual([answer.cause, answer.waitMs], ['priority', 2_000]);
    assert.equal(ask(state, asked({ lane: 'batch', ageMs: 60_000 })).kind, 'go');
  });

  it('would have been refused where all calls of a minute had come at once: the 61st, and not again when it asks again', () => {
    const state = newClass(NOW_MS);
    const avoided = Array.from({ length: 61 }, () => ask(state, asked()).isAvoided);
    assert.deepEqual([avoided.indexOf(true), avoided.filter(Boolean).length], [60, 1]);
    assert.equal(ask(state, asked({ isFirst: false })).isAvoided, false);
  });

  it('in a fixed window goes while something is left of it, and then waits for its end', () => {
    const state = newClass(NOW_MS);
    Object.assign(state.limits[0], { limit: 60, windowEndMs: NOW_MS + 20_000, used: 59 });
    assert.equal(ask(state, asked()).kind, 'go');
    const answer = ask(state, asked());
    assert.ok(answer.kind === 'wait');
    assert.equal(answer.waitMs, 20_020);
    assert.equal(ask(state, asked({ nowMs: NOW_MS + 20_020 })).kind, 'go');
  });

  it('goes by the limits that headers have shown, and not by those that are configured', () => {
    const state = newClass(NOW_MS);
    state.limits[0].limit = 600;
    assert.equal(untilWait(state, { lane: 'batch' }).went, 41);
  });
});
