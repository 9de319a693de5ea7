import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { limiters } from '../../src/observe/limiters.ts';
import { tierScheme } from '../../src/tier/tiers.ts';
import { tierVerdict, type SeenLimit, type TierVerdict } from '../../src/tier/verdict.ts';

const NOW = Date.UTC(2026, 10, 24);

const OLD = Date.UTC(2026, 3, 25);

/** What the headers of one response say; `null` leaves a header out. */
function headers(requests: number | null, input: number | null, output: number | null): Headers {
  const sent = new Headers();
  const told = { requests, 'input-tokens': input, 'output-tokens': output };
  for (const [dimension, limit] of Object.entries(told)) {
    if (limit !== null) sent.set(`anthropic-ratelimit-${dimension}-limit`, String(limit));
  }
  return sent;
}

type Seen = Readonly<Record<string, readonly [number | null, number | null, number | null]>>;

function seenLimits(seen: Seen): readonly SeenLimit[] {
  return Object.entries(seen).flatMap(([modelClass, row]) =>
    limiters(headers(...row)).map(({ dimension, limit }) => ({ modelClass, dimension, limit: limit ?? assert.fail() })),
  );
}

const inferred = (seen: Seen, atMs = NOW): TierVerdict => tierVerdict({ limits: seenLimits(seen), atMs });

const START = [1_000, 2_000_000, 400_000] as const;

const BUILD = [5_000, 5_000_000, 1_000_000] as const;

const SCALE = [10_000, 10_000_000, 2_000_000] as const;

interface Case {
  readonly name: string;
  readonly seen: Seen;
  readonly atMs?: number;
  readonly tier: string | null;
  readonly doubt: RegExp;
}

const CASES: readonly Case[] = [
  {
    name: 'the limits of Start on one model class are Start, unless a workspace lowered them',
    seen: { 'haiku-4.5': START },
    tier: 'Start',
    doubt: /^inferred from limits, and a workspace's own can look like a lower tier's$/,
  },
  {
    name: 'the limits of Build on several model classes, each with its own figures, are Build',
    seen: { 'fable-5.x': [2_000, 1_500_000, 300_000], 'opus-5': BUILD, 'sonnet-4.x': BUILD },
    tier: 'Build',
    doubt: /^inferred/,
  },
  { name: 'the limits of Scale are Scale', seen: { 'opus-4.x': SCALE }, tier: 'Scale', doubt: /^inferred/ },
  {
    name: 'one header is enough: 5,000 requests a minute are Build',
    seen: { 'sonnet-5': [5_000, null, null] },
    tier: 'Build',
    doubt: /^inferred/,
  },
  {
    name: 'the same figure means another tier on another model class: 4,000,000 input tokens are Scale on Fable',
    seen: { 'fable-5.x': [null, 4_000_000, null] },
    tier: 'Scale',
    doubt: /^inferred/,
  },
  {
    name: 'models whose limits are not published are left out, whatever their limits are',
    seen: { 'sonnet-5': BUILD, 'opus-5.5': [50, 1_000, 1_000], 'haiku-5.5': [90_000, 9e9, 9e9], 'claude-x': START },
    tier: 'Build',
    doubt: /^inferred/,
  },
  {
    name: 'limits of nothing but models without published limits say nothing',
    seen: { 'opus-5.5': START, 'sonnet-5.5': BUILD },
    tier: null,
    doubt: /^no limit was seen of a model class whose limits are published$/,
  },
  { name: 'no headers say nothing', seen: {}, tier: null, doubt: /^no limit was seen/ },
  {
    name: "a workspace's lower limit on one dimension does not hide the tier",
    seen: { 'opus-5': [5_000, 1_234_000, 1_000_000] },
    tier: 'Build',
    doubt: /limits below Build's \(opus-5 input_tokens 1,234,000\): a workspace's own, or from before the tier rose/,
  },
  {
    name: 'a limit that was raised by agreement does not make the tier higher',
    seen: { 'opus-5': BUILD, 'sonnet-5': [5_000, 7_500_000, 1_000_000] },
    tier: 'Build',
    doubt: /limits above Build's \(sonnet-5 input_tokens 7,500,000\): raised by agreement, or the tier is higher/,
  },
  {
    name: 'where whole model classes contradict each other the higher tier holds, and the doubt names the others',
    seen: { 'opus-5': START, 'haiku-4.5': START, 'sonnet-5': BUILD },
    tier: 'Build',
    doubt:
      /^limits below Build's \(opus-5 requests 1,000, as in Start; opus-5 input_tokens .*; and 3 more\): a workspace's own/,
  },
  {
    name: 'a model class that is mixed in itself goes with most of its limits',
    seen: { 'opus-5': [5_000, 2_000_000, 400_000] },
    tier: 'Start',
    doubt: /limits above Start's \(opus-5 requests 5,000, as in Build\)/,
  },
  {
    name: 'a model class that is evenly mixed goes with the higher tier',
    seen: { 'opus-5': [5_000, 2_000_000, null] },
    tier: 'Build',
    doubt: /limits below Build's \(opus-5 input_tokens 2,000,000, as in Start\)/,
  },
  {
    name: 'limits above those of Scale are Custom, whose limits are by agreement',
    seen: { 'sonnet-5': [20_000, 40_000_000, 8_000_000] },
    tier: 'Custom',
    doubt: /limits above every tier's that are published/,
  },
  {
    name: 'limits below those of Start may be Evaluation or a workspace: the tier stays unknown',
    seen: { 'sonnet-5': [50, 100_000, 20_000] },
    tier: null,
    doubt: /limits below every tier's .*: a tier whose limits are not published, or a workspace's own/,
  },
  {
    name: 'limits between the tiers are no tier',
    seen: { 'sonnet-5': [3_000, 3_000_000, 600_000] },
    tier: null,
    doubt: /limits that are no tier's .*: set for a workspace, or by agreement/,
  },
  {
    name: 'before 2026-06-26 the same limits were Tier 4',
    seen: { 'opus-4.x': [4_000, 2_000_000, 400_000] },
    atMs: OLD,
    tier: 'Tier 4',
    doubt: /^inferred/,
  },
  {
    name: 'the old tiers had other limits for Haiku',
    seen: { 'haiku-4.5': [2_000, 1_000_000, 200_000], 'sonnet-4.x': [2_000, 800_000, 160_000] },
    atMs: OLD,
    tier: 'Tier 3',
    doubt: /^inferred/,
  },
  {
    name: 'above Tier 4 there was no tier to be',
    seen: { 'sonnet-4.x': [9_000, 9_000_000, 900_000] },
    atMs: OLD,
    tier: null,
    doubt: /limits that are no tier's/,
  },
];

describe('the tier that the headers imply', () => {
  for (const { name, seen, atMs, tier, doubt } of CASES) {
    it(name, () => {
      const verdict = inferred(seen, atMs);
      assert.equal(verdict.tier, tier);
      assert.match(verdict.doubt ?? '', doubt);
      assert.equal(verdict.source, 'headers');
    });
  }

  it('comes with the limits it stands on, each with the tier that has it', () => {
    const { evidence, nextTier } = inferred({ 'sonnet-5': [1_000, 2_500_000, null], 'opus-5.5': START });
    assert.deepEqual(evidence, [
      { modelClass: 'sonnet-5', dimension: 'requests', limit: 1_000, tier: 'Start' },
      { modelClass: 'sonnet-5', dimension: 'input_tokens', limit: 2_500_000, tier: null },
    ]);
    assert.equal(nextTier, 'Build');
  });

  it('is the tier whose limits were all sent, for any tier and any of its model classes', () => {
    const published = tierScheme(NOW).tiers.filter(({ limits }) => limits.size > 0);
    const some = fc
      .constantFrom(...published)
      .chain((tier) =>
        fc.record({ tier: fc.constant(tier), classes: fc.subarray([...tier.limits.keys()], { minLength: 1 }) }),
      );
    fc.assert(
      fc.property(some, ({ tier, classes }) => {
        const limits = classes.flatMap((modelClass) =>
          Object.entries(tier.limits.get(modelClass) ?? {}).map(([dimension, limit]) => ({
            modelClass,
            dimension: dimension as SeenLimit['dimension'],
            limit,
          })),
        );
        assert.equal(tierVerdict({ limits, atMs: NOW }).tier, tier.name);
      }),
    );
  });

  it('does not depend on the order in which limits are seen', () => {
    const limit = fc.record({
      modelClass: fc.constantFrom('opus-5', 'sonnet-5', 'haiku-4.5', 'opus-5.5'),
      dimension: fc.constantFrom('requests', 'input_tokens', 'output_tokens', 'tokens' as const),
      limit: fc.constantFrom(50, 1_000, 2_000_000, 400_000, 5_000, 5_000_000, 10_000, 77_000_000),
    });
    const limits = fc.uniqueArray(limit, { selector: ({ modelClass, dimension }) => `${modelClass} ${dimension}` });
    fc.assert(
      fc.property(limits, (seen) => {
        const answer = ({ tier, nextTier }: TierVerdict) => ({ tier, nextTier });
        assert.deepEqual(
          answer(tierVerdict({ limits: seen, atMs: NOW })),
          answer(tierVerdict({ limits: seen.toReversed(), atMs: NOW })),
        );
      }),
    );
  });
});

describe('a tier that was named', () => {
  const named = (name: string, seen: Seen = {}, atMs = NOW): TierVerdict =>
    tierVerdict({ limits: seenLimits(seen), named: name, atMs });

  it('wins over the headers, and is certain where they agree or say nothing', () => {
    for (const seen of [{}, { 'sonnet-5': BUILD }, { 'opus-5.5': START }]) {
      const { tier, nextTier, source, doubt } = named('build', seen);
      assert.deepEqual([tier, nextTier, source, doubt], ['Build', 'Scale', 'config', null]);
    }
  });

  it('is doubted where higher limits are seen', () => {
    const { tier, doubt } = named('Start', { 'sonnet-5': BUILD });
    assert.equal(tier, 'Start');
    assert.match(doubt ?? '', /limits above Start's \(sonnet-5 requests 5,000, as in Build; .*the tier is higher/);
  });

  it('is doubted where its limits are not published and those seen are of another tier', () => {
    assert.match(named('Evaluation', { 'opus-5': BUILD }).doubt ?? '', /Evaluation was named, .* those of Build/);
    assert.equal(named('Custom', { 'opus-5': [90_000, 9e7, 9e7] }).doubt, null);
  });

  it('is not believed when there is no such tier at that time: the headers decide then', () => {
    const { tier, source, doubt } = named('Tier 2', { 'opus-5': START });
    assert.deepEqual([tier, source], ['Start', 'headers']);
    assert.match(doubt ?? '', /"Tier 2" was named, which is not a tier at this date; inferred/);
    assert.equal(named('Tier 2', {}, OLD).tier, 'Tier 2');
  });

  it('has none above it when it is Custom', () => {
    assert.equal(named('Custom').nextTier, null);
  });
});

describe("the tier by the organization's books", () => {
  const told = (monthlyCapUsd: number | null | undefined, seen: Seen = {}, named: string | null = null): TierVerdict =>
    tierVerdict({ limits: [], organization: { limits: seenLimits(seen), monthlyCapUsd }, named, atMs: NOW });

  it('is the one that has its cap, before any call', () => {
    for (const [cap, tier] of [
      [500, 'Start'],
      [1_000, 'Build'],
      [200_000, 'Scale'],
      [null, 'Custom'],
    ] as const) {
      const { tier: found, source, doubt } = told(cap);
      assert.deepEqual([found, source, doubt], [tier, 'organization', null], String(cap));
    }
  });

  it('is by its limits where the cap is not known, or is of no tier', () => {
    for (const cap of [undefined, 750]) {
      const { tier, source, doubt } = told(cap, { 'haiku-4.5': BUILD });
      assert.deepEqual([tier, source, doubt], ['Build', 'organization', null]);
    }
  });

  it('goes by headers where the books say nothing of it', () => {
    const { tier, source } = tierVerdict({
      limits: seenLimits({ 'haiku-4.5': START }),
      organization: { limits: [], monthlyCapUsd: undefined },
      atMs: NOW,
    });
    assert.deepEqual([tier, source], ['Start', 'headers']);
  });

  it('says so where it has limits by agreement, and where another was named', () => {
    assert.match(told(500, { 'haiku-4.5': BUILD }).doubt ?? '', /limits above Start's/);
    const { tier, source, doubt } = told(1_000, {}, 'Start');
    assert.deepEqual([tier, source], ['Start', 'config']);
    assert.match(doubt ?? '', /monthly cap is that of Build/);
  });

  it('is not lowered by a workspace whose limits are less', () => {
    const verdict = tierVerdict({
      limits: seenLimits({ 'haiku-4.5': START }),
      organization: { limits: seenLimits({ 'haiku-4.5': BUILD }) },
      atMs: NOW,
    });
    assert.deepEqual([verdict.tier, verdict.source], ['Build', 'organization']);
  });
});
