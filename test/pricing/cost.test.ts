import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cost, costOn } from '../../src/pricing/cost.ts';
import { defaultPrices, pricesFrom } from '../../src/pricing/prices.ts';
import type { Cost, Tokens, Usage } from '../../src/vocabulary.ts';
import { dayMs, type SomePart, usageOf } from '../../testing/usages.ts';

interface Case {
  /** What the case shows. */
  readonly of: string;
  readonly on: string;
  readonly model: string;
  readonly tokens: Partial<Tokens>;
  readonly speed?: string;
  readonly rest?: Partial<Omit<Usage, 'parts'>>;
  readonly batch?: boolean;
  /** Nano-dollars by kind, worked out by hand from the published prices; the kinds left out cost nothing. */
  readonly costs: Partial<Cost>;
}

/** 1 USD per million tokens is 1,000 nano-dollars a token. */
const CASES: readonly Case[] = [
  // Input and output, by model and by version
  {
    of: 'Fable 5.2 at 8 and 40',
    on: '2026-11-24',
    model: 'claude-fable-5-2',
    tokens: { input: 1_000, output: 100 },
    costs: { input: 8_000_000, output: 4_000_000 }, // 1,000 × 8,000; 100 × 40,000
  },
  {
    of: 'Mythos 5.2 at the price of Fable 5.2',
    on: '2026-11-24',
    model: 'claude-mythos-5-2',
    tokens: { input: 1_000, output: 100 },
    costs: { input: 8_000_000, output: 4_000_000 }, // 1,000 × 8,000; 100 × 40,000
  },
  {
    of: 'Fable 5.1, which costs more than 5.2',
    on: '2026-11-24',
    model: 'claude-fable-5-1',
    tokens: { input: 1_000, output: 100 },
    costs: { input: 10_000_000, output: 5_000_000 }, // 1,000 × 10,000; 100 × 50,000
  },
  {
    of: 'Opus 5.5 at 4 and 20',
    on: '2026-11-24',
    model: 'claude-opus-5-5',
    tokens: { input: 123, output: 45 },
    costs: { input: 492_000, output: 900_000 }, // 123 × 4,000; 45 × 20,000
  },
  {
    of: 'Opus 5 at 5 and 25',
    on: '2026-11-24',
    model: 'claude-opus-5',
    tokens: { input: 123, output: 45 },
    costs: { input: 615_000, output: 1_125_000 }, // 123 × 5,000; 45 × 25,000
  },
  {
    of: 'Sonnet 5 at 2 and 10: the planned rise did not come',
    on: '2026-11-24',
    model: 'claude-sonnet-5',
    tokens: { input: 700, output: 70 },
    costs: { input: 1_400_000, output: 700_000 }, // 700 × 2,000; 70 × 10,000
  },
  {
    of: 'Haiku 4.5 at 1 and 5',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { input: 563, output: 37 },
    costs: { input: 563_000, output: 185_000 }, // 563 × 1,000; 37 × 5,000
  },
  {
    of: 'a retired model, in its time',
    on: '2024-12-01',
    model: 'claude-3-5-haiku-20241022',
    tokens: { input: 1_001, output: 3 },
    costs: { input: 800_800, output: 12_000 }, // 1,001 × 800; 3 × 4,000
  },
  // Caching
  {
    of: 'cache writes at 1.25 times the input for 5 minutes and twice for 1 hour, reads at a tenth',
    on: '2026-11-24',
    model: 'claude-sonnet-4-6',
    tokens: { input: 10, cache_write_5m: 1_000, cache_write_1h: 1_000, cache_read: 1_000, output: 1 },
    // 10 × 3,000; 1,000 × 3,750; 1,000 × 6,000; 1,000 × 300; 1 × 15,000
    costs: { input: 30_000, cache_write_5m: 3_750_000, cache_write_1h: 6_000_000, cache_read: 300_000, output: 15_000 },
  },
  {
    of: 'cache reads of Fable 5 at a tenth of its input',
    on: '2026-11-24',
    model: 'claude-fable-5',
    tokens: { cache_read: 4_001 },
    costs: { cache_read: 4_001_000 }, // 4,001 × 1,000
  },
  {
    of: 'cache reads of Fable 5.1 at a fortieth of its input',
    on: '2026-11-24',
    model: 'claude-fable-5-1',
    tokens: { cache_read: 4_001 },
    costs: { cache_read: 1_000_250 }, // 4,001 × 250
  },
  {
    of: 'cache reads of Mythos 5.1 at a fortieth of its input',
    on: '2026-11-24',
    model: 'claude-mythos-5-1',
    tokens: { cache_read: 4_001, cache_write_1h: 5 },
    costs: { cache_read: 1_000_250, cache_write_1h: 100_000 }, // 4,001 × 250; 5 × 20,000
  },
  {
    of: 'cache reads of Opus 5.5 at a twentieth of its input',
    on: '2026-11-24',
    model: 'claude-opus-5-5',
    tokens: { cache_read: 4_001, cache_write_5m: 7 },
    costs: { cache_read: 800_200, cache_write_5m: 35_000 }, // 4,001 × 200; 7 × 5,000
  },
  {
    of: 'cache reads of Opus 4.8 at a tenth of its input',
    on: '2026-11-24',
    model: 'claude-opus-4-8',
    tokens: { cache_read: 4_001, cache_write_5m: 7 },
    costs: { cache_read: 2_000_500, cache_write_5m: 43_750 }, // 4,001 × 500; 7 × 6,250
  },
  {
    of: 'Haiku 3, whose cache prices are no exact multiples of its input',
    on: '2025-06-01',
    model: 'claude-3-haiku',
    tokens: { input: 3, cache_write_5m: 3, cache_write_1h: 3, cache_read: 3, output: 3 },
    // 3 × 250; 3 × 300; 3 × 500; 3 × 30; 3 × 1,250
    costs: { input: 750, cache_write_5m: 900, cache_write_1h: 1_500, cache_read: 90, output: 3_750 },
  },
  // Dates
  {
    of: 'cache reads of Sonnet 5.5 on the last day of the old price',
    on: '2026-10-06',
    model: 'claude-sonnet-5-5',
    tokens: { cache_read: 1_000 },
    costs: { cache_read: 200_000 }, // 1,000 × 200
  },
  {
    of: 'cache reads of Sonnet 5.5 on the first day of the new price',
    on: '2026-10-07',
    model: 'claude-sonnet-5-5',
    tokens: { cache_read: 1_000 },
    costs: { cache_read: 100_000 }, // 1,000 × 100
  },
  // Length of the prompt
  {
    of: 'Haiku 5.5 with a prompt of 100,000 tokens at the lower band',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { input: 40_000, cache_read: 30_000, cache_write_5m: 20_000, cache_write_1h: 10_000, output: 10 },
    // 40,000 × 100; 30,000 × 10; 20,000 × 125; 10,000 × 200; 10 × 500
    costs: {
      input: 4_000_000,
      cache_read: 300_000,
      cache_write_5m: 2_500_000,
      cache_write_1h: 2_000_000,
      output: 5_000,
    },
  },
  {
    of: 'Haiku 5.5 with one token more: every token at the higher band, output too',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { input: 40_001, cache_read: 30_000, cache_write_5m: 20_000, cache_write_1h: 10_000, output: 10 },
    // 40,001 × 500; 30,000 × 50; 20,000 × 625; 10,000 × 1,000; 10 × 2,500
    costs: {
      input: 20_000_500,
      cache_read: 1_500_000,
      cache_write_5m: 12_500_000,
      cache_write_1h: 10_000_000,
      output: 25_000,
    },
  },
  {
    of: 'output alone never makes a prompt long',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { input: 99_999, output: 64_000 },
    costs: { input: 9_999_900, output: 32_000_000 }, // 99,999 × 100; 64,000 × 500
  },
  {
    of: 'Sonnet 4.5 over 200,000 tokens while its long context was in beta',
    on: '2026-04-29',
    model: 'claude-sonnet-4-5',
    tokens: { input: 200_001, output: 10 },
    costs: { input: 1_200_006_000, output: 225_000 }, // 200,001 × 6,000; 10 × 22,500
  },
  {
    of: 'Opus 4.6 over 200,000 tokens before the surcharge ended',
    on: '2026-03-12',
    model: 'claude-opus-4-6',
    tokens: { input: 200_001, output: 10 },
    costs: { input: 2_000_010_000, output: 375_000 }, // 200,001 × 10,000; 10 × 37,500
  },
  {
    of: 'Opus 4.6 over 200,000 tokens once it had ended',
    on: '2026-03-13',
    model: 'claude-opus-4-6',
    tokens: { input: 200_001, output: 10 },
    costs: { input: 1_000_005_000, output: 250_000 }, // 200,001 × 5,000; 10 × 25,000
  },
  {
    of: 'Sonnet 4.6 with 900,000 tokens and no surcharge',
    on: '2026-11-24',
    model: 'claude-sonnet-4-6',
    tokens: { input: 900_000 },
    costs: { input: 2_700_000_000 }, // 900,000 × 3,000
  },
  // Batch
  {
    of: 'half of everything in a batch, the cache too',
    on: '2026-11-24',
    model: 'claude-sonnet-4-6',
    tokens: { input: 10, cache_write_5m: 10, cache_write_1h: 10, cache_read: 10, output: 10 },
    rest: { serviceTier: 'batch' },
    // 10 × 1,500; 10 × 1,875; 10 × 3,000; 10 × 150; 10 × 7,500
    costs: { input: 15_000, cache_write_5m: 18_750, cache_write_1h: 30_000, cache_read: 1_500, output: 75_000 },
  },
  {
    of: 'a batch result whose usage does not name its tier',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { input: 10, output: 10 },
    rest: { serviceTier: null },
    batch: true,
    costs: { input: 5_000, output: 25_000 }, // 10 × 500; 10 × 2,500
  },
  {
    of: 'half of the higher band for a long prompt in a batch',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { input: 100_001, output: 3 },
    rest: { serviceTier: 'batch' },
    costs: { input: 25_000_250, output: 3_750 }, // 100,001 × 250; 3 × 1,250
  },
  // Where inference ran
  {
    of: 'a tenth more for inference in the US, on every kind of token',
    on: '2026-11-24',
    model: 'claude-opus-5-5',
    tokens: { input: 10, cache_write_5m: 10, cache_write_1h: 10, cache_read: 10, output: 10 },
    rest: { inferenceGeo: 'us' },
    // 10 × 4,400; 10 × 5,500; 10 × 8,800; 10 × 220; 10 × 22,000
    costs: { input: 44_000, cache_write_5m: 55_000, cache_write_1h: 88_000, cache_read: 2_200, output: 220_000 },
  },
  {
    of: 'global inference at the price itself',
    on: '2026-11-24',
    model: 'claude-opus-4-6',
    tokens: { input: 10, output: 10 },
    rest: { inferenceGeo: 'global' },
    costs: { input: 50_000, output: 250_000 }, // 10 × 5,000; 10 × 25,000
  },
  {
    of: 'a model before the 4.6 generation, which has no price by place',
    on: '2026-05-28',
    model: 'claude-haiku-4-5',
    tokens: { input: 10 },
    rest: { inferenceGeo: 'not_available' },
    costs: { input: 10_000 }, // 10 × 1,000
  },
  {
    of: 'a batch in the US: × 0.5 × 1.1',
    on: '2026-11-24',
    model: 'claude-sonnet-4-6',
    tokens: { input: 100, cache_write_1h: 100, cache_read: 100, output: 100 },
    rest: { inferenceGeo: 'us', serviceTier: 'batch' },
    // 100 × 3,000 × 0.55; 100 × 6,000 × 0.55; 100 × 300 × 0.55; 100 × 15,000 × 0.55
    costs: { input: 165_000, cache_write_1h: 330_000, cache_read: 16_500, output: 825_000 },
  },
  // Fast mode
  {
    of: 'fast mode of Opus 5, whose cache multipliers apply to the fast input price',
    on: '2026-11-24',
    model: 'claude-opus-5',
    speed: 'fast',
    tokens: { input: 10, cache_write_5m: 10, cache_write_1h: 10, cache_read: 10, output: 10 },
    // 10 × 10,000; 10 × 12,500; 10 × 20,000; 10 × 1,000; 10 × 50,000
    costs: { input: 100_000, cache_write_5m: 125_000, cache_write_1h: 200_000, cache_read: 10_000, output: 500_000 },
  },
  {
    of: 'fast mode of Opus 4.8 on its last day',
    on: '2026-11-29',
    model: 'claude-opus-4-8',
    speed: 'fast',
    tokens: { input: 10, output: 10 },
    costs: { input: 100_000, output: 500_000 }, // 10 × 10,000; 10 × 50,000
  },
  {
    of: 'fast mode of Opus 5.5 and of its cache reads',
    on: '2026-11-24',
    model: 'claude-opus-5-5',
    speed: 'fast',
    tokens: { input: 10, cache_read: 10, output: 10 },
    costs: { input: 80_000, cache_read: 4_000, output: 400_000 }, // 10 × 8,000; 10 × 400; 10 × 40,000
  },
  {
    of: 'fast mode in the US with a cache: the multipliers multiply',
    on: '2026-11-24',
    model: 'claude-opus-5',
    speed: 'fast',
    tokens: { input: 10, cache_write_5m: 10, cache_read: 10, output: 10 },
    rest: { inferenceGeo: 'us' },
    // 10 × 10,000 × 1.1; 10 × 12,500 × 1.1; 10 × 1,000 × 1.1; 10 × 50,000 × 1.1
    costs: { input: 110_000, cache_write_5m: 137_500, cache_read: 11_000, output: 550_000 },
  },
  {
    of: 'a request for fast mode that ran and is billed at standard',
    on: '2026-11-24',
    model: 'claude-opus-4-6',
    speed: 'standard',
    tokens: { input: 10, output: 10 },
    costs: { input: 50_000, output: 250_000 }, // 10 × 5,000; 10 × 25,000
  },
  // Server tools
  {
    of: 'web searches at 10 dollars per thousand, beside the tokens',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { input: 1 },
    rest: { serverToolUses: { web_search: 3 } },
    costs: { input: 1_000, server_tools: 30_000_000 }, // 1 × 1,000; 3 × 10,000,000
  },
  {
    of: 'web fetches, which cost their tokens only',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { input: 1 },
    rest: { serverToolUses: { web_fetch: 5 } },
    costs: { input: 1_000 }, // 1 × 1,000; 5 × 0
  },
  {
    of: 'web searches in a batch in the US, which no multiplier touches',
    on: '2026-11-24',
    model: 'claude-sonnet-4-6',
    tokens: { input: 100 },
    rest: { serverToolUses: { web_search: 1 }, serviceTier: 'batch', inferenceGeo: 'us' },
    costs: { input: 165_000, server_tools: 10_000_000 }, // 100 × 3,000 × 0.55; 1 × 10,000,000
  },
  // What a count stands for
  {
    of: 'estimated output at the price of output',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { input: 10, output_estimated: 7 },
    costs: { input: 10_000, output_estimated: 35_000 }, // 10 × 1,000; 7 × 5,000
  },
  {
    of: 'thinking within the output, not a second time',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { output: 92 },
    rest: { thinkingTokens: 53 },
    costs: { output: 460_000 }, // 92 × 5,000
  },
  {
    of: 'the priority tier at the standard price',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: { input: 10 },
    rest: { serviceTier: 'priority' },
    costs: { input: 10_000 }, // 10 × 1,000
  },
  {
    of: 'nothing used',
    on: '2026-11-24',
    model: 'claude-haiku-4-5',
    tokens: {},
    costs: {},
  },
  // Rounding, once for each kind
  {
    of: 'half a nano-dollar rounded up',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { cache_write_5m: 1, cache_read: 1 },
    rest: { serviceTier: 'batch' },
    costs: { cache_write_5m: 63, cache_read: 5 }, // 125 × 0.5 = 62.5; 10 × 0.5
  },
  {
    of: 'each kind rounded on its own, not the sum and not each multiplication',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { cache_write_5m: 3, cache_read: 3 },
    rest: { serviceTier: 'batch', inferenceGeo: 'us' },
    costs: { cache_write_5m: 206, cache_read: 17 }, // 3 × 125 × 0.55 = 206.25; 3 × 10 × 0.55 = 16.5
  },
  {
    of: 'counts whose product no double holds',
    on: '2026-11-24',
    model: 'claude-haiku-5-5',
    tokens: { input: 999_999_999_999 },
    rest: { serviceTier: 'batch', inferenceGeo: 'us' },
    costs: { input: 274_999_999_999_725 }, // 999,999,999,999 × 500 × 0.55 = × 275
  },
];

const NOTHING: Cost = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  output_estimated: 0,
  input_estimated: 0,
  server_tools: 0,
};
const prices = defaultPrices();
const NOW = dayMs('2026-11-24');

function unpricedParts(parts: readonly SomePart[], rest?: Partial<Omit<Usage, 'parts'>>, on = '2026-11-24') {
  return cost(usageOf(parts, rest), { prices, atMs: dayMs(on) });
}

describe('a usage is priced as worked out by hand', () => {
  for (const { of, on, model, tokens, speed, rest, batch, costs } of CASES) {
    it(of, () => {
      const usage = usageOf([{ model, speed: speed ?? null, tokens }], rest);
      const priced = cost(usage, { prices, atMs: dayMs(on), batch: batch ?? false });
      const expected = { ...NOTHING, ...costs };
      assert.deepEqual(priced.parts[0]?.cost, expected);
      assert.equal(
        priced.totalNanoUsd,
        Object.values(expected).reduce((sum, one) => sum + one, 0),
      );
      assert.equal(priced.priced, true);
    });
  }
});

describe('the parts of a usage', () => {
  it('are priced each at its own model, and a compaction at the model that answered', () => {
    const usage = usageOf([
      { model: null, tokens: { input: 23_000, output: 1_000 } },
      { model: null, tokens: { input: 180_000, output: 3_500 } },
      { model: 'claude-opus-5-5', tokens: { input: 823, output: 1_612 } },
      { model: 'claude-haiku-4-5-20251001', tokens: { input: 412, output: 89 } },
    ]);
    const priced = cost(usage, { prices, atMs: NOW, model: 'claude-sonnet-4-6' });
    assert.deepEqual(
      priced.parts.map(({ model, cost }) => [model, cost?.input, cost?.output]),
      [
        ['claude-sonnet-4-6', 69_000_000, 15_000_000], // 23,000 × 3,000; 1,000 × 15,000
        ['claude-sonnet-4-6', 540_000_000, 52_500_000], // 180,000 × 3,000; 3,500 × 15,000
        ['claude-opus-5-5', 3_292_000, 32_240_000], // 823 × 4,000; 1,612 × 20,000
        ['claude-haiku-4-5', 412_000, 445_000], // 412 × 1,000; 89 × 5,000
      ],
    );
    assert.equal(priced.totalNanoUsd, 712_889_000);
    assert.equal(priced.priced, true);
  });

  it('have each the length of its own prompt', () => {
    const long = { model: 'claude-haiku-5-5', tokens: { input: 100_001 } };
    const short = { model: 'claude-haiku-5-5', tokens: { input: 60_000 } };
    const priced = cost(usageOf([short, long]), { prices, atMs: NOW });
    assert.deepEqual(
      priced.parts.map(({ cost }) => cost?.input),
      [6_000_000, 50_000_500], // 60,000 × 100; 100,001 × 500
    );
  });

  it('without a price leave the others priced, and the usage not', () => {
    const parts = [
      { model: 'claude-of-tomorrow', tokens: { input: 10 } },
      { model: 'claude-haiku-4-5', tokens: { input: 10 } },
    ];
    const priced = cost(usageOf(parts, { serverToolUses: { web_search: 1 } }), { prices, atMs: NOW });
    assert.deepEqual(priced.parts[0], { model: 'claude-of-tomorrow', cost: null });
    // Server tools are on the first part that has a price.
    assert.deepEqual(priced.parts[1]?.cost, { ...NOTHING, input: 10_000, server_tools: 10_000_000 });
    assert.equal(priced.totalNanoUsd, 10_010_000);
    assert.equal(priced.priced, false);
  });
});

describe('no price is guessed for', () => {
  const tokens = { input: 10, output: 10 };
  const unpriced: readonly (readonly [string, ReturnType<typeof cost>])[] = [
    ['a model that is not known', unpricedParts([{ model: 'claude-opus-5-6', tokens }])],
    ['a model known without a price', unpricedParts([{ model: 'claude-mythos-preview', tokens }])],
    ['a name of 10 kB', unpricedParts([{ model: 'm'.repeat(10_240), tokens }])],
    ['a part whose model nobody named', unpricedParts([{ tokens }])],
    [
      'a model on the day before its price began',
      unpricedParts([{ model: 'claude-opus-5-5', tokens }], {}, '2026-09-21'),
    ],
    ['fast mode of a model that has none', unpricedParts([{ model: 'claude-haiku-4-5', speed: 'fast', tokens }])],
    [
      'fast mode of Opus 4.8 once removed',
      unpricedParts([{ model: 'claude-opus-4-8', speed: 'fast', tokens }], {}, '2026-11-30'),
    ],
    ['fast mode of Opus 4.7, removed long ago', unpricedParts([{ model: 'claude-opus-4-7', speed: 'fast', tokens }])],
    [
      'fast mode in a batch',
      unpricedParts([{ model: 'claude-opus-5', speed: 'fast', tokens }], { serviceTier: 'batch' }),
    ],
    ['a speed that is not known', unpricedParts([{ model: 'claude-opus-5', speed: 'ludicrous', tokens }])],
    ['a service tier that is not known', unpricedParts([{ model: 'claude-opus-5', tokens }], { serviceTier: 'spot' })],
    [
      'a usage with numbers that are no counts',
      unpricedParts([{ model: 'claude-opus-5', tokens }], { malformed: true }),
    ],
    ['a model called like a property of objects', unpricedParts([{ model: '__proto__', tokens }])],
    ['negative tokens', unpricedParts([{ model: 'claude-opus-5', tokens: { input: -1 } }])],
    ['fractions of tokens', unpricedParts([{ model: 'claude-opus-5', tokens: { output: 1.5 } }])],
    ['tokens that are no number', unpricedParts([{ model: 'claude-opus-5', tokens: { cache_read: Number.NaN } }])],
    ['endless tokens', unpricedParts([{ model: 'claude-opus-5', tokens: { input: Infinity } }])],
    ['a cost beyond exact integers', unpricedParts([{ model: 'claude-opus-5', tokens: { input: 9e15 } }])],
  ];
  for (const [what, priced] of unpriced) {
    it(what, () => {
      assert.equal(priced.parts[0]?.cost, null);
      assert.equal(priced.totalNanoUsd, 0);
      assert.equal(priced.priced, false);
    });
  }

  it('a server tool that is not known: the tokens are priced, and the usage is not', () => {
    for (const serverToolUses of [{ code_execution: 1 }, { tool_of_tomorrow: 1 }, { web_search: -1 }]) {
      const priced = unpricedParts([{ model: 'claude-haiku-4-5', tokens: { input: 10 } }], { serverToolUses });
      assert.deepEqual(priced.parts[0]?.cost, { ...NOTHING, input: 10_000 });
      assert.equal(priced.priced, false);
    }
  });

  it('a total beyond exact integers: what would pass it is left out', () => {
    const huge = { model: 'claude-haiku-4-5', tokens: { input: 8e12 } };
    const priced = unpricedParts([huge, huge]);
    assert.deepEqual(
      priced.parts.map(({ cost }) => cost?.input ?? null),
      [8e15, null],
    );
    assert.deepEqual([priced.totalNanoUsd, priced.priced], [8e15, false]);
  });
});

describe('what the same usage would have cost on another model', () => {
  const usage = usageOf(
    [
      { model: 'claude-opus-5', tokens: { input: 1_000, cache_write_1h: 100, output: 10 } },
      { model: 'claude-sonnet-4-6', tokens: { input: 1_000 } },
    ],
    { serviceTier: 'batch', serverToolUses: { web_search: 1 } },
  );

  it('is every part at that model’s prices, in the same mode', () => {
    const priced = costOn(usage, 'claude-haiku-4-5', { prices, atMs: NOW });
    // 1,000 × 500; 100 × 1,000; 10 × 2,500; 10,000,000 — and 1,000 × 500
    const first = { ...NOTHING, input: 500_000, cache_write_1h: 100_000, output: 25_000, server_tools: 10_000_000 };
    assert.deepEqual(priced.parts, [
      { model: 'claude-haiku-4-5', cost: first },
      { model: 'claude-haiku-4-5', cost: { ...NOTHING, input: 500_000 } },
    ]);
    assert.equal(priced.totalNanoUsd, 11_125_000);
  });

  it('leaves the usage as it was', () => {
    const before = structuredClone(usage);
    costOn(usage, 'claude-haiku-4-5', { prices, atMs: NOW });
    assert.deepEqual(usage, before);
  });

  it('is not known for a model without a price, nor in a mode it is not sold in', () => {
    const fast = usageOf([{ model: 'claude-opus-5', speed: 'fast', tokens: { input: 10 } }]);
    assert.equal(costOn(usage, 'claude-opus-6', { prices, atMs: NOW }).priced, false);
    assert.equal(costOn(fast, 'claude-haiku-4-5', { prices, atMs: NOW }).priced, false);
  });
});

it('a table without a batch price leaves batches unpriced', () => {
  const rates = { input: 3, output: 15, cacheWrite5m: 3.75, cacheWrite1h: 6, cacheRead: 0.3 };
  const own = pricesFrom({ checkedOn: '2026-11-24', models: [{ model: 'claude-x', prices: [rates] }] }, 'own prices');
  const usage = usageOf([{ model: 'claude-x', tokens: { input: 1 } }]);
  assert.equal(cost(usage, { prices: own, atMs: NOW }).totalNanoUsd, 3_000);
  assert.equal(cost(usage, { prices: own, atMs: NOW, batch: true }).priced, false);
});

it('fast mode beside a price by prompt length is priced up to that length only', () => {
  const rates = { input: 1, output: 1, cacheWrite5m: 1, cacheWrite1h: 1, cacheRead: 1 };
  const price = { ...rates, longContext: { aboveTokens: 10, ...rates }, fast: { ...rates, input: 2 } };
  const own = pricesFrom({ checkedOn: '2026-11-24', models: [{ model: 'claude-x', prices: [price] }] }, 'own prices');
  const fast = (input: number) =>
    cost(usageOf([{ model: 'claude-x', speed: 'fast', tokens: { input } }]), { prices: own, atMs: NOW });
  assert.deepEqual([fast(10).totalNanoUsd, fast(10).priced], [20_000, true]);
  assert.deepEqual([fast(11).totalNanoUsd, fast(11).priced], [0, false]);
});
