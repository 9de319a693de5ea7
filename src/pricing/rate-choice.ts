import type { TokenKind, Tokens, Usage, UsagePart } from '../vocabulary.ts';
import type { ListedPrice } from './price-file.ts';
import type { Rate } from './rate.ts';

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

/** Nano-dollars per token by kind. */
export type Rates = Readonly<Record<TokenKind, Rate>>;

/** Rates with and without the batch discount. `batch` is `null` where batches are not sold at this price. */
export interface RatePair {
  readonly standard: Rates;
  readonly batch: Rates | null;
}

/** The rates of one model in one mode; a place of inference that costs more has its own pair. */
export interface RateCard extends RatePair {
  readonly byGeo: ReadonlyMap<string, RatePair>;
}

/** What one model costs between two days. Immutable. */
export interface Price {
  /** The canonical id. */
  readonly model: string;
  readonly effectiveFromMs: number;
  /** Exclusive; `Infinity` where no end is known. */
  readonly effectiveToMs: number;
  readonly base: RateCard;
  /** Replaces `base` for the whole request where its prompt has more than `aboveTokens` tokens. */
  readonly longContext: { readonly aboveTokens: number; readonly card: RateCard } | null;
  /** `null` where the model has no fast mode, or no published price for it. */
  readonly fast: RateCard | null;
  /** As it was listed: the amounts in USD per million tokens, how well they are known and from where. */
  readonly listed: ListedPrice;
}

/** Prices per use of one server tool between two days. */
export interface ToolPrice {
  readonly effectiveFromMs: number;
  readonly effectiveToMs: number;
  /** Nano-dollars per use. */
  readonly perUse: Rate;
}
