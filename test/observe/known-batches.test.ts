import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KnownBatches } from '../../src/observe/known-batches.ts';

describe('what is known of batches', () => {
  const counts = { processing: 0, succeeded: 2, errored: 1, canceled: 0, expired: 0 };

  it('reports each result once, and every one of a batch that was read whole', () => {
    const known = new KnownBatches();
    known.note({ id: 'b', created_at: '2026-11-24T00:00:00Z', request_counts: counts });
    assert.equal(known.createdAtMs('b'), Date.UTC(2026, 10, 24));
    for (const id of ['1', '2', '3']) assert.equal(known.isNew('b', id), true);
    for (const id of ['1', '2', '3', 'never seen']) assert.equal(known.isNew('b', id), false);
    assert.equal(known.isNew('another', '1'), true);
  });

  it('forgets the batches that were not seen for the longest time, and they count again', () => {
    const known = new KnownBatches();
    for (let batch = 0; batch < 10_000; batch++) assert.ok(known.isNew(`b${batch}`, '1'));
    assert.equal(known.isNew('b0', '1'), false);
    assert.ok(known.isNew('one more', '1'));
    assert.equal(known.isNew('b9999', '1'), false);
    assert.equal(known.isNew('b0', '1'), true);
  });

  it('holds no more than 200,000 results of batches that were read in part', () => {
    const known = new KnownBatches();
    for (let result = 0; result < 150_000; result++) known.isNew('first', String(result));
    for (let result = 0; result < 60_000; result++) known.isNew('second', String(result));
    assert.equal(known.isNew('second', '0'), false);
    assert.equal(known.isNew('first', '0'), true);
  });
});
