import type { Platform } from '../platform.ts';

/** The part of a price table that budgets need; `instrument()` passes its own table. */
export interface BudgetPrices {
  /** Returns the label of a model that prices are listed under; an unknown id as it is. */
  canonicalModel(id: string): string;
  /** Tells whether the prices are those of a platform. Default: of every one. */
  isSoldOn?(platform: Platform): boolean;
  /** An amount at list price as it is billed to a key. Default: all of it. */
  negotiated?(nanoUsd: bigint, key: string): bigint;
  /** Takes any id that `canonicalModel` takes. */
  priceAt(
    model: string,
    whenMs: number,
  ): {
    /** The canonical id. */
    readonly model: string;
    readonly cards: {
      readonly standard: TokenCard;
      readonly fast: TokenCard | null;
      readonly long_context: TokenCard | null;
    };
    /** A longer prompt is charged at the `long_context` rates. */
    readonly longContextAboveTokens: number;
  } | null;
}

export type BudgetPrice = NonNullable<ReturnType<BudgetPrices['priceAt']>>;

interface TokenRatePair {
  readonly standard: TokenRates;
  readonly batch: TokenRates | null;
}

interface TokenCard extends TokenRatePair {
  /** Places of inference that cost more. */
  readonly byGeo?: ReadonlyMap<string, TokenRatePair>;
}

interface TokenRates {
  readonly input: TokenRate;
  readonly cache_write_1h: TokenRate;
  readonly output: TokenRate;
}

/** The price of one token, as a fraction of nano-dollars. */
interface TokenRate {
  readonly fastNum: number;
  readonly fastDen: number;
}
