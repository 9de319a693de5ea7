import type { Eventually } from '../../budget/ledger.ts';
import { systemClock, type Clock } from '../../clock.ts';
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
