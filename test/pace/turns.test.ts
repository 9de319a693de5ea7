/** The order in which calls that wait are let out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer } from '../../src/pace/ask.ts';
import type { Charge, Lane } from '../../src/pace/pace-state.ts';
import { Turns, type Question, type Turn, type TurnEnd } from '../../src/pace/turns.ts';
import { VirtualTime } from '../../testing/virtual-time.ts';

const CHARGE: Charge = {
  amounts: [1, 10, 10],
  maxTokens: 10,
  fullAtMs: [0, 0, 0],
  correctedMs: [0, 0, 0],
  windowEndMs: [0, 0, 0],
  epoch: 0,
  isBlind: false,
};

/** Lets one call out each second, from the first second on. */
function line(time: VirtualTime, options: { readonly isAsync?: boolean } = {}) {
  let nextMs = 1_000;
  const questions: Question[] = [];
  const taken: Charge[] = [];
  const answer = (question: Question): Answer => {
    questions.push(question);
    if (time.nowMs < nextMs) return { kind: 'wait', waitMs: nextMs - time.nowMs, cause: 'requests', isAvoided: false };
    nextMs = time.nowMs + 1_000;
    return { kind: 'go', charge: CHARGE, isAvoided: false };
  };
  const after = (waitMs: number, task: () => void): (() => void) => {
    let isOn = true;
    time.after(waitMs, () => {
      if (isOn) task();
    });
    return () => (isOn = false);
  };
  const turns = new Turns({
    clock: { epochMs: () => time.nowMs, monotonicMs: () => time.nowMs },
    timers: { whileWaiting: after, inBackground: after, soon: (task) => task() },
    random: () => 0,
    maxWaiting: 1_000,
    limits: () => [60, 1_000, 1_000],
    ask: (question) => (options.isAsync === true ? Promise.resolve(answer(question)) : answer(question)),
    takeBack: (charge) => taken.push(charge),
  });
  return { turns, questions, taken };
}

const turn = (over: (end: TurnEnd) => void, given: Partial<Turn> = {}): Turn => ({
  lane: 'interactive',
  amounts: [1, 10, 10],
  maxTokens: 10,
  leeway: 1,
  flow: '',
  weight: 1,
  maxWaitMs: 1_000_000,
  place: null,
  signal: null,
  over,
  ...given,
});

describe('calls that wait', () => {
  it('go in the order in which they came, within their lane', () => {
    const time = new VirtualTime();
    const { turns } = line(time);
    const went: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      for (const lane of ['batch', 'interactive'] as const)
        turns.enter(turn(() => went.push(`${lane} ${name}`), { lane }));
    }
    time.run(30_000);
    assert.deepEqual(went, ['interactive a', 'interactive b', 'interactive c', 'batch a', 'batch b', 'batch c']);
  });

  it('do not starve as batch calls: after a minute they may go before interactive ones', () => {
    const time = new VirtualTime();
    const { turns } = line(time);
    const went: { readonly lane: Lane; readonly atMs: number }[] = [];
    const enter = (lane: Lane): void => turns.enter(turn(() => went.push({ lane, atMs: time.nowMs }), { lane }));
    enter('batch');
    const flood = (): void => {
      enter('interactive');
      time.after(500, flood);
    };
    flood();
    time.run(90_000);
    const batch = went.find(({ lane }) => lane === 'batch');
    assert.ok(batch !== undefined && batch.atMs >= 60_000 && batch.atMs < 70_000, JSON.stringify(batch));
  });

  it('of a flow with twice the weight go twice as often', () => {
    const time = new VirtualTime();
    const { turns } = line(time);
    const went: string[] = [];
    for (let call = 0; call < 60; call += 1) {
      for (const [flow, weight] of [
        ['one', 1],
        ['two', 2],
      ] as const)
        turns.enter(turn(() => went.push(flow), { flow, weight }));
    }
    time.run(31_000);
    assert.equal(went.length, 30);
    assert.equal(went.filter((flow) => flow === 'two').length, 20);
  });

  it('keep their place when they come back', () => {
    const time = new VirtualTime();
    const { turns } = line(time);
    const went: string[] = [];
    const places: number[] = [];
    for (const name of ['a', 'b', 'c']) turns.enter(turn(({ place }) => (went.push(name), places.push(place))));
    time.run(1_500);
    turns.enter(turn(() => went.push('a again'), { place: places[0] ?? null }));
    time.run(10_000);
    assert.deepEqual(went, ['a', 'a again', 'b', 'c']);
  });

  it('ask no more often than their waits say, however many come behind them', () => {
    const time = new VirtualTime();
    const { turns, questions } = line(time);
    for (let call = 0; call < 100; call += 1) turns.enter(turn(() => undefined));
    time.run(10_500);
    assert.ok(questions.length <= 22, `${questions.length} questions for 10 calls`);
  });

  it('give back the charge of a call that left while the store was asked', async () => {
    const time = new VirtualTime();
    const { turns, taken } = line(time, { isAsync: true });
    time.after(2_000, () => undefined);
    time.run(3_000);
    const controller = new AbortController();
    const ends: string[] = [];
    turns.enter(turn(({ kind }) => ends.push(kind), { signal: controller.signal }));
    controller.abort();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([ends, taken], [['given_up'], [CHARGE]]);
    assert.equal(turns.waiting('interactive'), 0);
  });
});
