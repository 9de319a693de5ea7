/**
 * `node --conditions=plimsoll-source scripts/exact-sums.ts [COUNT]`: adds 10 million random costs up in several orders
 * and says by how much the metric differs from the exact sum, and what adding US dollars as doubles would have made.
 */
import { Store } from '../src/record/metrics/store.ts';
import { seededRandom } from '../testing/seeded-random.ts';

export interface ExactSums {
  /** Of the metric, in nano-dollars: one for each order of adding, and the last by other means. */
  readonly sums: readonly bigint[];
  /** Of the metric as it is shown, in US dollars, to the exact sum; the largest. */
  readonly relativeError: number;
  /** The sums that adding US dollars as doubles comes to, each once. */
  readonly doubles: readonly number[];
}

/** Adds so many random costs up, from fractions of a cent to some hundred dollars, in several orders. */
export function exactSums(count: number, seed: number): ExactSums {
  const costs = Float64Array.from({ length: count }, randomCost(seed));
  const exact = costs.reduce((sum, cost) => sum + BigInt(cost), 0n);
  const orders = [costs, costs.toReversed(), costs.toSorted(), costs.toSorted().reverse()];
  const shown = orders.map(added);
  return {
    sums: [...shown.map(({ nanoUsd }) => nanoUsd), exact],
    relativeError: Math.max(...shown.map(({ usd }) => Math.abs(usd - Number(exact) / 1e9) / (Number(exact) / 1e9))),
    doubles: [...new Set(orders.map((order) => order.reduce((sum, cost) => sum + cost / 1e9, 0)))],
  };
}

function added(costs: Float64Array): { readonly nanoUsd: bigint; readonly usd: number } {
  const labels = { model: 'claude-haiku-5-5', operation: 'messages.create', key: 'default', kind: 'input' };
  const series = new Store().family('anthropic_cost_usd_total').series(labels);
  for (const cost of costs) series.addNanoUsd(cost);
  return { nanoUsd: series.totalNanoUsd(), usd: series.value() ?? 0 };
}

/** Spread over ten orders of magnitude, where sums of doubles go wrong. */
function randomCost(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.floor(10 ** (11 * random()) * (1 + random()));
}

if (import.meta.main) {
  const count = Number(process.argv[2] ?? 10_000_000);
  const { sums, relativeError, doubles } = exactSums(count, 1);
  console.log(
    `${count} costs added in ${sums.length} orders: ${new Set(sums).size} different sum, ${sums[0]} nano-dollars`,
  );
  console.log(
    `anthropic_cost_usd_total differs by ${relativeError} relative; adding doubles gives ${doubles.join(', ')}`,
  );
  if (new Set(sums).size !== 1 || relativeError >= 1e-9) process.exitCode = 1;
}
