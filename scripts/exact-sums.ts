/**
 * `node --conditions=plimsoll-source scripts/exact-sums.ts [COUNT]`: adds 10 million random costs up in several orders
 * and says by how much the metric differs from the exact sum, and what adding US dollars as doubles would have made.
 */
import { exactSums } from './chaos/exact-sums.ts';

const count = Number(process.argv[2] ?? 10_000_000);
const { sums, relativeError, doubles } = exactSums(count, 1);
console.log(
  `${count} costs added in ${sums.length} orders: ${new Set(sums).size} different sum, ${sums[0]} nano-dollars`,
);
console.log(
  `anthropic_cost_usd_total differs by ${relativeError} relative; adding doubles gives ${doubles.join(', ')}`,
);
if (new Set(sums).size !== 1 || relativeError >= 1e-9) process.exitCode = 1;
