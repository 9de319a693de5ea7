/**
 * A client beside its instrumented self: the same to the program and to the server in random sequences, but for what is
 * listed here. `npm run fuzz:transparent` does the same at greater length, and finds the smallest plan of what is new.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { contains } from '../../../scripts/transparent/contain.ts';
import { kindOf } from '../../../scripts/transparent/compare.ts';
import { MUTANTS } from '../../../scripts/transparent/mutants.ts';
import { parsePlan, type Plan } from '../../../scripts/transparent/plan.ts';
import type { Answers, Question } from '../../../scripts/transparent/process.ts';
import { Random } from '../../../scripts/transparent/random.ts';
import { shrink } from '../../../scripts/transparent/shrink.ts';
import { drawPlan } from '../../../scripts/transparent/draw.ts';

/**
 * What differs today, by the line of issue 15 that is to end it. A plan that differs no more fails here, and so does a
 * random one that differs and contains none of these.
 */
const DIFFERENT: Readonly<Record<string, readonly Plan[]>> = {
  '2, what a fetch answers with': [
    { client: { hands: 'read-response' }, calls: [{}] },
    { client: { hands: 'read-response' }, calls: [{ replies: [{ status: 500 }] }] },
  ],
  '5, middleware of the program’s own': [
    { client: { middleware: ['again'] }, calls: [{}] },
    { client: { middleware: ['again-unread'] }, calls: [{}] },
    { client: { middleware: ['answer'] }, calls: [{}] },
    { client: { middleware: ['type-error'] }, calls: [{}] },
    { client: { middleware: ['retryable-error'] }, calls: [{}] },
    { calls: [{ operation: 'create-stream', middleware: ['consume'], reading: 'iterate' }] },
    { calls: [{ middleware: ['again'] }] },
    { calls: [{ middleware: ['again-unread'] }] },
    { calls: [{ middleware: ['answer'] }] },
    { calls: [{ middleware: ['type-error'] }] },
    { calls: [{ middleware: ['type-error'], abort: 'never' }] },
    { calls: [{ middleware: ['replace'], abort: 'never', replies: [{ encoding: 'false-gzip' }] }] },
  ],
  '6, the body of a refusal that stands still': [
    {
      client: { middleware: ['retry-refusal'] },
      calls: [{ replies: [{ status: 500, trouble: 'stall-body' }] }],
    },
  ],
  '7, what a program can see': [
    { client: { looked: true }, calls: [] },
    { client: { fetchOptions: 'invalid-headers' }, calls: [{}] },
    { client: { hands: 'same-response' }, calls: [{}, {}] },
  ],
};

const ALL_DIFFERENT = Object.values(DIFFERENT).flat();

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
  it('are the same in random sequences that contain nothing of the list', async () => {
    const { comparisons } = await ask({ about: 'seed', seed: 15, sequences: 250 });
    assert.ok(comparisons.filter(({ verdict }) => verdict === 'equal').length > 125);
    const unlisted = comparisons.filter(
      ({ plan, verdict }) => verdict === 'different' && !ALL_DIFFERENT.some((part) => contains(plan, part)),
    );
    assert.deepEqual(shown({ comparisons: unlisted, mutants: {} }), []);
  });

  let listed: Promise<Answers> | undefined;

  for (const [line, plans] of Object.entries(DIFFERENT)) {
    it(`differ today in each plan of line ${line}`, async () => {
      const { comparisons } = await (listed ??= ask({ about: 'plans', plans: ALL_DIFFERENT }));
      const first = ALL_DIFFERENT.findIndex((plan) => plan === plans[0]);
      const ofLine = comparisons.slice(first, first + plans.length);
      const same = ofLine.filter(({ verdict }) => verdict !== 'different');
      assert.deepEqual(shown({ comparisons: same, mutants: {} }), []);
    });
  }
});

it('two plain clients are the same in random sequences', async () => {
  const { comparisons } = await ask({ about: 'noise', seed: 15, sequences: 100 });
  assert.deepEqual(shown({ comparisons: comparisons.filter(({ verdict }) => verdict !== 'equal'), mutants: {} }), []);
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

  it('with a field or a choice that is none is refused by name', () => {
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
