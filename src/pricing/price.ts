import type { TokenKind } from '../vocabulary.ts';
import type { ListedPrice } from './price-file.ts';
import type { Rate } from './rate.ts';

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
