import type Anthropic from '@anthropic-ai/sdk';
import { withAttribution } from 'plimsoll';

export const HISTORY_MODELS = ['claude-haiku-4-5', 'claude-sonnet-5-5', 'claude-opus-5-5'] as const;

/** Truth of a history, counted where it was made. */
export interface Counts {
  calls: number;
  answered: number;
}

/** The mulberry32 generator: the same calls for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const ROUTES = ['chat', 'review', 'research'] as const;
const SYSTEM = [
  { type: 'text' as const, text: 'Be brief. '.repeat(400), cache_control: { type: 'ephemeral' as const } },
];

/** One call of a model and a kind that chance draws; counts how it ended. */
export async function drawnCall(client: Anthropic, random: () => number, counts: Counts): Promise<void> {
  const draw = Math.floor(random() * 3);
  const model = HISTORY_MODELS[draw] ?? HISTORY_MODELS[0];
  const question = 'What does the tide table say of tomorrow? '.repeat(1 + Math.floor(random() * 20));
  const body = { model, max_tokens: 400, messages: [{ role: 'user' as const, content: question }] };
  counts.calls += 1;
  try {
    await withAttribution({ route: ROUTES[draw] ?? 'chat' }, async () => {
      if (draw === 1) return client.messages.create({ ...body, system: SYSTEM });
      return client.messages.stream(body).finalMessage();
    });
    counts.answered += 1;
  } catch {
    // How it failed is what the metrics are to tell.
  }
}

/** One call with a prompt that is larger than a minute's limit: a pace refuses it. */
export async function largeCall(client: Anthropic, counts: Counts): Promise<void> {
  counts.calls += 1;
  const messages = [{ role: 'user' as const, content: 'What does the tide table say of tomorrow? '.repeat(20_000) }];
  await client.messages.create({ model: HISTORY_MODELS[0], max_tokens: 400, messages }).catch(() => undefined);
}

/** One call of a model that no price is known for. */
export async function unpricedCall(client: Anthropic, model: string, counts: Counts): Promise<void> {
  counts.calls += 1;
  await client.messages.create({ model, max_tokens: 50, messages: [{ role: 'user', content: 'Ahoy' }] });
  counts.answered += 1;
}
