import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HUNG_BEATS, Pulse } from '../../src/cli/worker-pulse.ts';

/** A process that answers when it is told to. */
function asked() {
  const waiting: (() => void)[] = [];
  const seen: boolean[] = [];
  const pulse: Pulse = new Pulse(
    () => new Promise<void>((resolve) => waiting.push(resolve)),
    () => seen.push(pulse.isWeak),
  );
  const answer = async (): Promise<void> => {
    for (const each of waiting.splice(0)) each();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { pulse, seen, answer, waiting };
}

test('beats without an answer add up, and one answer ends them, however late it is', async () => {
  const { pulse, seen, answer, waiting } = asked();
  const counts = Array.from({ length: HUNG_BEATS + 1 }, () => pulse.beat());
  assert.deepEqual(counts, [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(pulse.isWeak, true);
  assert.equal(waiting.length, 1);
  await answer();
  assert.equal(pulse.isWeak, false);
  assert.equal(pulse.beat(), 0);
  assert.deepEqual(seen, [true, false]);
});

test('a process that answers between two beats, as after a pause of both, is never weak', async () => {
  const { pulse, seen, answer } = asked();
  for (let beats = 0; beats < 3 * HUNG_BEATS; beats += 1) {
    // The first beat after a pause comes before the answer is read.
    assert.ok(pulse.beat() <= 1);
    if (beats % 2 === 1) await answer();
  }
  assert.deepEqual(seen, []);
});

test('the end of a process is no answer', async () => {
  const pulse = new Pulse(
    () => Promise.reject(new Error('gone')),
    () => undefined,
  );
  pulse.beat();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(pulse.beat(), 1);
});
