/**
 * A client beside its instrumented self: the same to the program and to the server in random sequences, but for what
 * cannot be hidden. `npm run fuzz:transparent` does the same at greater length, and finds the smallest plan of what is new.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { kindOf } from '../../../scripts/transparent/compare.ts';
import { MUTANTS } from '../../../scripts/transparent/mutants.ts';
import { parsePlan, type Plan } from '../../../scripts/transparent/plan.ts';
import type { Answers, Question } from '../../../scripts/transparent/process.ts';
import { Random } from '../../../scripts/transparent/random.ts';
import { shrink } from '../../../scripts/transparent/shrink.ts';
import { drawPlan } from '../../../scripts/transparent/draw.ts';

/** The smallest plans that have differed once, by what they are about. */
const SAME: Readonly<Record<string, readonly Plan[]>> = {
  'what a fetch answers with': [
    { client: { hands: 'read-response' }, calls: [{}] },
    { client: { hands: 'read-response' }, calls: [{ replies: [{ status: 500 }] }] },
    {
      client: { hands: 'read-response' },
      calls: [{ abort: 'never', replies: [{ status: 413, headers: { 'x-should-retry': 'true' } }] }],
    },
    { client: { hands: 'same-response' }, calls: [{}, {}] },
    { client: { fetch: 'node-fetch-3' }, calls: [{ middleware: ['header'], replies: [{ status: 429 }] }] },
    {
      client: { fetch: 'node-fetch-2', middleware: ['parse'] },
      calls: [{ operation: 'create-stream', reading: 'iterate', replies: [{ status: 429 }] }],
    },
    {
      client: { logLevel: 'info', hands: 'same-response' },
      calls: [{ abort: 'on-retry', replies: [{ status: 429 }] }, {}],
    },
  ],
  'middleware of the client': [
    { client: { middleware: ['again'] }, calls: [{}] },
    { client: { middleware: ['again-unread'] }, calls: [{}] },
    { client: { middleware: ['answer'] }, calls: [{}] },
    { client: { middleware: ['type-error'] }, calls: [{}] },
    { client: { middleware: ['retryable-error'] }, calls: [{}] },
    { client: { sdk: 'lowest', middleware: ['retryable-error'] }, calls: [{ abort: 'on-retry' }] },
  ],
  'middleware of a request': [
    { calls: [{ operation: 'create-stream', middleware: ['consume'], reading: 'iterate' }] },
    { calls: [{ middleware: ['again'] }] },
    { calls: [{ middleware: ['again-unread'] }] },
    { calls: [{ middleware: ['answer'] }] },
    { calls: [{ middleware: ['type-error'] }] },
    { calls: [{ middleware: ['type-error'], abort: 'never' }] },
    { calls: [{ middleware: ['replace'], abort: 'never', replies: [{ encoding: 'false-gzip' }] }] },
  ],
  'the body of a refusal that stands still': [
    { client: { middleware: ['retry-refusal'] }, calls: [{ replies: [{ status: 500, trouble: 'stall-body' }] }] },
  ],
  'errors outside fetch': [{ client: { fetchOptions: 'invalid-headers' }, calls: [{}] }],
};

/** The smallest plan of each known difference. */
const KNOWN: readonly Plan[] = [{ client: { looked: true }, calls: [] }, { calls: [{ reading: 'look' }] }];

async function ask(question: Question): Promise<Answers> {
  const child = fork(join(import.meta.dirname, '../../../scripts/transparent/process.ts'), {
    execArgv: ['--conditions=plimsoll-source'],
    serialization: 'advanced',
  });
  child.send(question);
  const [answers] = (await once(child, 'message')) as [Answers];
  return answers;
}

const shown = ({ comparisons }: Answers): readonly string[] =>
  comparisons.map(({ plan, differences }) => `${JSON.stringify(plan)}\n  ${differences.map(kindOf).join('\n  ')}`);

describe('a plain client and an instrumented one', () => {
  it('are the same in random sequences', async () => {
    const { comparisons } = await ask({ about: 'seed', seed: 15, sequences: 250 });
    assert.ok(comparisons.filter(({ verdict }) => verdict === 'equal').length > 200);
    const different = comparisons.filter(({ verdict }) => verdict === 'different');
    assert.deepEqual(shown({ comparisons: different, mutants: {} }), []);
  });

  const plans = Object.values(SAME).flat();
  let asked: Promise<Answers> | undefined;

  for (const [about, ofIt] of Object.entries(SAME)) {
    it(`are the same with ${about}`, async () => {
      const { comparisons } = await (asked ??= ask({ about: 'plans', plans }));
      const first = plans.findIndex((plan) => plan === ofIt[0]);
      const found = comparisons.slice(first, first + ofIt.length).filter(({ verdict }) => verdict !== 'equal');
      assert.deepEqual(shown({ comparisons: found, mutants: {} }), []);
    });
  }

  it('differ in the known ways, which the documentation lists', async () => {
    const { comparisons } = await ask({ about: 'plans', plans: KNOWN });
    assert.deepEqual(
      comparisons.map(({ verdict }) => verdict),
      ['known', 'known'],
    );
  });
});

it('two plain clients are the same in random sequences', async () => {
  const { comparisons } = await ask({ about: 'noise', seed: 15, sequences: 100 });
  // How fast a run is depends on what else the machine does.
  const unequal = comparisons.filter(({ differences }) => differences.some(({ what }) => what !== 'pace'));
  assert.deepEqual(shown({ comparisons: unequal, mutants: {} }), []);
});

it('every broken decorator is found within 100 sequences', async () => {
  const { mutants } = await ask({ about: 'mutants', seed: 1, sequences: 100 });
  const missed = MUTANTS.filter(({ mistake }) => mutants[mistake] === null || mutants[mistake] === undefined);
  assert.deepEqual(
    missed.map(({ mistake }) => mistake),
    [],
  );
});

describe('a plan', () => {
  it('is the same for a seed, and may be printed and read again', () => {
    const plan = drawPlan(new Random(7));
    assert.deepEqual(drawPlan(new Random(7)), plan);
    assert.deepEqual(parsePlan(JSON.stringify(plan)), JSON.parse(JSON.stringify(plan)));
  });

  it('with an unknown field or choice is refused by name', () => {
    assert.throws(() => parsePlan('{"calls":[{"reeding":"text"}]}'), /calls\[0\] has no field reeding/);
    assert.throws(
      () => parsePlan('{"calls":[],"client":{"sdk":"newest"}}'),
      /Expected one of lowest, .* as the plan\.client\.sdk/,
    );
  });

  it('shrinks to the parts that are needed', async () => {
    const plan = drawPlan(new Random(1));
    const grown: Plan = { ...plan, calls: [...plan.calls, { operation: 'models', replies: [{ status: 429 }, {}] }] };
    const smallest = await shrink(grown, async ({ calls }) =>
      calls.some(({ replies }) => replies?.[0]?.status === 429),
    );
    assert.deepEqual(smallest, { calls: [{ replies: [{ status: 429 }] }] });
  });
});
