import type { LimitDimension, RateLimitReason } from '../vocabulary.ts';
import type { DayOfMinutes } from './throttle-history.ts';

/** How the limits that a 429 can name are called in a sentence. A higher tier helps with these and with no others. */
const LIMITS: ReadonlyMap<string, string> = new Map<RateLimitReason, string>([
  ['requests', 'requests'],
  ['input_tokens', 'input tokens'],
  ['output_tokens', 'output tokens'],
  ['tokens', 'tokens'],
  ['fast_mode', 'fast mode'],
  ['unknown', 'a limit that was not named'],
]);

/** What a limit is called in a sentence; `null` for what is no limit of a minute, as a spend cap or acceleration. */
export function limitName(reason: RateLimitReason | LimitDimension): string | null {
  return LIMITS.get(reason) ?? null;
}

export type Minutes = Omit<DayOfMinutes, 'day'>;

/** The minutes of several days together. */
export function total(days: readonly DayOfMinutes[]): Minutes {
  return {
    throttledMinutes: days.reduce((sum, { throttledMinutes }) => sum + throttledMinutes, 0),
    activeMinutes: days.reduce((sum, { activeMinutes }) => sum + activeMinutes, 0),
  };
}

/** Throttled minutes among the active ones: 0 to 1, and 0 where none was active. */
export function throttledShare({ throttledMinutes, activeMinutes }: Minutes): number {
  return activeMinutes === 0 ? 0 : Math.min(1, throttledMinutes / activeMinutes);
}
