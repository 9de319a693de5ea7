import { TOKEN_KINDS, type TokenKind } from '../vocabulary.ts';
import type { Price, Rates } from './price.ts';
import { dayStartMs } from './price-file.ts';
import type { PriceTable } from './prices.ts';
import { usdPerMillion } from './rate.ts';
import type { PriceRate } from './rate-choice.ts';

/** One price of the table, as the gauge `anthropic_price_usd_per_million_tokens` shows it. */
export interface PriceGauge {
  readonly model: string;
  readonly kind: TokenKind;
  readonly rate: PriceRate;
  readonly usdPerMillionTokens: number;
}

/**
 * The prices in force at that time, one entry for each model, kind and rate that is sold; inference elsewhere than
 * `global` is not among them. Models that have reached their end of life are left out: nobody can call them.
 */
export function priceGauges(prices: PriceTable, atMs: number): readonly PriceGauge[] {
  return prices.models.flatMap(({ model, eol }) => {
    const price = eol !== null && (dayStartMs(eol) ?? 0) <= atMs ? null : prices.priceAt(model, atMs);
    return price === null ? [] : gaugesOf(price);
  });
}

/** When the table was last checked, as `anthropic_price_table_timestamp_seconds` shows it. */
export function priceTableTimestampSeconds({ checkedAtMs }: PriceTable): number {
  return checkedAtMs / 1000;
}

function gaugesOf({ model, base, fast, longContext }: Price): readonly PriceGauge[] {
  const sold: readonly (readonly [PriceRate, Rates | null | undefined])[] = [
    ['standard', base.standard],
    ['batch', base.batch],
    ['fast', fast?.standard],
    ['long_context', longContext?.card.standard],
  ];
  return sold.flatMap(([rate, rates]) =>
    rates ? TOKEN_KINDS.map((kind) => ({ model, kind, rate, usdPerMillionTokens: usdPerMillion(rates[kind]) })) : [],
  );
}
