/** Which limit a limiter measures. */
export const LIMIT_DIMENSIONS = [
  'requests',
  'input_tokens',
  'output_tokens',
  'tokens',
  'fast_input_tokens',
  'fast_output_tokens',
  'priority_input_tokens',
  'priority_output_tokens',
] as const;

/** What a rate limit counts, by the words of the API's headers. */
export type LimitDimension = (typeof LIMIT_DIMENSIONS)[number];

/** One rate limit, as a response's headers show it. Numbers are `null` if the header is absent or unreadable. */
export interface Limiter {
  readonly dimension: LimitDimension;
  /** Units per minute; the server rounds tokens to thousands. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** The time at which the bucket is full again. */
  readonly resetAtMs: number | null;
}

/**
 * A header of 429s that a gateway answers by a limit of its own: their `anthropic-ratelimit-` headers say nothing of the
 * API's limits. Its value says whose limit it is: `client`.
 */
export const LIMIT_HEADER = 'plimsoll-limit';

/**
 * Reads the wait that a response asks for, in milliseconds: `retry-after-ms`, else `retry-after` as seconds or as an
 * HTTP date. `null` if it asks for none, or for a time that has passed. The SDK reads it the same way (1.x,
 * `retryRequest`).
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | null {
  const asked = inMilliseconds(headers.get('retry-after-ms')) || inSeconds(headers.get('retry-after'), nowMs);
  return asked > 0 ? asked : null;
}

function inMilliseconds(value: string | null): number {
  return value === null ? Number.NaN : Number.parseFloat(value);
}

function inSeconds(value: string | null, nowMs: number): number {
  if (value === null) return Number.NaN;
  const seconds = Number.parseFloat(value);
  return Number.isNaN(seconds) ? Date.parse(value) - nowMs : seconds * 1_000;
}
