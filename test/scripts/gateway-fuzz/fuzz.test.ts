/**
 * `npm run fuzz:gateway` does the same at greater length. A mutant that is missed here says that a guard could be broken
 * without anybody noticing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as right from 'plimsoll/gateway';
import { openBench } from '../../../scripts/gateway-fuzz/bench.ts';
import { fuzz } from '../../../scripts/gateway-fuzz/fuzz.ts';
import { MUTANTS, findMutant } from '../../../scripts/gateway-fuzz/mutants.ts';

test('what reaches the API is what a model of the rules lets through, and costs a token no more than its amount', async () => {
  const bench = await openBench(right);
  const { differences, sent, refused, mostCharged, heapBytes } = await fuzz(bench, {
    seed: 7,
    requests: 3_000,
    most: 1,
  });
  await bench.close();
  assert.deepEqual(
    differences.map(({ problem }) => problem),
    [],
  );
  assert.ok(sent > 1_000 && refused > 1_000, `${sent} sent, ${refused} refused`);
  assert.ok(mostCharged > 5_000_000n && mostCharged <= 10_000_000n, `${mostCharged} were charged of 10000000`);
  assert.ok(heapBytes < 128 << 20, `the heap grew by ${heapBytes} bytes`);
});

test('every mistake in a guard lets through what it forbids, or refuses what it allows', async () => {
  assert.ok(MUTANTS.length >= 30);
  const missed: string[] = [];
  for (const mutant of MUTANTS)
    if ((await findMutant(mutant, { seed: 3, requests: 3_000 })) === null) missed.push(mutant.name);
  assert.deepEqual(missed, []);
});
