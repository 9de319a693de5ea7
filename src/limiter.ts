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
