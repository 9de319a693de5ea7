import { usdOf } from '../figures.ts';
import type { Spend } from './ledger.ts';

/** The spend of a calendar period so far. */
export interface SpendSoFar {
  /** Spend by hour, ascending, up to five weeks back; it may begin before the period. */
  readonly hours: readonly Spend[];
  readonly startMs: number;
  readonly endMs: number;
  readonly nowMs: number;
  readonly spentNanoUsd: bigint;
  readonly limitNanoUsd: bigint;
}

/** A forecast of spend. */
export interface Forecast {
  /** The rate of the last days, averaged over a week. */
  readonly burnUsdPerHour: number;
  /** The expected spend at the end of the period. */
  readonly expectedUsd: number;
  /** The time when the limit is reached, in the past if it already was; `null` if the period ends first. */
  readonly runsOutAtMs: number | null;
}

const HOUR_MS = 3_600_000;

/** There is no forecast before this share of the period was seen, 7 hours of a month: a first call says little about it. */
const LEAST_SEEN = 0.01;

/**
 * Tells whether spend was seen for too short a time. When in its bucket the first spend came is not known: two seconds of
 * it must not count as an hour, so time is seen from the end of that bucket.
 */
function isTooEarly(
  first: Spend,
  { bucketMs, lengthMs, nowMs }: Pick<RollingSpend, 'bucketMs' | 'lengthMs' | 'nowMs'>,
): boolean {
  return nowMs - (first.startMs + bucketMs) < lengthMs * LEAST_SEEN;
}

/**
 * Forecasts a calendar period: the spend so far, plus, for each remaining hour, the current rate times the usual share
 * of that weekday and hour of the day. `null` until there is enough spend.
 */
export function forecast(seen: SpendSoFar): Forecast | null {
  const { startMs, endMs, nowMs } = seen;
  const first = seen.hours[0];
  if (first === undefined || isTooEarly(first, { bucketMs: HOUR_MS, lengthMs: endMs - startMs, nowMs })) return null;
  const usual = profile(seen.hours, nowMs);
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
    burnUsdPerHour: usdOf(usual.nanoUsdPerHour),
    expectedUsd: usdOf(expected),
    runsOutAtMs,
  };
}

/** The spend of a rolling window so far, by its buckets, which lie in the window and are `bucketMs` long. */
export interface RollingSpend extends Pick<SpendSoFar, 'nowMs' | 'spentNanoUsd' | 'limitNanoUsd'> {
  readonly buckets: readonly Spend[];
  readonly bucketMs: number;
  readonly lengthMs: number;
}

/** The rate of a rolling window is that of its last part: long enough to be steady, short enough to be current. */
const RECENT_PART = 1 / 4;

/**
 * Forecasts a rolling window at the rate of its last quarter: its spend after a whole window at that rate, and, if that
 * exceeds the limit, the time when it is full. `null` until there is enough spend.
 */
export function rollingForecast(seen: RollingSpend): Forecast | null {
  const { buckets, lengthMs, nowMs } = seen;
  const first = buckets[0];
  if (first === undefined || isTooEarly(first, seen)) return null;
  const seenMs = Math.max(seen.bucketMs, Math.min(lengthMs * RECENT_PART, nowMs - first.startMs));
  const recent = buckets.filter(({ startMs }) => startMs + seen.bucketMs > nowMs - seenMs);
  const perMs = recent.reduce((sum, { nanoUsd }) => sum + Number(nanoUsd), 0) / seenMs;
  const expected = perMs * lengthMs;
  return {
    burnUsdPerHour: usdOf(perMs * HOUR_MS),
    expectedUsd: usdOf(expected),
    runsOutAtMs: fullAtMs(seen, perMs),
  };
}

function fullAtMs({ spentNanoUsd, limitNanoUsd, lengthMs, nowMs }: RollingSpend, perMs: number): number | null {
  const left = Number(limitNanoUsd - spentNanoUsd);
  if (left <= 0) return nowMs;
  // On average, as much leaves the window as enters it; the excess fills it.
  const fillsPerMs = perMs - Number(spentNanoUsd) / lengthMs;
  const waitMs = fillsPerMs > 0 ? left / fillsPerMs : Infinity;
  return perMs * lengthMs > Number(limitNanoUsd) && waitMs <= lengthMs ? nowMs + waitMs : null;
}

/** The usual course of spend over the week. */
interface Profile {
  /** The current rate, averaged over a week. */
  readonly nanoUsdPerHour: number;
  /** The usual rate of the hour at that time, as a multiple of the average rate. */
  readonly partAt: (atMs: number) => number;
}

const DAY_MS = 24 * HOUR_MS;

/** The rate follows the last days: spend of this age has half the weight. Chosen with `scripts/forecast-error.ts`. */
const HALF_LIFE_MS = 7 * DAY_MS;

/** The average spend that each weekday and each hour of the day starts with, until its own is known. */
const PRIOR_DAYS = 1;

const PRIOR_HOURS = 4;

/**
 * Makes a profile from spend by hour, ascending: a factor per weekday, a factor per hour of the day, and the rate of
 * the last days without those factors. Hours without spend since the first count as 0. `null` until there is spend.
 */
function profile(hours: readonly Spend[], nowMs: number): Profile | null {
  const samples = hourly(hours, nowMs);
  const seenHours = samples.reduce((sum, { length }) => sum + length, 0);
  const mean = samples.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0) / seenHours;
  if (!(mean > 0)) return null;
  const weekdays = parts(samples, { of: weekdayAt, count: 7, mean, priorHours: PRIOR_DAYS * 24 });
  const daytimes = parts(samples, { of: hourAt, count: 24, mean, priorHours: PRIOR_HOURS });
  const partAt = (atMs: number): number => (weekdays[weekdayAt(atMs)] ?? 1) * (daytimes[hourAt(atMs)] ?? 1);
  let [spend, expected] = [0, 0];
  for (const { startMs, length, nanoUsd } of samples) {
    const weight = 0.5 ** ((nowMs - startMs) / HALF_LIFE_MS);
    spend += weight * nanoUsd;
    expected += weight * length * partAt(startMs);
  }
  return { nanoUsdPerHour: spend / expected, partAt };
}

/** One hour, or the elapsed part of the current hour. */
interface Sample {
  readonly startMs: number;
  /** In hours. */
  readonly length: number;
  readonly nanoUsd: number;
}

function hourly(hours: readonly Spend[], nowMs: number): readonly Sample[] {
  const past = hours.filter(({ startMs }) => startMs <= nowMs);
  const first = past[0];
  if (first === undefined) return [];
  const spends = new Map(past.map(({ startMs, nanoUsd }) => [startMs, Number(nanoUsd)]));
  const samples: Sample[] = [];
  for (let startMs = first.startMs; startMs <= nowMs; startMs += HOUR_MS) {
    const length = Math.min(1, (nowMs - startMs) / HOUR_MS);
    samples.push({ startMs, length, nanoUsd: spends.get(startMs) ?? 0 });
  }
  return samples;
}

interface Grouping {
  readonly of: (atMs: number) => number;
  readonly count: number;
  readonly mean: number;
  readonly priorHours: number;
}

function parts(samples: readonly Sample[], { of, count, mean, priorHours }: Grouping): readonly number[] {
  const spends = new Array<number>(count).fill(mean * priorHours);
  const lengths = new Array<number>(count).fill(priorHours);
  for (const { startMs, length, nanoUsd } of samples) {
    const group = of(startMs);
    spends[group] = (spends[group] ?? 0) + nanoUsd;
    lengths[group] = (lengths[group] ?? 0) + length;
  }
  return spends.map((spend, group) => spend / (lengths[group] ?? 1) / mean);
}

function weekdayAt(atMs: number): number {
  // The epoch began on a Thursday.
  return (Math.floor(atMs / DAY_MS) + 4) % 7;
}

function hourAt(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) % 24;
}
