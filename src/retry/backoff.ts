/** How waits grow. */
export interface Backoff {
  /** The longest wait before the first retry. */
  readonly backoffMs: number;
  /** Where doubling stops. */
  readonly maxBackoffMs: number;
}

/** What a wait depends on besides the backoff. */
export interface Waiting {
  /** Retries made so far: 0 before the first. */
  readonly retries: number;
  /** What the server asked for; `null` where it did not. */
  readonly retryAfterMs: number | null;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/**
 * The wait before the next try, in milliseconds: anything from nothing to a bound that doubles with each retry (full
 * jitter), on top of what the server asked for. Never shorter than that, and spread beyond it: clients that are refused
 * together are told the same time, and would come back together.
 */
export function waitMs({ backoffMs, maxBackoffMs }: Backoff, { retries, retryAfterMs, random }: Waiting): number {
  const bound = Math.min(maxBackoffMs, backoffMs * 2 ** retries);
  return (retryAfterMs ?? 0) + random() * bound;
}
