import { ratesFor } from '../pricing/cost.ts';
import type { PriceTable, Rates } from '../pricing/prices.ts';
import type { Rate } from '../pricing/rate.ts';
import { dayStartMs } from '../totals/day-totals.ts';
import type { UsagePart } from '../vocabulary.ts';
import { UNITS_PER_NANO_USD, type ExactUsd } from './exact-usd.ts';
import { byKind, type ByKind, type Mode } from './report.ts';

/** The prices of a mode on a day by plimsoll's own table, in exact dollars a token. */
export interface TableRates {
  readonly usual: ByKind<ExactUsd>;
  /** For prompts over the length from which the model costs more; the same as `usual` where there is none. */
  readonly long: ByKind<ExactUsd>;
  readonly hasBands: boolean;
}

/** The prices of a mode on a UTC day; `null` where the table has none. */
export function tableRates(prices: PriceTable, { model, tier, speed, geo }: Mode, day: string): TableRates | null {
  const price = prices.priceAt(model, dayStartMs(day));
  if (price === null) return null;
  const mode = { batch: tier === 'batch', geo };
  const { longContextAboveTokens: most } = price;
  const hasBands = Number.isFinite(most) && speed === 'standard';
  const usual = ratesFor(price, partOf(speed, 0), mode);
  if (usual === null) return null;
  const long = hasBands ? ratesFor(price, partOf(speed, most + 1), mode) : usual;
  return { usual: unitsOf(usual), long: unitsOf(long ?? usual), hasBands };
}

/** The price of a web search in exact dollars; `null` where the table has none. */
export function searchRate(prices: PriceTable, day: string): ExactUsd | null {
  const price = prices.toolPriceAt('web_search', dayStartMs(day));
  return price === null ? null : unitsAToken(price.perUse);
}

function partOf(speed: string, promptTokens: number): UsagePart {
  const none = {
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 0,
    output_estimated: 0,
    input_estimated: 0,
  };
  return { model: null, speed, role: 'answer', refusal: null, tokens: { ...none, input: promptTokens } };
}

function unitsOf(rates: Rates): ByKind<ExactUsd> {
  return byKind((kind) => unitsAToken(rates[kind]));
}

/** Whole for every price with up to nine decimals and two multipliers of up to two. */
function unitsAToken({ num, den }: Rate): ExactUsd {
  return (num * UNITS_PER_NANO_USD) / den;
}
