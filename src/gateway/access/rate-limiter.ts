import type { Eventually } from '../../budget/ledger.ts';
import { systemClock, type Clock } from '../../clock.ts';
import { RedisScript, connect, isConnected, withoutCommand, type RedisClient } from '../../redis/connection.ts';
import { REFUSAL, type Guard } from '../../vocabulary.ts';

/**
 * Limits how often something happens: a bucket of a minute's requests that fills again evenly, as the API's own limits
 * do. So a minute after a pause can have up to twice as many.
 */
export interface RateLimiter {
  /** Takes one, and comes back with 0; or takes none, and comes back with the milliseconds until there is one. */
  take(bucket: string, perMinute: number): Eventually<number>;
}

const MINUTE_MS = 60_000;

interface Bucket {
  /** When it is full again, as far as that is in the future. */
  readonly fullAtMs: number;
  readonly perMinute: number;
  readonly nowMs: number;
}

/** When the bucket is full again with one more taken, and how long to wait where none is left. */
function taken({ fullAtMs, perMinute, nowMs }: Bucket): { readonly fullAtMs: number; readonly waitMs: number } {
  const next = Math.max(fullAtMs, nowMs) + MINUTE_MS / perMinute;
  const waitMs = next - nowMs - MINUTE_MS;
  // Sums of a minute's parts are a little more than the minute.
  return waitMs > 0.01 ? { fullAtMs, waitMs } : { fullAtMs: next, waitMs: 0 };
}

/** Looked through for full buckets when there are so many, and again whenever they have doubled. */
const FIRST_SWEEP = 1_000;

/** Of this process alone. */
export function memoryRateLimiter({ clock = systemClock }: { readonly clock?: Clock } = {}): RateLimiter {
  const fullAtMs = new Map<string, number>();
  let sweepAt = FIRST_SWEEP;
  return {
    take(bucket, perMinute) {
      const nowMs = clock.monotonicMs();
      const next = taken({ fullAtMs: fullAtMs.get(bucket) ?? nowMs, perMinute, nowMs });
      fullAtMs.set(bucket, next.fullAtMs);
      if (fullAtMs.size >= sweepAt) {
        for (const [name, full] of fullAtMs) if (full <= nowMs) fullAtMs.delete(name);
        sweepAt = Math.max(FIRST_SWEEP, fullAtMs.size * 2);
      }
      return next.waitMs;
    },
  };
}

export interface RedisRateLimiterOptions {
  /** What all keys begin with: `plimsoll:`. */
  readonly prefix?: string;
  /** For tests. Default: the clock of Redis, which is the same for the whole fleet. */
  readonly nowMs?: () => number;
}

/** A call waits for its limit no longer than this. */
const RATE_ANSWER_MS = 500;

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
  redis: RedisClient | string,
  { prefix = 'plimsoll:', nowMs }: RedisRateLimiterOptions = {},
): RateLimiter & { close(): void } {
  const client = typeof redis === 'string' ? connect(redis, RATE_ANSWER_MS) : redis;
  return {
    async take(bucket, perMinute) {
      if (!isConnected(client)) throw new Error('Redis is not connected: the rate limit was not asked.');
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

/** Whose bucket it is, and its name or id. */
export type HeldBucket = `${RateLimitHolder}:${string}`;

/** Refuses with a `RateLimitedError`. While the limiter does not answer its error is counted, and calls go on. */
export function rateGuard(limiter: RateLimiter, bucket: HeldBucket, perMinute: number): Guard {
  const holder = bucket.startsWith('token:') ? 'token' : 'client';
  const judged = (waitMs: number): undefined => {
    if (waitMs > 0) throw new RateLimitedError(perMinute, waitMs, holder);
    return undefined;
  };
  return {
    admit() {
      const waitMs = limiter.take(bucket, perMinute);
      return waitMs instanceof Promise ? waitMs.then(judged) : judged(waitMs);
    },
  };
}

const BRAND = Symbol.for('plimsoll.gateway_rate_limited');

/** Whose limit it was: of all tokens of a client together, or of one minted token alone. */
export type RateLimitHolder = 'client' | 'token';

const WHO: Readonly<Record<RateLimitHolder, string>> = {
  client: 'the tokens of the client together',
  token: 'this token',
};

/** More requests came in a minute than a client of the gateway, or a token, may make: refused, and nothing was sent. */
export class RateLimitedError extends Error {
  readonly code = 'PLIMSOLL_GATEWAY_RATE_LIMITED';
  readonly requestsPerMinute: number;
  /** Whole seconds from 1 up, for `retry-after`. */
  readonly retryAfterSeconds: number;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor(requestsPerMinute: number, waitMs: number, holder: RateLimitHolder) {
    super(`Not sent: ${WHO[holder]} made more requests than the limit of ${requestsPerMinute} per minute.`);
    this.name = 'RateLimitedError';
    this.requestsPerMinute = requestsPerMinute;
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  }
}

/** Whether it is a refusal for the rate, from whichever copy of the package. */
export function isRateLimited(error: unknown): error is RateLimitedError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}
