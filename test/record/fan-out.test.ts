import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fanOut } from '../../src/record/fan-out.ts';
import type { Recorder } from '../../src/vocabulary.ts';
import { aCall, anAttempt } from '../../testing/calls.ts';

function keeping(kept: unknown[], name: string): Recorder {
  return {
    started: (call) => kept.push([name, 'started', call]),
    attempted: (call, attempt) => kept.push([name, 'attempted', call, attempt]),
    firstToken: (call) => kept.push([name, 'firstToken', call]),
    usageKnown: (call) => kept.push([name, 'usageKnown', call]),
    finished: (call) => kept.push([name, 'finished', call]),
  };
}

const broken = new Error('broken');
const throwing = (): never => {
  throw broken;
};

function tellAll(recorder: Required<Recorder>): readonly [object, object] {
  const call = aCall();
  const attempt = anAttempt();
  recorder.started(call);
  recorder.attempted(call, attempt);
  recorder.firstToken(call);
  recorder.usageKnown(call);
  recorder.finished(call);
  return [call, attempt];
}

test('every recorder is told of every event, in order, with the same call', () => {
  const kept: unknown[] = [];
  const [call, attempt] = tellAll(fanOut([keeping(kept, 'one'), keeping(kept, 'two')], throwing));
  assert.deepEqual(kept, [
    ['one', 'started', call],
    ['two', 'started', call],
    ['one', 'attempted', call, attempt],
    ['two', 'attempted', call, attempt],
    ['one', 'firstToken', call],
    ['two', 'firstToken', call],
    ['one', 'usageKnown', call],
    ['two', 'usageKnown', call],
    ['one', 'finished', call],
    ['two', 'finished', call],
  ]);
});

test('a recorder that throws at each event is counted each time, and those after it are told', () => {
  const kept: unknown[] = [];
  const errors: unknown[] = [];
  const bad = {
    started: throwing,
    attempted: throwing,
    firstToken: throwing,
    usageKnown: throwing,
    finished: throwing,
  };
  tellAll(fanOut([bad, keeping(kept, 'after')], (error) => errors.push(error)));
  assert.deepEqual(errors, new Array(5).fill(broken));
  assert.equal(kept.length, 5);
});

test('a recorder listens to what it wants to, as itself', () => {
  const listener = {
    heard: 0,
    finished() {
      this.heard += 1;
    },
  };
  tellAll(fanOut([listener, {}], throwing));
  assert.equal(listener.heard, 1);
});

test('what a recorder promises is not waited for, and a promise that is broken is counted and ends no process', async () => {
  const kept: unknown[] = [];
  const errors: unknown[] = [];
  const late: object = { finished: async () => throwing() };
  tellAll(fanOut([late, keeping(kept, 'after')], (error) => errors.push(error)));
  assert.equal(kept.length, 5);
  await new Promise(setImmediate);
  assert.deepEqual(errors, [broken]);
});
