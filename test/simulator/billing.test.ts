import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { simulator, type BilledNanoUsd, type BilledPart, type PartialUsage } from 'plimsoll/simulator';
import { ASK, NOW_MS, post } from '../../testing/simulator-bench.ts';

/**
 * Worked out by hand from the published prices: USD per million tokens × 1,000 = nano-dollars per token.
 * Kinds that are not named are 0.
 */
interface Case {
  readonly what: string;
  readonly model: string;
  readonly usage: PartialUsage;
  /** A day of the past or the future; default 24 November 2026. */
  readonly day?: string;
  readonly betas?: string;
  readonly expected: Partial<BilledNanoUsd>;
}

const write5m = (tokens: number): PartialUsage => ({ cache_creation: { ephemeral_5m_input_tokens: tokens } });
const write1h = (tokens: number): PartialUsage => ({ cache_creation: { ephemeral_1h_input_tokens: tokens } });
const plain = { input_tokens: 1_000, output_tokens: 100 };

const CASES: readonly Case[] = [
  // Standard rates: 1,000 in and 100 out.
  {
    what: 'Fable 5.2 at 8 and 40',
    model: 'claude-fable-5-2',
    usage: plain,
    expected: { input: 8_000_000, output: 4_000_000 },
  },
  {
    what: 'Mythos 5.2 at 8 and 40',
    model: 'claude-mythos-5-2',
    usage: plain,
    expected: { input: 8_000_000, output: 4_000_000 },
  },
  {
    what: 'Fable 5.1 at 10 and 50',
    model: 'claude-fable-5-1',
    usage: plain,
    expected: { input: 10_000_000, output: 5_000_000 },
  },
  {
    what: 'Fable 5 at 10 and 50',
    model: 'claude-fable-5',
    usage: plain,
    expected: { input: 10_000_000, output: 5_000_000 },
  },
  {
    what: 'Opus 5.5 at 4 and 20',
    model: 'claude-opus-5-5',
    usage: plain,
    expected: { input: 4_000_000, output: 2_000_000 },
  },
  {
    what: 'Opus 5 at 5 and 25',
    model: 'claude-opus-5',
    usage: plain,
    expected: { input: 5_000_000, output: 2_500_000 },
  },
  {
    what: 'Opus 4.5 by its dated id at 5 and 25',
    model: 'claude-opus-4-5-20251101',
    usage: plain,
    expected: { input: 5_000_000, output: 2_500_000 },
  },
  {
    what: 'Sonnet 5.5 at 2 and 10',
    model: 'claude-sonnet-5-5',
    usage: plain,
    expected: { input: 2_000_000, output: 1_000_000 },
  },
  {
    what: 'Sonnet 4.6 at 3 and 15',
    model: 'claude-sonnet-4-6',
    usage: plain,
    expected: { input: 3_000_000, output: 1_500_000 },
  },
  {
    what: 'Haiku 4.5 by its short name at 1 and 5',
    model: 'claude-haiku-4-5',
    usage: plain,
    expected: { input: 1_000_000, output: 500_000 },
  },
  {
    what: 'Haiku 5.5 at 0.10 and 0.50',
    model: 'claude-haiku-5-5',
    usage: plain,
    expected: { input: 100_000, output: 50_000 },
  },
  {
    what: 'one token of each',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 1, output_tokens: 1 },
    expected: { input: 100, output: 500 },
  },

  // Cache: writes for 5 minutes at 1.25×, for 1 hour at 2×, reads by the model.
  {
    what: '5-minute writes of Opus 5.5 at 5',
    model: 'claude-opus-5-5',
    usage: { ...plain, ...write5m(1_000) },
    expected: { input: 4_000_000, output: 2_000_000, cache_write_5m: 5_000_000 },
  },
  {
    what: '1-hour writes of Opus 5.5 at 8',
    model: 'claude-opus-5-5',
    usage: { ...plain, ...write1h(1_000) },
    expected: { input: 4_000_000, output: 2_000_000, cache_write_1h: 8_000_000 },
  },
  {
    what: 'both kinds of writes',
    model: 'claude-sonnet-4-6',
    usage: { ...plain, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 } },
    expected: { input: 3_000_000, output: 1_500_000, cache_write_5m: 375_000, cache_write_1h: 1_200_000 },
  },
  {
    what: 'writes without a split as 5-minute ones',
    model: 'claude-sonnet-4-6',
    usage: { ...plain, cache_creation_input_tokens: 100 },
    expected: { input: 3_000_000, output: 1_500_000, cache_write_5m: 375_000 },
  },
  {
    what: 'writes that grew beyond their split: the rest as 5-minute ones',
    model: 'claude-sonnet-4-6',
    usage: {
      ...plain,
      cache_creation_input_tokens: 300,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 200 },
    },
    expected: { input: 3_000_000, output: 1_500_000, cache_write_5m: 375_000, cache_write_1h: 1_200_000 },
  },
  {
    what: 'reads of Haiku 4.5 at 0.1×',
    model: 'claude-haiku-4-5',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 1_000_000, output: 500_000, cache_read: 100_000 },
  },
  {
    what: 'reads of Fable 5.2 at 0.20',
    model: 'claude-fable-5-2',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 8_000_000, output: 4_000_000, cache_read: 200_000 },
  },
  {
    what: 'reads of Fable 5.1 at 0.025×',
    model: 'claude-fable-5-1',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 10_000_000, output: 5_000_000, cache_read: 250_000 },
  },
  {
    what: 'reads of Opus 5.5 at 0.05×',
    model: 'claude-opus-5-5',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 4_000_000, output: 2_000_000, cache_read: 200_000 },
  },
  {
    what: 'reads of Haiku 5.5 at 0.01',
    model: 'claude-haiku-5-5',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 100_000, output: 50_000, cache_read: 10_000 },
  },

  // Prices have days; the first day counts, the last does not.
  {
    what: 'reads of Sonnet 5.5 at 0.20 on 6 October 2026',
    day: '2026-10-06T23:59:59.999Z',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 2_000_000, output: 1_000_000, cache_read: 200_000 },
  },
  {
    what: 'reads of Sonnet 5.5 at 0.10 on 7 October 2026',
    day: '2026-10-07T00:00:00Z',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, cache_read_input_tokens: 1_000 },
    expected: { input: 2_000_000, output: 1_000_000, cache_read: 100_000 },
  },
  {
    what: 'Opus 3 at 15 and 75 in its day',
    day: '2025-06-01T00:00:00Z',
    model: 'claude-3-opus',
    usage: plain,
    expected: { input: 15_000_000, output: 7_500_000 },
  },
  {
    what: 'Haiku 3 writes at 0.30 and 0.50, reads at 0.03',
    day: '2025-06-01T00:00:00Z',
    model: 'claude-3-haiku',
    usage: {
      ...plain,
      cache_read_input_tokens: 1_000,
      cache_creation: { ephemeral_5m_input_tokens: 1_000, ephemeral_1h_input_tokens: 1_000 },
    },
    expected: { input: 250_000, output: 125_000, cache_read: 30_000, cache_write_5m: 300_000, cache_write_1h: 500_000 },
  },

  // Long prompts: input, reads and writes together, over the threshold, for the whole request.
  {
    what: 'Haiku 5.5 at 100,000 tokens of prompt in the cheap band',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 100_000, output_tokens: 100 },
    expected: { input: 10_000_000, output: 50_000 },
  },
  {
    what: 'Haiku 5.5 at 100,001 in the dear band, output too',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 100_001, output_tokens: 100 },
    expected: { input: 50_000_500, output: 250_000 },
  },
  {
    what: 'Haiku 5.5 in the dear band because of what was read and written',
    model: 'claude-haiku-5-5',
    usage: {
      input_tokens: 1_000,
      output_tokens: 100,
      cache_read_input_tokens: 98_000,
      cache_creation: { ephemeral_5m_input_tokens: 1_000, ephemeral_1h_input_tokens: 1_000 },
    },
    expected: {
      input: 500_000,
      output: 250_000,
      cache_read: 4_900_000,
      cache_write_5m: 625_000,
      cache_write_1h: 1_000_000,
    },
  },
  {
    what: 'Opus 5 at 900,000: no band since 4.6',
    model: 'claude-opus-5',
    usage: { input_tokens: 900_000, output_tokens: 100 },
    expected: { input: 4_500_000_000, output: 2_500_000 },
  },
  {
    what: 'Sonnet 4.5 over 200,000 with its beta, while it lasted',
    day: '2026-04-29T00:00:00Z',
    betas: 'context-1m-2025-08-07',
    model: 'claude-sonnet-4-5',
    usage: { input_tokens: 200_001, output_tokens: 100 },
    expected: { input: 1_200_006_000, output: 2_250_000 },
  },
  {
    what: 'Sonnet 4.5 over 200,000 without the beta',
    day: '2026-04-29T00:00:00Z',
    model: 'claude-sonnet-4-5',
    usage: { input_tokens: 200_001, output_tokens: 100 },
    expected: { input: 600_003_000, output: 1_500_000 },
  },
  {
    what: 'Sonnet 4.5 over 200,000 when the beta had ended',
    day: '2026-04-30T00:00:00Z',
    betas: 'context-1m-2025-08-07',
    model: 'claude-sonnet-4-5',
    usage: { input_tokens: 200_001, output_tokens: 100 },
    expected: { input: 600_003_000, output: 1_500_000 },
  },

  // Where inference ran.
  {
    what: 'Sonnet 5.5 in the US at 1.1×',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, inference_geo: 'us' },
    expected: { input: 2_200_000, output: 1_100_000 },
  },
  {
    what: 'cache of Sonnet 5.5 in the US at 1.1×',
    model: 'claude-sonnet-5-5',
    usage: {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_input_tokens: 1_000,
      inference_geo: 'us',
      cache_creation: { ephemeral_5m_input_tokens: 1_000, ephemeral_1h_input_tokens: 1_000 },
    },
    expected: { cache_read: 110_000, cache_write_5m: 2_750_000, cache_write_1h: 4_400_000 },
  },
  {
    what: 'Sonnet 5.5 anywhere at 1×',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, inference_geo: 'global' },
    expected: { input: 2_000_000, output: 1_000_000 },
  },
  {
    what: 'Haiku 4.5 has no price for a place',
    model: 'claude-haiku-4-5',
    usage: { ...plain, inference_geo: 'us' },
    expected: { input: 1_000_000, output: 500_000 },
  },

  // Fast mode, by what the response says.
  {
    what: 'Opus 5 fast at 10 and 50',
    model: 'claude-opus-5',
    usage: { ...plain, speed: 'fast' },
    expected: { input: 10_000_000, output: 5_000_000 },
  },
  {
    what: 'Opus 5.5 fast at 8 and 40',
    model: 'claude-opus-5-5',
    usage: { ...plain, speed: 'fast' },
    expected: { input: 8_000_000, output: 4_000_000 },
  },
  {
    what: 'cache of Opus 5 fast from the fast price',
    model: 'claude-opus-5',
    usage: { ...plain, speed: 'fast', cache_read_input_tokens: 1_000, ...write5m(1_000) },
    expected: { input: 10_000_000, output: 5_000_000, cache_read: 1_000_000, cache_write_5m: 12_500_000 },
  },
  {
    what: 'Opus 4.8 fast on its last day',
    day: '2026-11-29T12:00:00Z',
    model: 'claude-opus-4-8',
    usage: { ...plain, speed: 'fast' },
    expected: { input: 10_000_000, output: 5_000_000 },
  },
  {
    what: 'Opus 4.8 fast a day later, at standard',
    day: '2026-11-30T00:00:00Z',
    model: 'claude-opus-4-8',
    usage: { ...plain, speed: 'fast' },
    expected: { input: 5_000_000, output: 2_500_000 },
  },
  {
    what: 'Opus 5 that was asked to be fast and was not',
    model: 'claude-opus-5',
    usage: { ...plain, speed: 'standard' },
    expected: { input: 5_000_000, output: 2_500_000 },
  },
  {
    what: 'Opus 5 fast in the US: factors multiply',
    model: 'claude-opus-5',
    usage: { ...plain, speed: 'fast', inference_geo: 'us' },
    expected: { input: 11_000_000, output: 5_500_000 },
  },

  // Batches at half price, for every kind of token.
  {
    what: 'Opus 5.5 in a batch at 2 and 10',
    model: 'claude-opus-5-5',
    usage: { ...plain, service_tier: 'batch' },
    expected: { input: 2_000_000, output: 1_000_000 },
  },
  {
    what: 'cache of Opus 5.5 in a batch',
    model: 'claude-opus-5-5',
    usage: { ...plain, service_tier: 'batch', cache_read_input_tokens: 1_000, ...write1h(1_000) },
    expected: { input: 2_000_000, output: 1_000_000, cache_read: 100_000, cache_write_1h: 4_000_000 },
  },
  {
    what: 'Opus 5.5 in a batch in the US',
    model: 'claude-opus-5-5',
    usage: { ...plain, service_tier: 'batch', inference_geo: 'us' },
    expected: { input: 2_200_000, output: 1_100_000 },
  },
  {
    what: 'Haiku 5.5 in a batch in the dear band',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 200_000, output_tokens: 100, service_tier: 'batch' },
    expected: { input: 50_000_000, output: 125_000 },
  },

  // Whole nano-dollars, half up, once for each kind.
  {
    what: '62.5 nano-dollars round up to 63',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 0, output_tokens: 0, service_tier: 'batch', ...write5m(1) },
    expected: { cache_write_5m: 63 },
  },
  {
    what: '187.5 round up to 188, once for all three tokens',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 0, output_tokens: 0, service_tier: 'batch', ...write5m(3) },
    expected: { cache_write_5m: 188 },
  },
  {
    what: '5.5 round up to 6',
    model: 'claude-haiku-5-5',
    usage: {
      input_tokens: 0,
      output_tokens: 0,
      service_tier: 'batch',
      inference_geo: 'us',
      cache_read_input_tokens: 1,
    },
    expected: { cache_read: 6 },
  },
  {
    what: '68.75 round to 69',
    model: 'claude-haiku-5-5',
    usage: { input_tokens: 0, output_tokens: 0, service_tier: 'batch', inference_geo: 'us', ...write5m(1) },
    expected: { cache_write_5m: 69 },
  },
  {
    what: 'a token more than a float holds',
    model: 'claude-fable-5',
    usage: { input_tokens: 900_000_000_001, output_tokens: 0 },
    expected: { input: 9_000_000_000_010_000 },
  },

  // Server tools.
  {
    what: 'web searches at 10 USD for 1,000',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, server_tool_use: { web_search_requests: 3 } },
    expected: { input: 2_000_000, output: 1_000_000, server_tools: 30_000_000 },
  },
  {
    what: 'web fetches for nothing',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, server_tool_use: { web_fetch_requests: 5 } },
    expected: { input: 2_000_000, output: 1_000_000 },
  },
  {
    what: 'web searches in the US at the same price',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, inference_geo: 'us', server_tool_use: { web_search_requests: 1 } },
    expected: { input: 2_200_000, output: 1_100_000, server_tools: 10_000_000 },
  },

  // Thinking is output already.
  {
    what: 'thinking is not added to the output',
    model: 'claude-sonnet-5-5',
    usage: { ...plain, output_tokens_details: { thinking_tokens: 60 } },
    expected: { input: 2_000_000, output: 1_000_000 },
  },
];

const NOTHING: BilledNanoUsd = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  server_tools: 0,
};

async function billed({ model, usage, day, betas }: Omit<Case, 'what' | 'expected'>): Promise<readonly BilledPart[]> {
  const nowMs = day === undefined ? NOW_MS : Date.parse(day);
  const claude = simulator({
    clock: { now: () => nowMs, sleep: async () => undefined },
    limits: { other: { inputTokens: 1e15, outputTokens: 1e15 } },
    tier: 'custom',
    respond: () => ({ text: 'Ahoy', usage }),
  });
  const headers = betas === undefined ? {} : { 'anthropic-beta': `files-api-2025-04-14, ${betas}` };
  const response = await claude.handle(post('/v1/messages', { ...ASK, model }, headers));
  assert.equal(response.status, 200, await response.text());
  return claude.truth.requests[0]?.billed ?? [];
}

describe('what the API bills, in nano-dollars worked out by hand', () => {
  for (const { what, expected, ...asked } of CASES) {
    test(what, async () => {
      const [part, ...others] = await billed(asked);
      assert.deepEqual(part?.nanoUsd, { ...NOTHING, ...expected });
      assert.deepEqual(others, []);
    });
  }
});

describe('iterations are billed each at its own model, and the top level not at all', () => {
  test('a compaction is billed on top, at the model of the message', async () => {
    const parts = await billed({
      model: 'claude-opus-5-5',
      usage: {
        iterations: [
          { type: 'compaction', input_tokens: 180_000, output_tokens: 3_500 },
          { type: 'message', input_tokens: 23_000, output_tokens: 1_000 },
        ],
      },
    });
    assert.deepEqual(
      parts.map(({ model, nanoUsd }) => [model, nanoUsd?.input, nanoUsd?.output]),
      [
        ['claude-opus-5-5', 720_000_000, 70_000_000],
        ['claude-opus-5-5', 92_000_000, 20_000_000],
      ],
    );
  });

  test('an advisor and a fallback are billed at theirs', async () => {
    const parts = await billed({
      model: 'claude-haiku-4-5',
      usage: {
        iterations: [
          { type: 'message', input_tokens: 1_000, output_tokens: 100 },
          { type: 'advisor_message', model: 'claude-opus-5-5', input_tokens: 2_000, output_tokens: 200 },
          { type: 'fallback_message', model: 'claude-sonnet-5-5', input_tokens: 1_000, output_tokens: 100 },
        ],
      },
    });
    assert.deepEqual(
      parts.map(({ model, nanoUsd }) => [model, nanoUsd?.input, nanoUsd?.output]),
      [
        ['claude-haiku-4-5-20251001', 1_000_000, 500_000],
        ['claude-opus-5-5', 8_000_000, 4_000_000],
        ['claude-sonnet-5-5', 2_000_000, 1_000_000],
      ],
    );
  });

  test('web searches are billed once, with the first', async () => {
    const parts = await billed({
      model: 'claude-opus-5-5',
      usage: {
        server_tool_use: { web_search_requests: 2 },
        iterations: [
          { type: 'message', input_tokens: 10, output_tokens: 10 },
          { type: 'message', input_tokens: 10, output_tokens: 10 },
        ],
      },
    });
    assert.deepEqual(
      parts.map(({ nanoUsd }) => nanoUsd?.server_tools),
      [20_000_000, 0],
    );
  });

  test('fast mode holds for the steps of the message, not for another model', async () => {
    const parts = await billed({
      model: 'claude-opus-5-5',
      usage: {
        speed: 'fast',
        iterations: [
          { type: 'message', input_tokens: 1_000 },
          { type: 'advisor_message', model: 'claude-opus-5', input_tokens: 1_000 },
        ],
      },
    });
    assert.deepEqual(
      parts.map(({ nanoUsd }) => nanoUsd?.input),
      [8_000_000, 5_000_000],
    );
  });
});

test('a model without a price is billed in tokens, and its money is unknown, not 0', async () => {
  const parts = await billed({ model: 'claude-mythos-preview', usage: plain });
  assert.deepEqual(parts, [
    {
      model: 'claude-mythos-preview',
      tokens: { input: 1_000, output: 100, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0 },
      nanoUsd: null,
      isFree: false,
    },
  ]);
});

test('a model has no price before its first day', async () => {
  const [part] = await billed({ day: '2026-09-21T23:59:59Z', model: 'claude-opus-5-5', usage: plain });
  assert.equal(part?.nanoUsd, null);
});
