import type { Eventually } from '../../budget/ledger.ts';
import { systemClock, type Clock } from '../../clock.ts';
import { RedisScript, redisConnection, type RedisClient } from '../../redis/connection.ts';
import { REFUSAL, type Guard } from '../../decisions.ts';

/**
 * Limits requests per minute. A bucket holds a minute's requests and refills evenly, as the API's own limits do, so the
 * first minute after a pause can have up to twice as many.
 */
export interface RateLimiter {
  /** Takes one request and returns 0, or takes none and returns the milliseconds until there is one. */
  take(bucket: string, perMinute: number): Eventually<number>;
}

const MINUTE_MS = 60_000;

interface Bucket {
  /** The time when it is full again; it is full if that has passed. */
  readonly fullAtMs: number;
  readonly perMinute: number;
  readonly nowMs: number;
}

/** Computes when the bucket is full again after one more request, and how long to wait if none is left. */
function take({ fullAtMs, perMinute, nowMs }: Bucket): { readonly fullAtMs: number; readonly waitMs: number } {
  const next = Math.max(fullAtMs, nowMs) + MINUTE_MS / perMinute;
  const waitMs = next - nowMs - MINUTE_MS;
  // Rounded fractions of a minute add up to slightly more than the minute.
  return waitMs > 0.01 ? { fullAtMs, waitMs } : { fullAtMs: next, waitMs: 0 };
}

/** Full buckets are dropped when there are this many, and again whenever the number has doubled. */
const FIRST_SWEEP = 1_000;

/** Limits only this process's requests. */
export function memoryRateLimiter({ clock = systemClock }: { readonly clock?: Clock } = {}): RateLimiter {
  const fullAtMs = new Map<string, number>();
  let sweepAt = FIRST_SWEEP;
  return {
    take(bucket, perMinute) {
      const nowMs = clock.monotonicMs();
      const next = take({ fullAtMs: fullAtMs.get(bucket) ?? nowMs, perMinute, nowMs });
      fullAtMs.set(bucket, next.fullAtMs);
      if (fullAtMs.size >= sweepAt) {
        for (const [name, full] of fullAtMs) if (full <= nowMs) fullAtMs.delete(name);
        sweepAt = Math.max(FIRST_SWEEP, fullAtMs.size * 2);
      }
      return next.waitMs;
    },
  };
}

/** Options of `redisRateLimiter()`. */
export interface RedisRateLimiterOptions {
  /** Prefix of all keys. Default `plimsoll:`. */
  readonly prefix?: string;
  /** For tests. Default: the clock of Redis, the same for the whole fleet. */
  readonly nowMs?: () => number;
}

/**
 * Takes from the same kind of bucket as in memory, in microseconds, which both Lua's doubles and Redis's integers
 * represent exactly. The key expires when the bucket is full.
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

/**
 * Limits the requests of a fleet, with shared buckets in Redis 6 or later, or Valkey. Takes a client of `ioredis`,
 * which the caller closes, or a URL, for which it loads `ioredis`.
 */
export function redisRateLimiter(
  redis: RedisClient | string,
  { prefix = 'plimsoll:', nowMs }: RedisRateLimiterOptions = {},
): RateLimiter & { close(): void } {
  const connection = redisConnection(redis);
  return {
    async take(bucket, perMinute) {
      const now = nowMs === undefined ? -1 : Math.round(nowMs() * 1_000);
      try {
        return Number(await connection.run(TAKE, [`${prefix}rate:${bucket}`], [perMinute, now]));
      } catch (error) {
        throw new Error('Redis failed: the rate limit was not checked.', { cause: error });
      }
    },
    close() {
      if (typeof redis === 'string') connection.close();
    },
  };
}

/** The owner of a bucket: all tokens of a client together, those of one member, or one minted token. */
export type RateLimitHolder = 'client' | 'member' | 'token';

/** A bucket of requests per minute. */
export interface RateBucket {
  readonly holder: RateLimitHolder;
  /** Name of the client or the member, or id of the token. */
  readonly name: string;
  readonly perMinute: number;
  /** What a token count takes: a request as any other (the default), one of a bucket of its own, or nothing. */
  readonly tokenCounts?: 'counted' | 'apart' | 'free';
}

/**
 * Makes a guard that takes one request from the bucket, and refuses with a `RateLimitedError` if none is left. If the
 * limiter does not respond, its error is counted and calls go on.
 */
export function rateGuard(limiter: RateLimiter, bucket: RateBucket): Guard {
  const { holder, name, perMinute, tokenCounts = 'counted' } = bucket;
  const check = (waitMs: number): undefined => {
    if (waitMs > 0) throw new RateLimitedError({ kind: 'requests', most: perMinute, holder, waitMs, remaining: 0 });
    return undefined;
  };
  return {
    admit({ operation }) {
      const isApart = operation === 'messages.count_tokens' && tokenCounts !== 'counted';
      if (isApart && tokenCounts === 'free') return undefined;
      const waitMs = limiter.take(`${holder}:${name}${isApart ? ':count_tokens' : ''}`, perMinute);
      return waitMs instanceof Promise ? waitMs.then(check) : check(waitMs);
    },
  };
}

const BRAND = Symbol.for('plimsoll.gateway_rate_limited');

const HOLDERS: Readonly<Record<RateLimitHolder, string>> = {
  client: 'all tokens of the client together',
  member: 'all tokens of this owner together',
  token: 'this token',
};

/** What a limit counts. */
export type LimitKind = 'requests' | 'input_tokens' | 'output_tokens' | 'parallel';

const COUNTED: Readonly<Record<LimitKind, (most: number) => string>> = {
  requests: (most) => `made more requests than the limit of ${most} per minute`,
  input_tokens: (most) => `would use more input tokens than the limit of ${most} per minute`,
  output_tokens: (most) => `would use more output tokens than the limit of ${most} per minute`,
  parallel: (most) => `have ${most} requests in progress, as many as they may`,
};

/** A limit that was reached. */
interface ReachedLimit {
  readonly kind: LimitKind;
  readonly most: number;
  readonly holder: RateLimitHolder;
  /** 0 if nobody knows. */
  readonly waitMs: number;
  /** Whole units that are left. */
  readonly remaining: number;
}

/** Refuses a request of a client, member or token that has reached a limit. Nothing was sent. */
export class RateLimitedError extends Error {
  readonly code = 'PLIMSOLL_GATEWAY_RATE_LIMITED';
  readonly kind: LimitKind;
  readonly limit: number;
  readonly remaining: number;
  /** Whole seconds from 1 up, for `retry-after`. */
  readonly retryAfterSeconds: number;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor({ kind, most, holder, waitMs, remaining }: ReachedLimit) {
    super(`Not sent: ${HOLDERS[holder]} ${COUNTED[kind](most)}.`);
    this.name = 'RateLimitedError';
    this.kind = kind;
    this.limit = most;
    this.remaining = remaining;
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  }

  /** The headers by which the API shows a limit, for who reads them. Limits of requests in progress have none. */
  headers(nowMs: number): readonly string[] {
    if (this.kind === 'parallel') return [];
    const prefix = `anthropic-ratelimit-${this.kind.replace('_', '-')}`;
    const resetAt = new Date(Math.ceil(nowMs / 1_000 + this.retryAfterSeconds) * 1_000).toISOString();
    return [
      ...[`${prefix}-limit`, String(this.limit), `${prefix}-remaining`, String(this.remaining)],
      ...[`${prefix}-reset`, resetAt.replace('.000Z', 'Z')],
    ];
  }
}

/** Tells whether a rate limit refused the request, even in another copy of the package. */
export function isRateLimited(error: unknown): error is RateLimitedError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true;
}
