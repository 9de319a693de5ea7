import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billProof } from '../../scripts/bill-proof.ts';

test('the bill and what plimsoll saw agree, causes stand under their names, and wrong readers are found out', async () => {
  const all = await billProof(3, 1);
  assert.equal(all.length, 9);
  assert.deepEqual(
    all.filter(({ failure }) => failure !== null),
    [],
  );
});
