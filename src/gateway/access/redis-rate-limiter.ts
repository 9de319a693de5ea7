import type { Cluster, Redis } from 'ioredis';
import { connected, isWorthAsking, RedisScript, withoutCommand } from '../../redis/connection.ts';
import type { RateLimiter } from './rate-limiter.ts';

export interface RedisRateLimiterOptions {
  /** What all keys begin with: `plimsoll:`. */
  readonly prefix?: string;
  /** For tests. Default: the clock of Redis, which is the same for the whole fleet. */
  readonly nowMs?: () => number;
}

/** A call waits for its limit no longer than this. */
const ANSWER_MS = 500;

/**
 * The same bucket as in memory, in microseconds, which Lua's doubles and Redis's integers both hold exactly. The key is
 * gone when the bucket is full.
 */
const TAKE = new RedisScript(`
local interval, minute = 60000000 / tonumber(ARGV[1]), 60000000
local now = tonumber(ARGV[2])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + interval
local wait = full - now - minute
if wait > 10 then return string.format('%.0f', math.ceil(wait / 1000)) end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
return '0'
`);

/** Shared by a fleet: each request is counted once, by Redis. Takes a client, which stays the caller's to close, or a URL. */
export function redisRateLimiter(
  redis: Redis | Cluster | string,
  { prefix = 'plimsoll:', nowMs }: RedisRateLimiterOptions = {},
): RateLimiter & { close(): void } {
  const client = typeof redis === 'string' ? connected(redis, ANSWER_MS) : redis;
  return {
    async take(bucket, perMinute) {
      if (!isWorthAsking(client)) throw new Error('Redis is not connected: the rate limit was not asked.');
      const now = nowMs === undefined ? -1 : Math.round(nowMs() * 1_000);
      try {
        return Number(await TAKE.run(client, [`${prefix}rate:${bucket}`], [perMinute, now]));
      } catch (error) {
        throw new Error('Redis failed: the rate limit was not asked.', { cause: withoutCommand(error) });
      }
    },
    close() {
      if (typeof redis === 'string') client.disconnect();
    },
  };
}
