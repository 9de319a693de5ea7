import type { Spend } from './ledger.ts';

/** How spend usually goes over the week. */
export interface Profile {
  /** The present pace, averaged over a week. */
  readonly nanoUsdPerHour: number;
  /** How much of the average pace the hour at that time usually has: 1 is the average. */
  readonly partAt: (atMs: number) => number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The pace is that of the last days: what is so old counts half. Tried with `scripts/forecast-error.ts`. */
const HALF_LIFE_MS = 7 * DAY_MS;

/** With how much average spend each weekday and each hour of the day begins, before its own is seen. */
const PRIOR_DAYS = 1;
const PRIOR_HOURS = 4;

/**
 * The profile of spend by hour, ascending: a part for each weekday, a part for each hour of the day, and the pace of the
 * last days with those parts taken out. Hours without spend since the first count as 0. `null` before there is spend.
 */
export function profile(hours: readonly Spend[], nowMs: number): Profile | null {
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

/** One hour, or what has passed of the present one. */
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
