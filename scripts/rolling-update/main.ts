/**
 * Updates two gateways one after the other behind nginx, and behind Caddy, with streams through each restart and requests
 * of an SDK meanwhile, and prints how many of them broke. Needs `redis-server`, `nginx` and `caddy`.
 *
 *     node --conditions=plimsoll-source scripts/rolling-update/main.ts    three rounds each, 20 streams
 */
import { rollingUpdate } from './rolling.ts';

const SHAPE = { rounds: 3, streams: 20, tokensPerStream: 200 };

console.log('balancer   restarts   streams   whole   requests   failed   ledger less bill');
for (const balancer of ['nginx', 'caddy'] as const) {
  const closers: (() => Promise<void> | void)[] = [];
  try {
    const rolled = await rollingUpdate({ after: (close) => void closers.unshift(close) }, { ...SHAPE, balancer });
    const { streams, requests, restarts, spentNanoUsd, billedNanoUsd } = rolled;
    const counts = [restarts, streams.open, streams.whole, requests.made, requests.failed.length];
    const widths = [11, 10, 8, 11, 9];
    const figures = counts.map((count, index) => String(count).padStart(widths[index] ?? 0)).join('');
    console.log(`${balancer.padEnd(8)}${figures}   ${spentNanoUsd - billedNanoUsd} nano-dollars`);
    for (const why of new Set(requests.failed)) console.log(`  ${why}`);
    if (requests.failed.length > 0 || streams.whole !== SHAPE.rounds * 2 * SHAPE.streams) process.exitCode = 1;
    if (spentNanoUsd !== billedNanoUsd) process.exitCode = 1;
  } finally {
    for (const close of closers) await close();
  }
}
