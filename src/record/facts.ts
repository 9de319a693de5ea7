import { priceGauges, priceTableTimestampSeconds } from '../pricing/price-gauges.ts';
import type { PriceTable } from '../pricing/prices.ts';
import { VERSION } from '../version.ts';
import type { Store } from './store.ts';

/** Shows which version of plimsoll feeds the store. */
export function recordBuild(store: Store): void {
  store.family('plimsoll_build_info').series({ version: VERSION }).set(1);
}

/** Shows the prices in force at `atMs`, and when they were last compared with what is published. */
export function recordPrices(store: Store, prices: PriceTable, atMs: number): void {
  const family = store.family('anthropic_price_usd_per_million_tokens');
  for (const { model, kind, rate, usdPerMillionTokens } of priceGauges(prices, atMs)) {
    family.series({ model, kind, rate }).set(usdPerMillionTokens);
  }
  store
    .family('anthropic_price_table_timestamp_seconds')
    .series({ source: prices.source })
    .set(priceTableTimestampSeconds(prices));
}
