import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerChannel, type Answers } from '../../src/cli/worker-channel.ts';

/** Two ends, joined by clones as between processes. */
function joined(answers: Answers): WorkerChannel {
  const here: WorkerChannel = new WorkerChannel((message) => there.receive(structuredClone(message)), {});
  const there: WorkerChannel = new WorkerChannel((message) => here.receive(structuredClone(message)), answers);
  return here;
}

test('a question gets its own answer, whichever comes first', async () => {
  const waiting: (() => void)[] = [];
  const here = joined({
    late: () => new Promise((resolve) => waiting.push(() => resolve('late'))),
    sum: ([one, other]: readonly [bigint, bigint]) => one + other,
  });
  const late = here.ask('late');
  assert.equal(await here.ask('sum', [1n, 2n]), 3n);
  for (const answer of waiting) answer();
  assert.equal(await late, 'late');
});

test('a question fails with the words of what failed, of nobody who answers, and of an end that is gone', async () => {
  const here = joined({
    fails: () => {
      throw new Error('out of order');
    },
    never: () => new Promise(() => undefined),
  });
  await assert.rejects(here.ask('fails'), /out of order/);
  await assert.rejects(here.ask('nothing'), /nobody answers nothing/);
  const never = here.ask('never');
  here.close();
  await assert.rejects(never, /gone/);
  await assert.rejects(here.ask('fails'), /gone/);
});

test('news come in order, and messages of others are none', () => {
  const told: unknown[] = [];
  const here = joined({ note: (about: number) => told.push(about) });
  for (const about of [1, 2, 3]) here.tell('note', about);
  for (const other of [null, 'text', { cmd: 'NODE_cluster' }]) here.receive(other);
  assert.deepEqual(told, [1, 2, 3]);
});
