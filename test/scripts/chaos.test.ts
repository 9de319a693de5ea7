/**
 * plimsoll's numbers against the server's own, under every fault and in every way of calling: equal in every cell.
 * `npm run chaos` does the same at greater length. A mistake put into plimsoll has to be seen, or this proves nothing.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chaos } from '../../scripts/chaos/chaos.ts';
import { FAULTS } from '../../scripts/chaos/faults.ts';
import { MUTANTS, MUTANT_NAMES, type Mutant } from '../../scripts/chaos/mutants.ts';
import { shortcomings } from '../../scripts/chaos/report.ts';
import { scenario, type ChaosCall } from '../../scripts/chaos/scenario.ts';
import { MODELS, RECIPE_NAMES } from '../../scripts/chaos/usages.ts';
import { WAY_NAMES } from '../../scripts/chaos/ways.ts';
import { withSteppedTime } from '../../testing/client-workbench.ts';

const SEEDS = [1, 2, 3];

describe('2,000 calls under every fault', { concurrency: true }, () => {
  for (const seed of SEEDS) {
    it(`come to the server's own numbers in every cell, and meet everything there is to meet: seed ${seed}`, async () => {
      const report = await chaos({ calls: scenario(seed, 2_000) });
      assert.deepEqual(report.differences, []);
      assert.deepEqual(shortcomings(report), []);
    });
  }
});

describe('a mistake in plimsoll', { concurrency: 4 }, () => {
  for (const name of MUTANT_NAMES.filter((each) => each !== 'none')) {
    it(`is seen: ${name}`, async () => {
      const { differences } = await chaos({ calls: scenario(7, 150), mutant: MUTANTS[name] });
      assert.notDeepEqual(differences, []);
    });
  }

  it('is not seen where none was made', async () => {
    const { differences } = await chaos({ calls: scenario(7, 150), mutant: MUTANTS.none });
    assert.deepEqual(differences, []);
  });
});

const fault = fc.constantFrom({ fault: 'none' } as const, ...FAULTS);

const call: fc.Arbitrary<ChaosCall> = fc.record({
  way: fc.constantFrom(...WAY_NAMES),
  model: fc.constantFrom(...MODELS),
  recipe: fc.constantFrom(...RECIPE_NAMES),
  salt: fc.nat(1_000_000),
  faults: fc.array(fault, { maxLength: 4 }),
  leaving: fc.oneof(
    fc.constant({ kind: 'stays' } as const),
    fc.record({ kind: fc.constantFrom('breaks', 'aborts'), afterEvents: fc.nat(5) }),
  ),
});

/** Time goes on by steps, so that the SDK's waits take none. */
async function differencesOf(calls: readonly ChaosCall[], mutant?: Mutant): Promise<readonly unknown[]> {
  const options = { calls, concurrency: 4, ...(mutant && { mutant }) };
  return (await withSteppedTime(() => chaos(options))).differences;
}

describe('any list of calls with any faults', () => {
  it("comes to the server's own numbers", async () => {
    const agree = async (calls: readonly ChaosCall[]): Promise<void> =>
      assert.deepEqual(await differencesOf(calls), []);
    await fc.assert(fc.asyncProperty(fc.array(call, { maxLength: 6 }), agree), { numRuns: 60, seed: 24 });
  });

  it('that shows a mistake shrinks to its smallest form: one call with one fault', async () => {
    const mutant = MUTANTS['a retry counted twice'];
    const agree = async (calls: readonly ChaosCall[]): Promise<boolean> =>
      (await differencesOf(calls, mutant)).length === 0;
    const found = await fc.check(fc.asyncProperty(fc.array(call, { maxLength: 6 }), agree), { numRuns: 60, seed: 24 });
    assert.equal(found.failed, true);
    const [smallest] = found.counterexample ?? [];
    assert.equal(smallest?.length, 1);
    assert.equal(smallest[0]?.faults.length, 1);
    assert.notEqual(smallest[0].faults[0]?.fault, 'none');
  });
});
