/** What a line of paced calls makes of its store. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import test from 'node:test';
import { PaceLine } from '../../src/pace/pace-line.ts';
import { memoryPace, type PaceStore } from '../../src/pace/pace-store.ts';
import type { TurnEnd } from '../../src/pace/turn.ts';
import { StandingTime } from '../../testing/budget/standing-time.ts';

const DEADLINE_MS = 100;

test('a charge whose answer comes too late is taken back, and no other', async () => {
  const time = new StandingTime(Date.UTC(2026, 10, 27));
  const memory = memoryPace();
  const answers: (() => void)[] = [];
  let charged = 0;
  let takenBack = 0;
  const store: PaceStore = {
    ...memory,
    ask(place, asked) {
      const answer = memory.ask(place, asked);
      if (answer instanceof Promise) throw new TypeError('memory answers at once');
      charged += answer.filter(({ kind }) => kind === 'go').length;
      return new Promise((resolve) => answers.push(() => resolve(answer)));
    },
    settle(place, settlement, id) {
      if (settlement.isOver && settlement.actual[0] === 0) takenBack += 1;
      return memory.settle(place, settlement, id);
    },
  };
  const line = new PaceLine({ place: 'default', modelClass: 'haiku' }, () => [600, 1_000_000, 1_000_000], {
    name: 'test',
    store,
    clock: time,
    timers: time,
    random: () => 0.5,
    maxWaiting: 100,
    share: 1,
    storeDeadlineMs: DEADLINE_MS,
  });
  const ends: TurnEnd[] = [];
  const enter = (): void =>
    line.turns.enter({
      lane: 'batch',
      amounts: [1, 10, 10],
      maxTokens: 10,
      leeway: 1,
      flow: '',
      weight: 1,
      maxWaitMs: 1_000,
      storeWaitMs: 1_000,
      place: null,
      signal: null,
      over: (end) => ends.push(end),
    });
  enter();
  answers.shift()?.();
  await setImmediate();
  assert.deepEqual([ends.map(({ kind }) => kind), charged, takenBack], [['go'], 1, 0]);
  enter();
  time.pass(DEADLINE_MS);
  await setImmediate();
  for (const late of answers.splice(0)) late();
  await setImmediate();
  assert.deepEqual([charged, takenBack], [2, 1]);
});
