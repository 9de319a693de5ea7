import type { ReportStore } from '../totals/report-store.ts';
import type { OnAvailability } from '../redis-address.ts';
import { RedisScript, redisConnection, type RedisClient } from './connection.ts';

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

/** No call waits for reports, and a year of them is long. */
const DEADLINE_MS = 10_000;

/** Options of `redisReports()`. */
export interface RedisReportsOptions {
  /** The beginning of all keys. Default: `plimsoll:`. */
  readonly prefix?: string;
  /** Called when Redis becomes unavailable, with the reason, and with `null` when it answers again. */
  readonly onAvailability?: OnAvailability;
}

/**
 * Keeps what was read of the organization's reports in Redis 6 or later, or Valkey, for a fleet: one process of it reads.
 * Takes a client of `ioredis`, also one of a Cluster, or a URL; the caller closes a client that it passes in. Throws a
 * `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a text that is no address of a Redis.
 */
export function redisReports(
  redis: RedisClient | string,
  { prefix = 'plimsoll:', onAvailability }: RedisReportsOptions = {},
): ReportStore {
  const connection = redisConnection(redis, { deadlineMs: DEADLINE_MS, onAvailability });
  // The braces make a Cluster keep all keys in one slot, so that a write is atomic.
  const [lease, days, view] = [`${prefix}{reports}:lease`, `${prefix}{reports}:days`, `${prefix}{reports}:view`];
  return {
    kind: 'redis',
    claim: async ({ holder, forMs }) => (await connection.run(CLAIM, [lease], [holder, forMs])) === 1,
    release: async (holder) => void (await connection.run(RELEASE, [lease], [holder])),
    async read(folder) {
      const key = folder === 'days' ? days : view;
      const all = Object.entries(await connection.ask(key, (client) => client.hgetall(key)));
      return new Map(all.sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    async write(holder, _atMs, texts) {
      const words = texts.flatMap(({ folder, name, text }) => [
        ...[folder === 'days' ? 2 : 3, name, text === null ? 0 : 1, text ?? ''],
      ]);
      return (await connection.run(WRITE, [lease, days, view], [holder, ...words])) === 1;
    },
    close: () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}
