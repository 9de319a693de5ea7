import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { branchOf, close, end, follow, follows, see, Tap, type BodyEnd } from '../../src/observe/branch.ts';
import { collectUntil } from '../../testing/collect-until.ts';

interface Heard {
  readonly tap: Tap;
  readonly chunks: number[][];
  readonly ends: BodyEnd[];
}

function heard(): Heard {
  const chunks: number[][] = [];
  const ends: BodyEnd[] = [];
  return { tap: new Tap({ chunk: (bytes) => chunks.push([...bytes]), end: (how) => ends.push(how) }), chunks, ends };
}

const value = Uint8Array.of(1, 2, 3, 4);

describe('a branch', () => {
  it('is kept in its body, where nobody sees it', () => {
    const body = {};
    assert.equal(branchOf(body), undefined);
    const branch = follow(body, heard().tap);
    assert.equal(branchOf(body), branch);
    assert.deepEqual([Reflect.ownKeys(body), structuredClone(body)], [[], {}]);
    close(branch);
  });

  it('is another one after another tap of the same body, and both see what is read', () => {
    const body = {};
    const [first, second] = [heard(), heard()];
    const under = follow(body, first.tap);
    const over = follow(body, second.tap);
    assert.equal(branchOf(body), over);
    assert.equal(over.under, under);
    see(over, { value });
    see(over, { done: true });
    assert.deepEqual([first.chunks, second.chunks], [[[1, 2, 3, 4]], [[1, 2, 3, 4]]]);
    assert.deepEqual([first.ends, second.ends], [['done'], ['done']]);
  });

  it('gives each byte once, whichever branch of a body comes to it first', () => {
    const { tap, chunks, ends } = heard();
    tap.openBranches = 2;
    const [left, right] = [follow({}, tap), follow({}, tap)];
    see(left, { value: value.subarray(0, 2) });
    see(right, { value });
    see(left, { value: value.subarray(2) });
    assert.deepEqual(chunks, [
      [1, 2],
      [3, 4],
    ]);
    end(left, 'cancelled');
    assert.deepEqual(ends, []);
    see(right, { done: true });
    end(right, 'failed');
    assert.deepEqual(ends, ['done']);
  });

  it('hears nothing after it was taken off', () => {
    const { tap, chunks, ends } = heard();
    const branch = follow({}, tap);
    close(branch);
    see(branch, { value });
    end(branch, 'done');
    assert.deepEqual([chunks, ends], [[], []]);
  });

  it('knows each of those that follow a body, and no other', () => {
    const body = {};
    const [first, second] = [follow(body, heard().tap), follow(body, heard().tap)];
    assert.deepEqual(
      [first, second, follow({}, heard().tap)].map((branch) => follows(branch, body)),
      [true, true, false],
    );
  });

  it('follows a body that takes nothing, as far as it can', () => {
    const body = Object.freeze({});
    const { tap, ends } = heard();
    end(follow(body, tap), 'done');
    assert.deepEqual(ends, ['done']);
  });
});

describe('a body that is dropped', () => {
  it('ends as abandoned when it has been collected, alone and among those that are read', async () => {
    const dropped = heard();
    const held = heard();
    const kept = {};
    for (let read = 0; read < 100; read++) {
      if (read === 50) follow({}, dropped.tap);
      close(follow({}, heard().tap));
    }
    follow(kept, held.tap);
    await collectUntil(() => dropped.ends.length > 0);
    assert.deepEqual([dropped.ends, held.ends], [['abandoned'], []]);
    assert.equal(branchOf(kept)?.over, false);
  });

  it('is not said to be abandoned when its call is over', async () => {
    const [over, witness] = [heard(), heard()];
    end(follow({}, over.tap), 'done');
    follow({}, witness.tap);
    await collectUntil(() => witness.ends.length > 0);
    assert.deepEqual([over.ends, witness.ends], [['done'], ['abandoned']]);
  });
});
