/**
 * Measures what a request of the gateway costs while its Redis is away, in milliseconds, on a real Redis that hangs
 * (SIGSTOP) and one that was killed: the first request, and the median and the longest of those after it. Needs
 * `redis-server`.
 *
 *     node --conditions=plimsoll-source scripts/redis-away.ts    30 requests each
 */
import { api, gatewayPlace, PARAMS, sdk } from '../testing/gateway/processes.ts';
import { redisServer } from '../testing/redis-server.ts';

const REQUESTS = 30;
const closers: (() => Promise<void> | void)[] = [];
const ends = { after: (close: () => Promise<void> | void) => void closers.unshift(close) };

/** One token needs only itself; the other needs its rate limit and its budgets too. */
const LINES = [
  'clients: { app: { key: prod-api-key, requestsPerMinute: 100000 } }',
  'budgets: [{ name: all, period: month, usd: 1000, mode: block }]',
  'ledger: { redis: { env: PLIMSOLL_REDIS_URL } }',
];

try {
  const redis = await redisServer();
  ends.after(() => redis.end());
  const upstream = await api(ends);
  const place = await gatewayPlace(ends, upstream, { lines: LINES, env: { PLIMSOLL_REDIS_URL: redis.url } });
  const token = await place.token();
  const gateway = await place.start();
  const client = sdk(gateway, token, { maxRetries: 0 });
  const timed = async (): Promise<readonly [ms: number, status: number]> => {
    const startMs = performance.now();
    const status = await client.messages.create(PARAMS).then(
      () => 200,
      (error: unknown) => Number((error as { readonly status?: unknown }).status),
    );
    return [performance.now() - startMs, status];
  };
  const line = async (name: string): Promise<void> => {
    const all: (readonly [number, number])[] = [];
    for (let request = 0; request < REQUESTS; request += 1) all.push(await timed());
    const [first = 0, ...rest] = all.map(([ms]) => ms);
    const sorted = rest.sort((a, b) => a - b);
    const statuses = [...new Set(all.map(([, status]) => status))].join(', ');
    const figures = [first, sorted[sorted.length >> 1] ?? 0, sorted.at(-1) ?? 0].map((ms) => ms.toFixed(1).padStart(9));
    console.log(`${name.padEnd(10)}${figures.join('')}   ${statuses}`);
  };
  for (let request = 0; request < 5; request += 1) await timed();
  console.log('Redis         first   median  longest   status');
  await line('answers');
  redis.pause();
  await line('hangs');
  redis.resume();
  await redis.stop('SIGKILL');
  await line('killed');
} finally {
  for (const close of closers) await close();
}
