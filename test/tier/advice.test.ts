import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ADVICE_KINDS, SEVERITIES } from '../../src/tier/advice-basis.ts';
import { ADVICE_CASES, adviceOn, days, evenly, sonnet, type Situation } from '../../testing/tier/advice-cases.ts';

const texts = (situation: Situation): readonly string[] =>
  adviceOn(situation).map(({ severity, text }) => `${severity}: ${text}`);

describe('advice', () => {
  for (const { name, situation, says } of ADVICE_CASES) {
    it(name, () => assert.deepEqual(texts(situation), says));
  }

  it('reads as the manual shows it, kind by kind', () => {
    const manual = readFileSync(new URL('../../docs/tiers.md', import.meta.url), 'utf8');
    const rows = [...manual.matchAll(/^\| `(\w+)` \| [^|]* \| (.*?)(?: \(.*\))? \|$/gm)];
    const shown = new Map(rows.map(([, kind = '', text = '']) => [kind, text] as const));
    const said = new Set(
      ADVICE_CASES.flatMap(({ situation }) => adviceOn(situation)).map(({ kind, text }) => `${kind}: ${text}`),
    );
    assert.deepEqual([...shown.keys()], ADVICE_KINDS);
    for (const [kind, text] of shown) assert.ok(said.has(`${kind}: ${text}`), `${kind}: ${text}`);
  });

  it('carries the figures that it stands on', () => {
    const [one] = adviceOn({ tier: 'Start', week: [sonnet('input_tokens', evenly(30))] });
    assert.equal(one?.kind, 'throttled');
    assert.deepEqual(one.evidence, {
      modelClass: 'sonnet-5',
      reason: 'input_tokens',
      share: 0.03,
      throttledMinutes: 210,
      activeMinutes: 7_000,
      tier: 'Start',
      nextTier: 'Build',
      limit: 2_000_000,
      nextLimit: 5_000_000,
      factor: 2.5,
    });
  });

  it('is at most 200 characters, ordered by severity, whatever the names and figures', () => {
    const name = fc.string({ maxLength: 128 });
    const minutes = fc.array(fc.nat(1_440), { minLength: 8, maxLength: 8 }).map((all) => days(...all));
    const situation = fc.record({
      tier: fc.constantFrom('Evaluation', 'Start', 'Build', 'Scale', 'Custom'),
      spend: fc.record({ usd: fc.double({ min: 0, max: 1e12, noNaN: true }) }),
      week: fc.array(
        fc.record({
          modelClass: fc.oneof(name, fc.constantFrom('sonnet-5', 'fable-5.x')),
          reason: fc.constantFrom('requests', 'tokens', 'fast_mode', 'acceleration', 'unknown', 'spend_limit' as const),
          days: minutes,
        }),
      ),
      monthBudgets: fc.array(
        fc.record({ name, limitUsd: fc.double({ min: 0, max: 1e9, noNaN: true }), blocks: fc.boolean() }),
      ),
    });
    fc.assert(
      fc.property(situation, (drawn) => {
        const all = adviceOn(drawn);
        for (const { text } of all) assert.ok(text.length <= 200 && !/NaN|undefined|null|Infinity/.test(text), text);
        const ranks = all.map(({ severity }) => SEVERITIES.indexOf(severity));
        assert.deepEqual(ranks, ranks.toSorted());
      }),
    );
  });
});
