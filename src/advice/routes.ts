import { promptTokens, sumOfKinds, tokenCost } from '../pricing/cost.ts';
import type { PriceTable } from '../pricing/prices.ts';
import { routeAdvice, type RouteDecisions, type RouteUsage } from '../routing/advice.ts';
import type { Models } from '../routing/models.ts';
import { MESSAGE_OPERATIONS, TOKEN_KINDS, type Tokens } from '../vocabulary.ts';
import type { AdviceItem } from './item.ts';
import { label, samplesOf, type Sample } from './samples.ts';

/** The models and prices that routes are judged by. */
export interface RouteJudging {
  readonly models: Models;
  readonly prices: PriceTable;
  readonly nowMs: number;
}

/** Advises on the routes of a metrics page. */
export function routeItems(samples: readonly Sample[], { models, prices, nowMs }: RouteJudging): readonly AdviceItem[] {
  const canonical = (model: string): string => prices.canonicalModel(model);
  const advice = routeAdvice({
    usages: usagesOf(samples),
    decisions: decisionsOf(samples),
    models: {
      default: canonical(models.default),
      reasoning: canonical(models.reasoning),
      critical: canonical(models.critical),
    },
    priceOn: (tokens, model) => standardCost(tokens, model, { prices, nowMs }),
  });
  return advice.map((one) => ({ about: 'route', ...one }));
}

/**
 * What tokens cost on a model, in nano-dollars; `null` without a price. At the standard rates: sums do not show the length of
 * a prompt, and short calls are below the length that changes the rate.
 */
export function standardCost(
  tokens: Tokens,
  model: string,
  { prices, nowMs }: Omit<RouteJudging, 'models'>,
): number | null {
  const rates = prices.priceAt(model, nowMs)?.cards.standard.standard;
  return rates === undefined ? null : sumOfKinds(tokenCost(tokens, rates));
}

interface Counting {
  readonly route: string;
  readonly model: string;
  calls: number;
  readonly tokens: Record<string, number>;
  readonly stopReasons: Record<string, number>;
}

/** Messages calls by route and model. Batches are left out: they are cheaper, and nobody waits for them. */
function usagesOf(samples: readonly Sample[]): readonly RouteUsage[] {
  const found = new Map<string, Counting>();
  const counting = (sample: Sample): Counting => {
    const [route, model] = [label(sample, 'route'), label(sample, 'model')];
    const key = JSON.stringify([route, model]);
    const known = found.get(key) ?? { route, model, calls: 0, tokens: {}, stopReasons: {} };
    found.set(key, known);
    return known;
  };
  const messages = (name: string) =>
    samplesOf(samples, name).filter((one) => MESSAGE_OPERATIONS.has(label(one, 'operation')));
  for (const sample of messages('anthropic_requests_total')) {
    if (label(sample, 'outcome') === 'ok') counting(sample).calls += sample.value;
  }
  for (const sample of messages('anthropic_tokens_total'))
    add(counting(sample).tokens, label(sample, 'kind'), sample.value);
  for (const sample of messages('anthropic_stop_reasons_total'))
    add(counting(sample).stopReasons, label(sample, 'stop_reason'), sample.value);
  return [...found.values()].map(({ tokens: counted, ...usage }) => {
    const tokens = allKinds(counted);
    return { ...usage, tokens, promptTokens: promptTokens(tokens) };
  });
}

function add(counts: Record<string, number>, name: string, amount: number): void {
  counts[name] = (counts[name] ?? 0) + amount;
}

function allKinds(tokens: Readonly<Record<string, number>>): Tokens {
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, tokens[kind] ?? 0])) as Tokens;
}

function decisionsOf(samples: readonly Sample[]): readonly RouteDecisions[] {
  const found = new Map<string, Record<string, number>>();
  for (const sample of samplesOf(samples, 'anthropic_max_tokens_decisions_total')) {
    const decisions = found.get(label(sample, 'route')) ?? {};
    found.set(label(sample, 'route'), decisions);
    add(decisions, label(sample, 'decision'), sample.value);
  }
  return [...found].map(([route, decisions]) => ({ route, decisions }));
}
