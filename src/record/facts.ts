import { dayStartMs } from '../pricing/price-file.ts';
import type { Price, PriceRate, PriceTable, Rates } from '../pricing/prices.ts';
import { usdPerMillion } from '../pricing/rate.ts';
import { VERSION } from '../version.ts';
import { TOKEN_KINDS, type TokenKind } from '../vocabulary.ts';
import type { Store } from './metrics/store.ts';

/** Shows which version of plimsoll feeds the store, and since when its counters count; a reset is a new beginning. */
export function recordBuild(store: Store, epochMs: () => number): void {
  store.family('plimsoll_build_info').series({ version: VERSION }).set(1);
  const start = store.family('plimsoll_start_time_seconds').series({});
  if (start.value() === null) start.setAtReset(() => epochMs() / 1_000);
}

/** Versions of services that feed one store and get a series of their own. */
const VERSION_CAP = 10;

/** Shows the version of the service whose calls feed the store; nothing for `null`, which is that it is not known. */
export function recordService(store: Store, version: string | null): void {
  if (version === null) return;
  const label = store.boundedLabel('service_version', { reserved: [], cap: VERSION_CAP });
  store
    .family('plimsoll_service_info')
    .series({ version: label.counted(version) })
    .set(1);
}

/**
 * Shows the prices in force on the UTC day of each scrape, so that a process that runs for months follows the table;
 * and when the table was last compared with the published prices.
 * Returns the function to which every model without a price is to be shown: one that is newer than the table proves it old.
 */
export function recordPrices(
  store: Store,
  prices: PriceTable,
  epochMs: () => number,
): (unpricedModel: string | null) => void {
  const family = store.family('anthropic_price_usd_per_million_tokens');
  const inForce = pricesOfTheDay(prices, epochMs);
  for (const gauge of gaugesFromNowOn(prices, epochMs())) {
    const { model, kind, rate } = gauge;
    const name = nameOf(gauge);
    family.series({ model, kind, rate }).computeBy(() => inForce().get(name) ?? null);
  }
  store
    .family('anthropic_price_table_timestamp_seconds')
    .series({ source: prices.source })
    .set(priceTableTimestampSeconds(prices));
  for (const [key, { num, den }] of prices.discounts) {
    store
      .family('anthropic_key_discount_ratio')
      .series({ key })
      .set(Number(num) / Number(den));
  }
  const outdated = store.family('anthropic_price_table_outdated').series({ source: prices.source });
  outdated.set(0);
  return (model) => {
    if (model !== null && prices.isNewer(model)) outdated.set(1);
  };
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Prices change at the beginning of a UTC day, so they are looked up once a day and not for each gauge. */
function pricesOfTheDay(prices: PriceTable, epochMs: () => number): () => ReadonlyMap<string, number> {
  let day = Number.NaN;
  let inForce: ReadonlyMap<string, number> = new Map();
  return () => {
    const nowMs = epochMs();
    const today = Math.floor(nowMs / DAY_MS);
    if (today !== day) {
      inForce = new Map(priceGauges(prices, nowMs).map((gauge) => [nameOf(gauge), gauge.usdPerMillionTokens]));
      day = today;
    }
    return inForce;
  };
}

/** The prices that are, or will be, in force. One that is in force on several days is listed several times. */
function gaugesFromNowOn(prices: PriceTable, nowMs: number): readonly PriceGauge[] {
  const starts = prices.models.flatMap((model) =>
    model.prices.map(({ effectiveFrom }) => Date.parse(`${effectiveFrom}`)),
  );
  const later = [...new Set(starts)].filter((startMs) => startMs > nowMs);
  return [nowMs, ...later].flatMap((atMs) => priceGauges(prices, atMs));
}

function nameOf({ model, kind, rate }: PriceGauge): string {
  return `${model} ${kind} ${rate}`;
}

/** One price of the table, as in the gauge `anthropic_price_usd_per_million_tokens`. */
interface PriceGauge {
  readonly model: string;
  readonly kind: TokenKind;
  readonly rate: PriceRate;
  readonly usdPerMillionTokens: number;
}

/**
 * The prices in force at that time, one entry for each model, kind and rate that is sold; inference elsewhere than
 * `global` is not included. Models past their end of life are left out, because nobody can call them.
 */
export function priceGauges(prices: PriceTable, atMs: number): readonly PriceGauge[] {
  return prices.models.flatMap(({ model, eol }) => {
    const price = eol !== null && (dayStartMs(eol) ?? 0) <= atMs ? null : prices.priceAt(model, atMs);
    return price === null ? [] : gaugesOf(price);
  });
}

/** The time when the table was last checked, as in `anthropic_price_table_timestamp_seconds`. */
export function priceTableTimestampSeconds({ checkedAtMs }: PriceTable): number {
  return checkedAtMs / 1000;
}

function gaugesOf({ model, cards: { standard, fast, long_context } }: Price): readonly PriceGauge[] {
  const sold: Readonly<Record<PriceRate, Rates | null>> = {
    standard: standard.standard,
    batch: standard.batch,
    fast: fast && fast.standard,
    long_context: long_context && long_context.standard,
  };
  return (Object.keys(sold) as PriceRate[]).flatMap((rate) => {
    const rates = sold[rate];
    return rates === null
      ? []
      : TOKEN_KINDS.map((kind) => ({ model, kind, rate, usdPerMillionTokens: usdPerMillion(rates[kind]) }));
  });
}
