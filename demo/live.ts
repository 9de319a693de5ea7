import type { Samples } from './samples.ts';
import { count, usd } from './format.ts';

/** One question for each endpoint, to be answered with one word. */
const QUESTIONS = [
  ['chat', 'Answer with one word: which way does the tide go now, in or out?'],
  ['review', 'Answer with one word, good or bad: const depth = 3;'],
  ['research', 'Answer with one word: what moves the tides?'],
] as const;

/** Calls every endpoint once, and returns how many succeeded. */
export async function liveCalls(serviceUrl: string, say: (line: string) => void): Promise<number> {
  let answered = 0;
  for (const [path, question] of QUESTIONS) {
    const response = await fetch(`${serviceUrl}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer token-h' },
      body: JSON.stringify({ question }),
    });
    const answer = await response.text();
    const failure = response.ok ? '' : ` ${answer.slice(0, 60)}`;
    say(`  POST /${path.padEnd(8)} ${response.status}${failure}`);
    if (response.ok) answered += 1;
  }
  return answered;
}

/** Tokens and cost of the live calls, one line per model. */
export function liveCosts(now: Samples): readonly string[] {
  const models = [...now.by('model', 'anthropic_requests_total').keys()].map((model) => {
    const tokens = count(now.total('anthropic_tokens_total', { model }));
    const cost = now.total('anthropic_cost_usd_total', { model });
    return `  ${model.padEnd(28)} ${tokens.padStart(6)} tokens  ${cost > 0 ? usd(cost) : 'unknown cost'}`;
  });
  return [...models, `  estimated total cost: ${usd(now.total('anthropic_cost_usd_total'))}`];
}
