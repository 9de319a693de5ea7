import { RedisScript, redisConnection, type RedisClient } from '../../redis/connection.ts';
import type { LimitStore, Shortage } from './limits.ts';

/** Redis's own time in microseconds, the same for the whole fleet; tests pass another. */
const NOW = `
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local minute = 60000000
`;

/**
 * Decides as in memory, in microseconds, which both Lua's doubles and Redis's integers represent exactly. The keys: the
 * buckets, then the slots, each a set of leases by their ends.
 */
const TAKE = new RedisScript(`${NOW}
local takes, slots, lease, leaseUs = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]) * 1000
local fulls, missing, longest, remaining = {}, -1, 0, 0
for i = 1, takes do
  local perMinute, amount = tonumber(ARGV[4 + 2 * i]), tonumber(ARGV[5 + 2 * i])
  local before = math.max(tonumber(redis.call('GET', KEYS[i]) or '0'), now)
  fulls[i] = before + amount * minute / perMinute
  local wait = fulls[i] - now - minute
  if wait > 10 and wait > longest then
    missing, longest = i - 1, wait
    remaining = math.max(0, math.floor((minute - (before - now)) * perMinute / minute + 0.01))
  end
end
if missing == -1 then
  for i = 1, slots do
    local key = KEYS[takes + i]
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
    local taken = redis.call('ZCARD', key)
    if redis.call('ZSCORE', key, lease) then taken = taken - 1 end
    if taken >= tonumber(ARGV[5 + 2 * takes + i]) then
      missing = takes + i - 1
      break
    end
  end
end
if missing ~= -1 then return { missing, string.format('%.0f', math.ceil(longest / 1000)), remaining } end
for i = 1, takes do
  redis.call('SET', KEYS[i], string.format('%.0f', fulls[i]), 'PX', math.max(1, math.ceil((fulls[i] - now) / 1000)))
end
for i = 1, slots do
  redis.call('ZADD', KEYS[takes + i], string.format('%.0f', now + leaseUs), lease)
  redis.call('PEXPIRE', KEYS[takes + i], math.ceil(leaseUs / 1000))
end
return false
`);

const SETTLE = new RedisScript(`${NOW}
local takes = tonumber(ARGV[2])
for i = 1, takes do
  local perMinute, amount = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
  local full = tonumber(redis.call('GET', KEYS[i]) or '0')
  if amount > 0 then full = math.max(full, now) end
  full = full + amount * minute / perMinute
  if full > now then
    redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
  else
    redis.call('DEL', KEYS[i])
  end
end
for i = takes + 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[3]) end
return 1
`);

const RENEW = new RedisScript(`${NOW}
local leaseUs = tonumber(ARGV[3]) * 1000
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], string.format('%.0f', now + leaseUs), ARGV[2])
  redis.call('PEXPIRE', KEYS[i], math.ceil(leaseUs / 1000))
end
return 1
`);

interface RedisLimitsOptions {
  /** Prefix of all keys. Default `plimsoll:`. */
  readonly prefix?: string;
  /** For tests. Default: the clock of Redis. */
  readonly nowMs?: () => number;
}

/** Keeps limits of a fleet in Redis 6 or later, or Valkey. Takes a client of `ioredis`, which the caller closes, or a URL. */
export function redisLimits(
  redis: RedisClient | string,
  { prefix = 'plimsoll:', nowMs }: RedisLimitsOptions = {},
): LimitStore {
  const connection = redisConnection(redis);
  const now = (): number => (nowMs === undefined ? -1 : Math.round(nowMs() * 1_000));
  // The braces make a Cluster keep all limits of a client on one server, so that they are taken in one step.
  const keysOf = (group: string, names: readonly string[]): readonly string[] =>
    names.map((name) => `${prefix}{limits:${group}}:${name}`);
  return {
    async take({ group, takes, slots, lease, leaseMs }) {
      const keys = keysOf(group, [...takes.map(({ bucket }) => bucket), ...slots.map(({ name }) => name)]);
      const words = [
        ...[now(), takes.length, slots.length, lease, leaseMs],
        ...takes.flatMap(({ perMinute, amount }) => [perMinute, amount]),
        ...slots.map(({ most }) => most),
      ];
      const reply = (await connection.run(TAKE, keys, words)) as readonly unknown[] | null;
      return reply === null ? null : shortageFrom(reply);
    },
    async settle({ group, takes, slots, lease }) {
      const keys = keysOf(group, [...takes.map(({ bucket }) => bucket), ...slots.map(({ name }) => name)]);
      if (keys.length === 0) return;
      await connection.run(SETTLE, keys, [
        ...[now(), takes.length, lease],
        ...takes.flatMap(({ perMinute, amount }) => [perMinute, amount]),
      ]);
    },
    async renew({ group, slots, lease, leaseMs }) {
      const names = slots.map(({ name }) => name);
      if (names.length > 0) await connection.run(RENEW, keysOf(group, names), [now(), lease, leaseMs]);
    },
    close: () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}

function shortageFrom([index, waitMs, remaining]: readonly unknown[]): Shortage {
  return { index: Number(index), waitMs: Number(waitMs), remaining: Number(remaining) };
}
