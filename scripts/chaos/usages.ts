import type { PartialUsage, Reply } from 'plimsoll/simulator';

/** Models that a run calls. The last has no price. */
export const MODELS = [
  'claude-haiku-5-5',
  'claude-opus-5-5',
  'claude-sonnet-5-5',
  'claude-haiku-4-5',
  'claude-opus-5',
  'claude-fable-5-2',
  'claude-heard-of-by-nobody',
] as const;

const FAST: ReadonlySet<string> = new Set(['claude-opus-5-5', 'claude-opus-5', 'claude-fable-5-2']);
const GEO: ReadonlySet<string> = new Set([...FAST, 'claude-haiku-5-5', 'claude-sonnet-5-5']);

/** What a request asks for, as far as the usages depend on it. */
export interface Asked {
  readonly model: string;
  readonly batch: boolean;
  /** Makes the figures differ from call to call. */
  readonly salt: number;
}

type Recipe = (asked: Asked) => Reply;

/** Some whole number below `below`, always the same for the same call. */
function some(salt: number, below: number): number {
  return (Math.imul(salt + 1, 0x9e37_79b1) >>> 7) % below;
}

const cached = ({ salt }: Asked): PartialUsage => ({
  input_tokens: 1 + some(salt, 4_000),
  cache_read_input_tokens: some(salt + 1, 50_000),
  cache_creation: {
    ephemeral_5m_input_tokens: 1 + some(salt + 2, 3_000),
    ephemeral_1h_input_tokens: 1 + some(salt + 3, 3_000),
  },
  output_tokens: 20 + some(salt + 4, 500),
});

/** A refusal before any output. */
function refused(asked: Asked, category: string | null): Reply {
  const usage = { ...cached(asked), output_tokens: 0 };
  return { content: [], stopReason: 'refusal', stopDetails: { category }, usage };
}

/** Another model answers, after one that declined before any output. */
function declined(asked: Asked, category: string | undefined): Reply {
  const said = category === undefined ? {} : { category };
  const usage = { input_tokens: 200 + some(asked.salt, 300), output_tokens: 0 };
  const model = asked.model === 'claude-opus-5' ? 'claude-opus-4-8' : 'claude-opus-5';
  return { model, usage: cached(asked), declined: [{ model: asked.model, ...said, usage }] };
}

/** The rules of the bill, one or two in each. */
export const RECIPES = {
  plain: () => ({}),
  cached: (asked) => ({ usage: cached(asked) }),
  long: (asked) => ({ usage: { ...cached(asked), input_tokens: 100_001 + some(asked.salt, 200_000) } }),
  searching: (asked) => ({
    usage: {
      ...cached(asked),
      server_tool_use: { web_search_requests: 1 + some(asked.salt, 4), web_fetch_requests: 1 },
    },
  }),
  thinking: (asked) => ({
    thinking: 'Hm. '.repeat(10),
    text: 'So.',
    usage: { output_tokens: 30 + some(asked.salt, 90) },
  }),
  fast: (asked) => ({
    usage: { ...cached(asked), ...(FAST.has(asked.model) && !asked.batch && { speed: 'fast' as const }) },
  }),
  inUs: (asked) => ({ usage: { ...cached(asked), ...(GEO.has(asked.model) && { inference_geo: 'us' }) } }),
  priority: (asked) => ({ usage: { ...cached(asked), ...(!asked.batch && { service_tier: 'priority' as const }) } }),
  stepByStep: ({ salt }) => ({
    usage: {
      iterations: [
        { type: 'compaction', input_tokens: 9_000 + some(salt, 999), output_tokens: 400 },
        { type: 'message', input_tokens: 300, output_tokens: 20, cache_read_input_tokens: some(salt + 1, 700) },
        {
          type: 'advisor_message',
          model: 'claude-opus-5-5',
          input_tokens: 1_000,
          output_tokens: 1 + some(salt + 2, 99),
        },
      ],
    },
  }),
  totalsOnTheWay: (asked) => ({
    usage: { ...cached(asked), output_tokens: 60 },
    earlierUsages: [{ output_tokens: 20 }, { output_tokens: 40 }],
  }),
  answeredByAnother: (asked) => ({ model: 'claude-opus-5', usage: cached(asked) }),
  writesTurnedIntoReads: (asked) => ({
    usage: { ...cached(asked), cache_creation: {}, cache_creation_input_tokens: 0 },
    startUsage: { cache_read_input_tokens: 0, cache_creation: cached(asked).cache_creation ?? {} },
  }),
  refusedForFree: (asked) => refused(asked, 'cyber'),
  refusedForMoney: (asked) => refused(asked, 'bio'),
  refusedForNoReason: (asked) => refused(asked, null),
  refusedUnheardOf: (asked) => refused(asked, 'a_category_of_next_year'),
  refusedInTheMiddle: (asked) => ({
    text: 'At first I thought',
    stopReason: 'refusal',
    stopDetails: { category: 'cyber' },
    usage: cached(asked),
  }),
  declinedForFree: (asked) => declined(asked, 'general_harms'),
  declinedForMoney: (asked) => declined(asked, 'frontier_llm'),
  declinedUnstated: (asked) => declined(asked, undefined),
  missedTheCache: (asked) => ({
    usage: cached(asked),
    diagnostics: { cache_miss_reason: { type: 'tools_changed', cache_missed_input_tokens: 1_000 } },
  }),
} satisfies Readonly<Record<string, Recipe>>;

export type RecipeName = keyof typeof RECIPES;
export const RECIPE_NAMES = Object.keys(RECIPES) as readonly RecipeName[];
