import assert from 'node:assert/strict';
import { it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument } from 'plimsoll';
import { Registry } from 'prom-client';
import { tierProblems } from '../../src/tier/tier-option.ts';

const NOW = Date.UTC(2026, 10, 24);

it('a tier of today, however it is written, an alias for the organisation, or nothing, are taken', () => {
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
    const found = tierProblems(option, NOW);
    assert.equal(found.length, problems.length);
    for (const [index, problem] of problems.entries()) assert.match(found[index] ?? '', problem);
  });
}

it('in April 2026 the tiers had other names', () => {
  const april = Date.UTC(2026, 3, 25);
  assert.deepEqual(tierProblems({ name: 'Tier 2' }, april), []);
  assert.match(tierProblems({ name: 'Build' }, april)[0] ?? '', /expected one of Tier 1, Tier 2, Tier 3, Tier 4/);
});

it('a secret in the wrong place is not shown', () => {
  for (const secret of ['sk-ant-api03-Zz9', 'plk_Zz9']) {
    for (const option of [{ name: secret }, { organization: secret }, { name: 'x'.repeat(30) + secret }]) {
      const [problem = ''] = tierProblems(option, NOW);
      assert.match(problem, /got \d+ characters/);
      assert.doesNotMatch(problem, /Zz9/);
    }
  }
});

it('instrument() refuses a tier that cannot be, together with whatever else is wrong', () => {
  const client = new Anthropic({ apiKey: 'test' });
  const registry = new Registry();
  assert.throws(() => instrument(client, { registry, key: 'no spaces', tier: { name: 'Gold' } }), {
    code: 'PLIMSOLL_OPTIONS_INVALID',
    message: /2 problems:\n- key: .*\n- tier\.name: /,
  });
});
