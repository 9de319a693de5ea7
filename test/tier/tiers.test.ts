import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import served from '../../src/simulator/models.json' with { type: 'json' };
import modelClasses from '../../src/tier/model-classes.json' with { type: 'json' };
import table from '../../src/tier/tiers.json' with { type: 'json' };
import { sentenceOf } from '../../src/errors.ts';
import { TIER_STEPS, modelClass, tierAbove, tierNamed, tierProblems, tierScheme } from '../../src/tier/tiers.ts';

test('models that share a limit have one class', () => {
  const opus4 = ['claude-opus-4-5', 'claude-opus-4-6', 'claude-opus-4-7', 'claude-opus-4-8'].map(modelClass);
  assert.deepEqual(new Set(opus4), new Set(['opus-4.x']));
  assert.equal(modelClass('claude-sonnet-4-5'), modelClass('claude-sonnet-4-6'));
  assert.equal(modelClass('claude-fable-5'), modelClass('claude-fable-5-1'));
  const mythos = ['claude-mythos-5', 'claude-mythos-5-1', 'claude-mythos-5-2'].map(modelClass);
  assert.deepEqual(new Set(mythos), new Set(['mythos-5.x']));
});

test('models with a limit of their own have a class of their own', () => {
  const own = [
    'claude-fable-5-2',
    'claude-opus-5',
    'claude-opus-5-5',
    'claude-sonnet-5',
    'claude-sonnet-5-5',
    'claude-haiku-4-5',
    'claude-haiku-5-5',
  ];
  assert.equal(
    new Set([...own, 'claude-opus-4-5', 'claude-sonnet-4-5', 'claude-fable-5'].map(modelClass)).size,
    own.length + 3,
  );
});

test('a model that is not in the table is a class of its own', () => {
  assert.equal(modelClass('claude-mythos-preview'), 'claude-mythos-preview');
  assert.equal(modelClass(''), '');
});

const NOW = Date.UTC(2026, 10, 24);

const OLD = Date.UTC(2026, 3, 25);

type Row = readonly [requests: number, inputTokens: number, outputTokens: number];

/** Copied by hand from the rate-limit pages, 2026-08-22 and 2026-04-25. */
const PUBLISHED: readonly (readonly [atMs: number, tier: string, modelClass: string, row: Row])[] = [
  [NOW, 'Start', 'fable-5.x', [1_000, 500_000, 100_000]],
  [NOW, 'Build', 'fable-5.x', [2_000, 1_500_000, 300_000]],
  [NOW, 'Scale', 'fable-5.x', [4_000, 4_000_000, 800_000]],
  ...['opus-5', 'opus-4.x', 'sonnet-5', 'sonnet-4.x', 'haiku-4.5'].flatMap(
    (modelClass) =>
      [
        [NOW, 'Start', modelClass, [1_000, 2_000_000, 400_000]],
        [NOW, 'Build', modelClass, [5_000, 5_000_000, 1_000_000]],
        [NOW, 'Scale', modelClass, [10_000, 10_000_000, 2_000_000]],
      ] as const,
  ),
  ...['opus-4.x', 'sonnet-4.x'].flatMap(
    (modelClass) =>
      [
        [OLD, 'Tier 1', modelClass, [50, 30_000, 8_000]],
        [OLD, 'Tier 2', modelClass, [1_000, 450_000, 90_000]],
        [OLD, 'Tier 3', modelClass, [2_000, 800_000, 160_000]],
        [OLD, 'Tier 4', modelClass, [4_000, 2_000_000, 400_000]],
      ] as const,
  ),
  [OLD, 'Tier 1', 'haiku-4.5', [50, 50_000, 10_000]],
  [OLD, 'Tier 2', 'haiku-4.5', [1_000, 450_000, 90_000]],
  [OLD, 'Tier 3', 'haiku-4.5', [2_000, 1_000_000, 200_000]],
  [OLD, 'Tier 4', 'haiku-4.5', [4_000, 4_000_000, 800_000]],
];

describe('the table of tiers', () => {
  for (const [atMs, tier, modelClass, [requests, input, output]] of PUBLISHED) {
    it(`${tier} allows ${requests} requests, ${input} input and ${output} output tokens a minute on ${modelClass}`, () => {
      const limits = tierNamed(tierScheme(atMs), tier)?.limits.get(modelClass);
      assert.deepEqual(limits, { requests, input_tokens: input, output_tokens: output });
    });
  }

  it('has no figures besides the published ones', () => {
    const listed = table.schemes.flatMap(({ tiers }) =>
      tiers.flatMap((tier) => (tier.limits as readonly { classes: string[] }[]).flatMap(({ classes }) => classes)),
    );
    assert.equal(listed.length, PUBLISHED.length);
  });

  it('names model classes as the table of model classes does', () => {
    const known = new Set(modelClasses.classes.map((group) => group.class));
    assert.deepEqual(
      PUBLISHED.map(([, , modelClass]) => modelClass).filter((one) => !known.has(one)),
      [],
    );
  });

  it('spells model classes as the simulator does', () => {
    for (const { class: modelClass, models } of modelClasses.classes) {
      const simulated = served.models.filter((one) => models.includes(one.alias ?? one.id));
      assert.ok(simulated.length > 0, modelClass);
      for (const one of simulated) assert.equal(one.class, modelClass, one.id);
    }
  });

  it('has no figures for Opus 5.5, Sonnet 5.5 and Haiku 5.5, since none are published', () => {
    for (const { limits } of tierScheme(NOW).tiers) {
      for (const unpublished of ['opus-5.5', 'sonnet-5.5', 'haiku-5.5']) assert.equal(limits.has(unpublished), false);
    }
  });

  const CAPS: readonly (readonly [day: string, tier: string, capUsd: number | null, creditUsd: number | null])[] = [
    ['2026-11-24', 'Evaluation', null, null],
    ['2026-11-24', 'Start', 500, null],
    ['2026-11-24', 'Build', 1_000, null],
    ['2026-11-24', 'Scale', 200_000, null],
    ['2026-11-24', 'Custom', null, null],
    ['2026-04-25', 'Tier 1', 100, 5],
    ['2026-04-25', 'Tier 2', 500, 40],
    ['2026-04-25', 'Tier 3', 1_000, 200],
    ['2026-04-25', 'Tier 4', 200_000, 400],
    ['2026-02-19', 'Tier 4', 5_000, 400],
    ['2026-03-12', 'Tier 4', 200_000, 400],
  ];
  for (const [day, name, capUsd, creditUsd] of CAPS) {
    it(`on ${day} ${name} has a monthly cap of ${capUsd} and begins at ${creditUsd} of credit`, () => {
      const tier = tierNamed(tierScheme(Date.parse(day)), name);
      assert.deepEqual([tier?.monthlyCapUsd, tier?.creditPurchaseUsd], [capUsd, creditUsd]);
    });
  }

  it('distinguishes a tier without a cap from one whose cap is not published', () => {
    assert.equal(tierNamed(tierScheme(NOW), 'Custom')?.uncapped, true);
    assert.equal(tierNamed(tierScheme(NOW), 'Evaluation')?.uncapped, false);
  });

  it('changes from Tier 1 to 4 to the present tiers with the first moment of 2026-06-26, UTC', () => {
    const names = (atMs: number) => tierScheme(atMs).tiers.map(({ name }) => name);
    const changeMs = Date.UTC(2026, 5, 26);
    assert.deepEqual(names(changeMs - 1), ['Tier 1', 'Tier 2', 'Tier 3', 'Tier 4']);
    assert.deepEqual(names(changeMs), ['Evaluation', 'Start', 'Build', 'Scale', 'Custom']);
  });

  it('says where the figures of each scheme are from', () => {
    for (const { source } of table.schemes) assert.match(source, /platform\.claude\.com .* as of 2026-/);
  });

  it('the limit of a model class rises with every tier, so one limit identifies the tier', () => {
    for (const { tiers } of table.schemes) {
      const seen = new Map<string, number>();
      for (const { limits } of tiers) {
        for (const { classes, ...perMinute } of limits as readonly { classes: string[] }[]) {
          for (const place of classes.flatMap((one) => Object.entries(perMinute).map((e) => [one, ...e] as const))) {
            const [modelClass, dimension, limit] = place as readonly [string, string, number];
            assert.ok(limit > (seen.get(`${modelClass} ${dimension}`) ?? 0), `${modelClass} ${dimension}`);
            seen.set(`${modelClass} ${dimension}`, limit);
          }
        }
      }
    }
  });
});

describe('tiers by name', () => {
  it('are found however they are written, and only in their time', () => {
    assert.equal(tierNamed(tierScheme(NOW), ' build ')?.name, 'Build');
    assert.equal(tierNamed(tierScheme(NOW), 'Tier 2'), null);
    assert.equal(tierNamed(tierScheme(OLD), 'TIER 2')?.name, 'Tier 2');
  });

  it('have one above them, but for the highest', () => {
    const scheme = tierScheme(NOW);
    const above = scheme.tiers.map((tier) => tierAbove(scheme, tier)?.name ?? null);
    assert.deepEqual(above, ['Start', 'Build', 'Scale', 'Custom', null]);
    assert.deepEqual(
      TIER_STEPS.map(({ next }) => next),
      ['Tier 2', 'Tier 3', 'Tier 4', null, 'Start', 'Build', 'Scale', 'Custom', null],
    );
  });
});

it('a current tier in any spelling, an alias for the organization, or nothing is accepted', () => {
  for (const option of [undefined, {}, { name: 'Build' }, { name: 'scale' }, { organization: 'acme.eu-1' }]) {
    assert.deepEqual(tierProblems(option, NOW), []);
  }
});

const PROBLEMS: readonly (readonly [what: string, option: unknown, problems: readonly RegExp[]])[] = [
  ['a name without an object', 'Build', [/^tier: expected an object such as \{ name: 'Build' \}, got string: put/]],
  [
    'a tier that never was',
    { name: 'Gold' },
    [/^tier\.name: expected one of Evaluation, Start, Build, Scale, Custom, got "Gold": see the Limits page/],
  ],
  ['a tier of the past', { name: 'Tier 2' }, [/got "Tier 2"/]],
  ['a number', { name: 3 }, [/^tier\.name: .* got number/]],
  ['an alias with spaces', { organization: 'Acme Ltd' }, [/^tier\.organization: .* got "Acme Ltd": use up to 64/]],
  ['everything wrong at once', { name: '', organization: 7 }, [/^tier\.name/, /^tier\.organization: .* got number/]],
];

for (const [what, option, problems] of PROBLEMS) {
  it(`${what} is refused with what to do`, () => {
    const found = tierProblems(option, NOW).map(sentenceOf);
    assert.equal(found.length, problems.length);
    for (const [index, problem] of problems.entries()) assert.match(found[index] ?? '', problem);
  });
}

it('in April 2026 the tiers had other names', () => {
  const april = Date.UTC(2026, 3, 25);
  assert.deepEqual(tierProblems({ name: 'Tier 2' }, april), []);
  assert.equal(
    tierProblems({ name: 'Build' }, april)[0]?.expected.slice(0, 37),
    'one of Tier 1, Tier 2, Tier 3, Tier 4',
  );
});

it('a secret in the wrong place is not shown', () => {
  for (const secret of ['sk-ant-api03-Zz9', 'plk_Zz9']) {
    for (const option of [{ name: secret }, { organization: secret }, { name: 'x'.repeat(30) + secret }]) {
      const [problem = ''] = tierProblems(option, NOW).map(sentenceOf);
      assert.match(problem, /got \d+ characters/);
      assert.doesNotMatch(problem, /Zz9/);
    }
  }
});

it('instrument() refuses an impossible tier, together with whatever else is wrong', () => {
  const client = new Anthropic({ apiKey: 'test' });
  const registry = new Registry();
  assert.throws(() => instrument(client, { registry, key: 'no spaces', tier: { name: 'Gold' } }), {
    code: 'PLIMSOLL_OPTIONS_INVALID',
    message: /2 problems:\n- key: .*\n- tier\.name: /,
  });
});
