import type { ReportStore } from '../totals/report-store.ts';
import { RedisScript, connect, isConnected, withoutCommand, type RedisClient } from './connection.ts';

/** Takes the lease or renews it. Redis measures its time, so clocks of the fleet need not agree. */
const CLAIM = new RedisScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

const RELEASE = new RedisScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`);

/** Keeps texts for the holder of the lease. Each has four words: the number of its hash, its name, `1` or `0`, and its text. */
const WRITE = new RedisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 4 do
  local hash = KEYS[tonumber(ARGV[i])]
  if ARGV[i + 2] == '1' then redis.call('HSET', hash, ARGV[i + 1], ARGV[i + 3]) else redis.call('HDEL', hash, ARGV[i + 1]) end
end
return 1
`);

/** Options of `redisReports()`. */
export interface RedisReportsOptions {
  /** The beginning of all keys. Default: `plimsoll:`. */
  readonly prefix?: string;
}

/**
 * Keeps what was read of the organization's reports in Redis 6 or later, or Valkey, for a fleet: one process of it reads.
 * Takes a client of `ioredis`, also one of a Cluster, or a URL; the caller closes a client that it passes in. Throws a
 * `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a text that is not a URL.
 */
export function redisReports(
  redis: RedisClient | string,
  { prefix = 'plimsoll:' }: RedisReportsOptions = {},
): ReportStore {
  const client = typeof redis === 'string' ? connect(redis) : redis;
  // The braces make a Cluster keep all keys in one slot, so that a write is atomic.
  const [lease, days, view] = [`${prefix}{reports}:lease`, `${prefix}{reports}:days`, `${prefix}{reports}:view`];
  return {
    kind: 'redis',
    claim: ({ holder, forMs }) => ask(client, async () => (await CLAIM.run(client, [lease], [holder, forMs])) === 1),
    release: (holder) => ask(client, async () => void (await RELEASE.run(client, [lease], [holder]))),
    read: (folder) =>
      ask(client, async () => {
        const all = Object.entries(await client.hgetall(folder === 'days' ? days : view));
        return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
      }),
    write: (holder, _atMs, texts) =>
      ask(client, async () => {
        const words = texts.flatMap(({ folder, name, text }) => [
          ...[folder === 'days' ? 2 : 3, name, text === null ? 0 : 1, text ?? ''],
        ]);
        return (await WRITE.run(client, [lease, days, view], [holder, ...words])) === 1;
      }),
    close: () => {
      if (typeof redis === 'string') client.disconnect();
    },
  };
}

async function ask<T>(client: RedisClient, command: () => Promise<T>): Promise<T> {
  if (!isConnected(client)) throw new Error('Redis is not connected');
  try {
    return await command();
  } catch (error) {
    throw withoutCommand(error);
  }
}
