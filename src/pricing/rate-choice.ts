import type { Tokens, Usage, UsagePart } from '../vocabulary.ts';
import type { Price, RateCard, Rates } from './price.ts';

/** The ways a model is sold, by their names in the price gauge; each but `batch` has rates of its own. */
export const PRICE_RATES = ['standard', 'batch', 'fast', 'long_context'] as const;
export type PriceRate = (typeof PRICE_RATES)[number];

/** What of a usage, besides its tokens and speed, decides which rates hold. */
export interface Mode {
  readonly batch: boolean;
  readonly geo: string | null;
}

/**
 * How a usage was run; `null` where its service tier is none of those known, so that no rate can be named for it.
 * `priority` is charged as `standard`.
 */
export function modeOf({ serviceTier, inferenceGeo }: Usage, isBatchResult: boolean): Mode | null {
  const isBatch = serviceTier === 'batch';
  const isKnown = isBatch || serviceTier === null || serviceTier === 'standard' || serviceTier === 'priority';
  return isKnown ? { batch: isBatch || isBatchResult, geo: inferenceGeo } : null;
}

/** Tokens by which the length of a prompt is measured: input, cache reads and cache writes. */
export function promptTokens(tokens: Tokens): number {
  return tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
}

/** Which of a model's cards a part is charged by; `null` for a speed that is neither `standard` nor `fast`. */
export function rateName({ longContext }: Price, { speed, tokens }: UsagePart): Exclude<PriceRate, 'batch'> | null {
  if (speed === 'fast') return 'fast';
  if (speed !== null && speed !== 'standard') return null;
  return longContext !== null && promptTokens(tokens) > longContext.aboveTokens ? 'long_context' : 'standard';
}

/** The rates of a part, all multipliers in them; `null` where the model is not sold that way. */
export function ratesFor(price: Price, part: UsagePart, { batch, geo }: Mode): Rates | null {
  const card = cardFor(price, part);
  if (card === null) return null;
  const pair = geo === null ? card : (card.byGeo.get(geo) ?? card);
  return batch ? pair.batch : pair.standard;
}

function cardFor(price: Price, part: UsagePart): RateCard | null {
  const name = rateName(price, part);
  if (name === 'standard') return price.base;
  if (name === 'long_context') return price.longContext?.card ?? null;
  if (name === null || price.fast === null) return null;
  // No model has both fast mode and a price by prompt length, so nobody says what both together cost.
  const isLong = price.longContext !== null && promptTokens(part.tokens) > price.longContext.aboveTokens;
  return isLong ? null : price.fast;
}
