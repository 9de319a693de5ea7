/**
 * `npm run fuzz:gateway` does the same at greater length, and with `--mutants` for all of them. A mutant that is missed says
 * that a guard could be broken without anybody noticing. `PLIMSOLL_FUZZ_SEED` draws other requests and other mutants.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as right from 'plimsoll/gateway';
import { openBench } from '../../../scripts/gateway-fuzz/bench.ts';
import { findMutant } from '../../../scripts/gateway-fuzz/find-mutant.ts';
import { fuzz } from '../../../scripts/gateway-fuzz/fuzz.ts';
import { MUTANTS, drawMutants, misplacedMutants } from '../../../scripts/gateway-fuzz/mutants.ts';
import { TESTED_MUTANTS, failsTest } from '../../../scripts/gateway-fuzz/tested-mutants.ts';
import { root } from '../../../testing/examples/programs.ts';

const SEED = Number(process.env['PLIMSOLL_FUZZ_SEED'] ?? 7);

/** The latest request by which `npm run fuzz:gateway -- --mutants --seed 3` finds one is the 900th. */
const REQUESTS_PER_MUTANT = 1_500;

test('what reaches the API is what a model of the rules lets through, and costs a token no more than its amount', async () => {
  const bench = await openBench(right);
  const { differences, sent, refused, mostCharged, heapBytes } = await fuzz(bench, {
    seed: SEED,
    requests: 1_000,
    most: 1,
  });
  await bench.close();
  assert.deepEqual(
    differences.map(({ problem }) => problem),
    [],
  );
  assert.ok(sent > 300 && refused > 300, `${sent} sent, ${refused} refused`);
  assert.ok(mostCharged > 5_000_000n && mostCharged <= 10_000_000n, `${mostCharged} were charged of 10000000`);
  assert.ok(heapBytes < 128 << 20, `the heap grew by ${heapBytes} bytes`);
});

test('every mistake that the long form puts into a guard still has its place there, once', () => {
  assert.ok(MUTANTS.length >= 30 && TESTED_MUTANTS.length >= 25);
  assert.deepEqual(misplacedMutants([...MUTANTS, ...TESTED_MUTANTS]), []);
  for (const { test: file, named } of TESTED_MUTANTS)
    assert.ok(readFileSync(join(root, 'test', file), 'utf8').includes(named), `test/${file} has no test "${named}"`);
});

test('mistakes in guards, drawn by the seed, let through what they forbid, or refuse what they allow', async () => {
  const drawn = drawMutants(MUTANTS, SEED, 8);
  assert.equal(new Set(drawn).size, 8);
  const missed: string[] = [];
  for (const mutant of drawn)
    if ((await findMutant(mutant, { seed: 3, requests: REQUESTS_PER_MUTANT })) === null) missed.push(mutant.name);
  assert.deepEqual(missed, []);
});

test('a mistake that no request shows, drawn by the seed, fails the test that is to find it, which passes without', async () => {
  const [drawn] = drawMutants(TESTED_MUTANTS, SEED, 1);
  assert.ok(drawn);
  assert.deepEqual(await Promise.all([failsTest(drawn, drawn), failsTest(drawn, null)]), [true, false]);
});
