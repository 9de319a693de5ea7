/** A price of one token, as a fraction of nano-dollars. */
interface TokenRate {
  readonly fastNum: number;
  readonly fastDen: number;
}

interface TokenRates {
  readonly input: TokenRate;
  readonly cache_write_1h: TokenRate;
  readonly output: TokenRate;
}

interface TokenCard {
  readonly standard: TokenRates;
  readonly batch: TokenRates | null;
}

/** What budgets need of a price table: the one of `instrument()` is one. */
export interface BudgetPrices {
  canonicalModel(id: string): string;
  priceAt(
    model: string,
    whenMs: number,
  ): {
    readonly base: TokenCard;
    readonly longContext: { readonly aboveTokens: number; readonly card: TokenCard } | null;
    readonly fast: TokenCard | null;
  } | null;
}

/** What a token costs where a request would run, in nano-dollars, for estimates. */
export interface ExpectedRates {
  readonly input: number;
  /** The dearest way to put a token into the prompt. */
  readonly dearestInput: number;
  readonly output: number;
}

/** How a request would be charged, as far as it is known beforehand. */
export interface Manner {
  readonly model: string;
  readonly atMs: number;
  readonly promptTokens: number;
  readonly speed: unknown;
  readonly batch: boolean;
}

/** `null` where the table has no price for it. */
export function expectedRates(prices: BudgetPrices, manner: Manner): ExpectedRates | null {
  const price = prices.priceAt(manner.model, manner.atMs);
  if (price === null) return null;
  const { base, fast, longContext } = price;
  const isLong = longContext !== null && manner.promptTokens > longContext.aboveTokens;
  const card = manner.speed === 'fast' ? fast : isLong ? longContext.card : base;
  const rates = manner.batch ? card?.batch : card?.standard;
  if (!rates) return null;
  return {
    input: perToken(rates.input),
    dearestInput: perToken(rates.cache_write_1h),
    output: perToken(rates.output),
  };
}

function perToken({ fastNum, fastDen }: TokenRate): number {
  return fastNum / fastDen;
}
