import type { Spend } from './ledger.ts';
import { profile } from './spend-profile.ts';

/** What a budget's spend looks like so far. */
export interface SpendSoFar {
  /** Spend by hour, ascending, up to five weeks back; it may begin before the period. */
  readonly hours: readonly Spend[];
  readonly startMs: number;
  readonly endMs: number;
  readonly nowMs: number;
  readonly spentNanoUsd: bigint;
  readonly limitNanoUsd: bigint;
}

/** Where spend is going. Estimates, so doubles. */
export interface Forecast {
  /** At the pace of the last days, averaged over a week. */
  readonly burnUsdPerHour: number;
  /** What the period will have spent at its end. */
  readonly expectedUsd: number;
  /** When the limit is reached; `null` where it is not within the period. In the past where it has been. */
  readonly runsOutAtMs: number | null;
}

const HOUR_MS = 3_600_000;
const NANO_PER_USD = 1e9;

/** A first call says little about the month: nothing is said before so much of the period was seen, 7 hours of a month. */
const LEAST_SEEN = 0.01;

/**
 * Expected spend at the end of a calendar period: what is spent, and for each hour that is left the present pace times
 * the part that this weekday and this hour of the day usually have. The method and its error are in `docs/budgets.md`.
 * `null` before there is enough to go by.
 */
export function forecast(seen: SpendSoFar): Forecast | null {
  const { startMs, endMs, nowMs } = seen;
  const firstMs = seen.hours[0]?.startMs ?? nowMs;
  const usual = nowMs - firstMs < (endMs - startMs) * LEAST_SEEN ? null : profile(seen.hours, nowMs);
  if (usual === null) return null;
  const limit = Number(seen.limitNanoUsd);
  let expected = Number(seen.spentNanoUsd);
  let runsOutAtMs = expected >= limit ? nowMs : null;
  for (let atMs = Math.max(nowMs, startMs); atMs < endMs;) {
    const untilMs = Math.min(endMs, (Math.floor(atMs / HOUR_MS) + 1) * HOUR_MS);
    const spend = usual.nanoUsdPerHour * usual.partAt(atMs) * ((untilMs - atMs) / HOUR_MS);
    if (runsOutAtMs === null && expected + spend >= limit) {
      runsOutAtMs = atMs + ((limit - expected) / spend) * (untilMs - atMs);
    }
    expected += spend;
    atMs = untilMs;
  }
  return {
    burnUsdPerHour: usual.nanoUsdPerHour / NANO_PER_USD,
    expectedUsd: expected / NANO_PER_USD,
    runsOutAtMs,
  };
}

/** As `SpendSoFar`, of a rolling window: by its buckets, which lie in the window and are `bucketMs` long. */
export interface RollingSpend extends Pick<SpendSoFar, 'nowMs' | 'spentNanoUsd' | 'limitNanoUsd'> {
  readonly buckets: readonly Spend[];
  readonly bucketMs: number;
  readonly lengthMs: number;
}

/** The pace of a rolling window is that of its last part: long enough to be steady, short enough to be the present. */
const RECENT_PART = 1 / 4;

/**
 * What a rolling window will hold once all of it was spent at the pace of its last quarter. It runs out, if that is
 * over the limit, when the window has filled up so far at that pace. `null` before there is anything to go by.
 */
export function rollingForecast(seen: RollingSpend): Forecast | null {
  const { buckets, lengthMs, nowMs } = seen;
  const first = buckets[0];
  if (first === undefined) return null;
  const seenMs = Math.max(seen.bucketMs, Math.min(lengthMs * RECENT_PART, nowMs - first.startMs));
  const recent = buckets.filter(({ startMs }) => startMs + seen.bucketMs > nowMs - seenMs);
  const perMs = recent.reduce((sum, { nanoUsd }) => sum + Number(nanoUsd), 0) / seenMs;
  const expected = perMs * lengthMs;
  return {
    burnUsdPerHour: (perMs * HOUR_MS) / NANO_PER_USD,
    expectedUsd: expected / NANO_PER_USD,
    runsOutAtMs: fullAtMs(seen, perMs),
  };
}

function fullAtMs({ spentNanoUsd, limitNanoUsd, lengthMs, nowMs }: RollingSpend, perMs: number): number | null {
  const left = Number(limitNanoUsd - spentNanoUsd);
  if (left <= 0) return nowMs;
  // As much leaves the window as came in on average; what is over fills it.
  const fillsPerMs = perMs - Number(spentNanoUsd) / lengthMs;
  const waitMs = fillsPerMs > 0 ? left / fillsPerMs : Infinity;
  return perMs * lengthMs > Number(limitNanoUsd) && waitMs <= lengthMs ? nowMs + waitMs : null;
}
