/** The order in which calls that wait are let out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer } from '../../src/pace/ask.ts';
import type { Charge, Lane } from '../../src/pace/pace-state.ts';
import type { Turn, TurnEnd } from '../../src/pace/turn.ts';
import { Turns, type Question } from '../../src/pace/turns.ts';
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

interface StoreOptions {
  readonly isAsync?: boolean;
  /** Lets one call out so often, from then on; with 0, every call at once. */
  readonly everyMs?: number;
  /** Answers so late. */
  readonly latencyMs?: number;
  readonly isDown?: () => boolean;
}

/** Turns on a store that lets one call out each second, from the first second on. */
function line(time: VirtualTime, options: StoreOptions = {}) {
  const { everyMs = 1_000, latencyMs = 0, isAsync = false, isDown = () => false } = options;
  let nextMs = everyMs;
  const questions: Question[] = [];
  const taken: Charge[] = [];
  const store = { asked: 0 };
  const answer = (question: Question): Answer => {
    questions.push(question);
    if (time.nowMs < nextMs) return { kind: 'wait', waitMs: nextMs - time.nowMs, cause: 'requests', isAvoided: false };
    nextMs = time.nowMs + everyMs;
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
    maxWaiting: 10_000,
    limits: () => [60, 1_000, 1_000],
    ask: (all) => {
      store.asked += 1;
      if (isDown()) throw new Error('no store');
      const answers: Answer[] = [];
      for (const question of all) if (answers.at(-1)?.kind !== 'wait') answers.push(answer(question));
      if (latencyMs > 0) return new Promise((resolve) => time.after(latencyMs, () => resolve(answers)));
      return isAsync ? Promise.resolve(answers) : answers;
    },
    takeBack: (charge) => taken.push(charge),
  });
  return { turns, questions, taken, store };
}

/** Lets time go on until then, and everything that comes of what happens at its moments. */
async function goOn(time: VirtualTime, untilMs: number): Promise<void> {
  for (; time.nowMs < untilMs; time.after(0, () => undefined)) {
    let atMs = Infinity;
    time.after(10, () => (atMs = time.nowMs));
    while (atMs === Infinity) time.run(time.nowMs + 10.001);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const turn = (over: (end: TurnEnd) => void, given: Partial<Turn> = {}): Turn => ({
  lane: 'interactive',
  amounts: [1, 10, 10],
  maxTokens: 10,
  leeway: 1,
  flow: '',
  weight: 1,
  maxWaitMs: 1_000_000,
  storeWaitMs: 250,
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

  it('are let out in order and forgotten by the ten thousand, though half of them give up', () => {
    const time = new VirtualTime();
    const { turns, questions } = line(time, { everyMs: 10 });
    const controller = new AbortController();
    const went: { readonly lane: Lane; readonly at: number }[] = [];
    let left = 0;
    for (let at = 0; at < 10_000; at += 1) {
      const lane = at % 4 < 2 ? 'batch' : 'interactive';
      const over = ({ kind }: TurnEnd): void => void (kind === 'go' ? went.push({ lane, at }) : (left += 1));
      turns.enter(turn(over, { lane, signal: at % 2 === 0 ? controller.signal : null }));
    }
    time.run(1_000);
    controller.abort();
    time.run(59_000);
    assert.equal(went.length + left, 10_000);
    assert.ok(left >= 4_900 && questions.length < 11_000, `${left} left, ${questions.length} questions`);
    assert.deepEqual([turns.waiting('interactive'), turns.waiting('batch')], [0, 0]);
    for (const lane of ['interactive', 'batch'] as const) {
      const order = went.filter((each) => each.lane === lane).map(({ at }) => at);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
    }
    const firstBatch = went.findIndex(({ lane }) => lane === 'batch');
    assert.ok(went.slice(firstBatch).every(({ lane }) => lane === 'batch'));
  });

  it('ask together once they went, so that a store far away holds nobody up', async () => {
    const time = new VirtualTime();
    const { turns, store } = line(time, { everyMs: 0, latencyMs: 50 });
    const waits: number[] = [];
    for (let call = 0; call < 500; call += 1) turns.enter(turn(({ waitedMs }) => waits.push(waitedMs)));
    await goOn(time, 2_000);
    assert.equal(waits.length, 500);
    assert.ok(store.asked <= 21, `${store.asked} questions`);
  });

  it('go unpaced when their time is over and a slow store has not said whether they need wait', async () => {
    const time = new VirtualTime();
    const { turns } = line(time, { everyMs: 0, latencyMs: 200 });
    const ends: TurnEnd[] = [];
    for (let call = 0; call < 500; call += 1) turns.enter(turn((end) => ends.push(end), { maxWaitMs: 500 }));
    for (let call = 0; call < 10; call += 1)
      turns.enter(turn((end) => ends.push(end), { maxWaitMs: 1, storeWaitMs: 100 }));
    await goOn(time, 2_000);
    assert.equal(ends.length, 510);
    assert.deepEqual(new Set(ends.map(({ kind }) => kind)), new Set(['go', 'unpaced']));
    const longestMs = Math.max(...ends.map(({ waitedMs }) => waitedMs));
    assert.ok(longestMs <= 520, `${longestMs} ms`);
    assert.ok(ends.filter(({ waitedMs }) => waitedMs <= 120).length >= 10);
  });

  it('are not let out by a store that stumbles, if they were told to wait, and are by one that stays away', () => {
    for (const [awayMs, expected] of [
      [900, 3],
      [5_000, 20],
    ] as const) {
      const time = new VirtualTime();
      let backAtMs = 0;
      const { turns } = line(time, { isDown: () => time.nowMs < backAtMs });
      const ends: string[] = [];
      for (let call = 0; call < 20; call += 1) turns.enter(turn(({ kind }) => ends.push(kind), { lane: 'batch' }));
      time.after(1_900, () => undefined);
      time.run(1_901);
      backAtMs = 1_900 + awayMs;
      turns.ask();
      // Another lane knows of no limit that is used up: its calls are held up by nothing.
      turns.enter(turn(({ kind }) => assert.equal(kind, 'unpaced')));
      assert.deepEqual([turns.waiting('interactive'), turns.waiting('batch')], [0, 19]);
      time.run(4_000);
      assert.equal(ends.length, expected, ends.join(' '));
      assert.equal(ends.includes('unpaced'), awayMs > 1_000);
    }
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
