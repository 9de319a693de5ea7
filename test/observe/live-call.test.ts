import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownBatches } from '../../src/observe/known-batches.ts';
import { LiveCall } from '../../src/observe/live-call.ts';
import type { Observation } from '../../src/observe/observation.ts';
import { systemClock } from '../../src/clock.ts';
import type { Call, Recorder } from '../../src/vocabulary.ts';
import { aUsage } from '../../testing/calls.ts';

interface Lived {
  readonly call: LiveCall;
  /** The errors that were counted. */
  readonly errors: readonly unknown[];
}

/** Lets these recorders follow a stream with one attempt, from its start to its end. */
function live(...recorders: readonly Recorder[]): Lived {
  const errors: unknown[] = [];
  const price = () => ({ parts: [], totalNanoUsd: 0, priced: true, doubts: [] });
  const observation: Observation = {
    recorders,
    spendGuards: [],
    clock: systemClock,
    key: 'default',
    attribution: () => ({}),
    guards: [],
    price,
    batchPrice: price,
    batches: new KnownBatches(),
    onError: (stage, error) => void errors.push([stage, error]),
  };
  const request = { operation: 'messages.stream', model: 'claude-haiku-4-5', maxTokens: 9, baseUrl: '', sdkSpan: null };
  const call = new LiveCall(observation, request);
  call.succeed(200, []);
  call.usage = aUsage([]);
  call.startContent();
  call.end('ok');
  return { call, errors };
}

function keeping(kept: unknown[], name: string): Recorder {
  return {
    started(call: Call) {
      kept.push([name, 'started', call]);
      return {
        attempted: (attempt) => kept.push([name, 'attempted', attempt.status]),
        firstToken: () => kept.push([name, 'firstToken']),
        usageKnown: () => kept.push([name, 'usageKnown']),
        finished: () => kept.push([name, 'finished', call.outcome]),
      };
    },
  };
}

const broken = new Error('broken');
const throwing = (): never => {
  throw broken;
};

test('every recorder gets every event of a call, in order', () => {
  const kept: unknown[] = [];
  const { call, errors } = live(keeping(kept, 'one'), keeping(kept, 'two'));
  assert.deepEqual(kept, [
    ['one', 'started', call],
    ['two', 'started', call],
    ['one', 'attempted', 200],
    ['two', 'attempted', 200],
    ['one', 'firstToken'],
    ['two', 'firstToken'],
    ['one', 'usageKnown'],
    ['two', 'usageKnown'],
    ['one', 'finished', 'ok'],
    ['two', 'finished', 'ok'],
  ]);
  assert.deepEqual(errors, []);
});

test('a recorder that throws at each event is counted each time, and those after it get the events', () => {
  const kept: unknown[] = [];
  const bad = { attempted: throwing, firstToken: throwing, usageKnown: throwing, finished: throwing };
  const { errors } = live({ started: () => bad }, keeping(kept, 'after'));
  assert.deepEqual(errors, new Array(4).fill(['recorder', broken]));
  assert.equal(kept.length, 5);
});

test('a recorder that throws when the call starts is counted once, and gets nothing more', () => {
  const kept: unknown[] = [];
  const { errors } = live({ started: throwing }, keeping(kept, 'after'));
  assert.deepEqual(errors, [['recorder', broken]]);
  assert.equal(kept.length, 5);
});

test('a recorder gets the events that it wants, as itself, and may want none of a call', () => {
  const listener = {
    finishes: 0,
    finished() {
      this.finishes += 1;
    },
  };
  const { errors } = live({ started: () => listener }, { started: () => undefined });
  assert.equal(listener.finishes, 1);
  assert.deepEqual(errors, []);
});

test('a promise of a recorder is not waited for, and its rejection is counted and ends no process', async () => {
  const kept: unknown[] = [];
  const late = { started: () => ({ finished: async () => throwing() }) };
  const never = { started: async () => throwing() } as unknown as Recorder;
  const { errors } = live(late, never, keeping(kept, 'after'));
  assert.equal(kept.length, 5);
  await new Promise(setImmediate);
  assert.deepEqual(errors, new Array(2).fill(['recorder', broken]));
});

test('the trace of a call is that of the first recorder that has one; one that throws is counted', () => {
  const trace = { traceId: 't', spanId: 's', timestampSeconds: 1 };
  const { call, errors } = live({ started: () => ({ trace: throwing }) }, { started: () => ({ trace: () => trace }) });
  assert.equal(call.trace(), trace);
  assert.deepEqual(errors, [['recorder', broken]]);
  assert.equal(live().call.trace(), null);
});
