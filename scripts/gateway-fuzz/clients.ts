/** What the clients of the fuzz may do, for the gateway's configuration and for the model of its rules. */
export interface FuzzClient {
  readonly name: string;
  readonly models: readonly string[] | null;
  readonly ceiling: { readonly tokens: number; readonly above: 'reject' | 'clamp' } | null;
  readonly endpoints: 'all' | 'messages';
  readonly perMinute: number | null;
  readonly bodyBytes: number | null;
  /** It sends minted tokens, each with so much to spend, in nano-dollars. */
  readonly spendNanoUsd: bigint | null;
}

/** One whose price is known to the fuzz: 1,000 nano-dollars a token of input, 5,000 of output (2026-11). */
export const MODEL = 'claude-haiku-4-5';
export const OTHER_MODEL = 'claude-sonnet-5-5';
export const FOREIGN_MODEL = 'claude-opus-4-8';
export const INPUT_NANO_USD = 1_000n;
export const OUTPUT_NANO_USD = 5_000n;

const ANYTHING = {
  models: null,
  ceiling: null,
  endpoints: 'all',
  perMinute: null,
  bodyBytes: null,
  spendNanoUsd: null,
} as const;

export const CLIENTS: readonly FuzzClient[] = [
  { ...ANYTHING, name: 'free' },
  { ...ANYTHING, name: 'bound', models: [MODEL, OTHER_MODEL], ceiling: { tokens: 100, above: 'reject' } },
  { ...ANYTHING, name: 'clamped', ceiling: { tokens: 100, above: 'clamp' } },
  { ...ANYTHING, name: 'modest', models: [MODEL], endpoints: 'messages', bodyBytes: 2_048 },
  { ...ANYTHING, name: 'rated', perMinute: 100 },
  {
    ...ANYTHING,
    name: 'visitor',
    models: [MODEL],
    ceiling: { tokens: 5_000, above: 'reject' },
    spendNanoUsd: 10_000_000n,
  },
];
