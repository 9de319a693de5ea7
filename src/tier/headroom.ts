/** What the headers of one response said of one limit. */
export interface LimitObservation {
  readonly atMs: number;
  /** Units a minute: as much as the bucket holds, and as much as flows into it in a minute. */
  readonly limit: number;
  readonly remaining: number;
  /** When the bucket is full again if nothing more is taken; `null` where it was not said. */
  readonly resetAtMs: number | null;
}

/** An observation, and how much had flowed into the bucket until then, counted from any start. */
export interface FollowedObservation extends LimitObservation {
  readonly flowedIn: number;
}

/** How much of one limit is left, and how long that lasts. */
export interface Headroom {
  /** Units a minute. */
  readonly limit: number;
  /** From 0 to `limit`: the last value seen, refilled along a line since. */
  readonly remaining: number;
  /**
   * What is taken out a minute, by everybody who shares the limit; `null` before there is something to compare. A bucket
   * that is full again between two responses hides what others took: then it is a lower bound.
   */
  readonly usedPerMinute: number | null;
  /** Seconds until nothing is left at this rate; `null` where the rate is not known, or not above what flows in. */
  readonly exhaustedInSeconds: number | null;
  readonly observedAtMs: number;
}

/** Headers that are older say nothing of the present. */
export const HEADROOM_STANDS_MS = 5 * 60_000;

/** The present rate is that of the last minute: in a minute a bucket is refilled. */
const RATE_MS = 60_000;

/** Over less time the rounding of what remains, to thousands of tokens, is larger than what was taken. */
const SHORTEST_RATE_MS = 1_000;

/**
 * The headroom of one limit from what one key saw of it, oldest first and all of one limit. `null` where nothing was seen
 * in the last five minutes.
 *
 * The figures are the server's own for everybody who shares the limit, so replicas and keys of an organisation each see
 * all of it: take the `tightest` of theirs, and never a sum.
 */
export function headroom(observations: readonly FollowedObservation[], nowMs: number): Headroom | null {
  const last = observations.at(-1);
  if (last === undefined || Math.abs(nowMs - last.atMs) > HEADROOM_STANDS_MS) return null;
  const remaining = remainingAt(last, nowMs);
  const usedPerMinute = rate(observations, last, nowMs);
  return {
    limit: last.limit,
    remaining,
    usedPerMinute,
    exhaustedInSeconds: secondsToEmpty(remaining, (usedPerMinute ?? 0) - last.limit),
    observedAtMs: last.atMs,
  };
}

/** The one with least left; of equals the one that is soonest exhausted. `null` for none. */
export function tightest(headrooms: readonly Headroom[]): Headroom | null {
  const lasts = ({ exhaustedInSeconds }: Headroom): number => exhaustedInSeconds ?? Number.MAX_VALUE;
  const [first] = headrooms.toSorted((a, b) => a.remaining - b.remaining || lasts(a) - lasts(b));
  return first ?? null;
}

/** What flowed into the bucket between two observations: it is refilled all the time, and when full takes nothing in. */
export function inflow(before: LimitObservation, after: LimitObservation): number {
  const flowing = (after.limit * Math.max(0, after.atMs - before.atMs)) / 60_000;
  return Math.min(flowing, after.limit - inBucket(before));
}

function inBucket({ limit, remaining }: LimitObservation): number {
  return Math.min(Math.max(remaining, 0), limit);
}

/** A reset that is not ahead tells of clocks that differ: then the bucket is full a minute's share later. */
function remainingAt(last: LimitObservation, nowMs: number): number {
  const { atMs, limit, resetAtMs } = last;
  const left = inBucket(last);
  const sinceMs = Math.max(0, nowMs - atMs);
  const untilFullMs =
    resetAtMs !== null && resetAtMs > atMs ? resetAtMs - atMs : ((limit - left) / Math.max(limit, 1)) * 60_000;
  return sinceMs < untilFullMs ? left + ((limit - left) * sinceMs) / untilFullMs : limit;
}

/** What was taken is what was there and what flowed in, less what is left; since a minute ago, or since the first. */
function rate(observations: readonly FollowedObservation[], last: FollowedObservation, nowMs: number): number | null {
  const recent = observations.filter(({ atMs }) => nowMs - atMs <= HEADROOM_STANDS_MS);
  const first = recent.findLast(({ atMs }) => atMs <= last.atMs - RATE_MS) ?? recent[0];
  if (first === undefined || first === last) return null;
  const spanMs = Math.max(nowMs, last.atMs) - first.atMs;
  if (spanMs < SHORTEST_RATE_MS) return null;
  const taken = inBucket(first) + last.flowedIn - first.flowedIn - inBucket(last);
  return (Math.max(0, taken) * 60_000) / spanMs;
}

function secondsToEmpty(remaining: number, netPerMinute: number): number | null {
  return netPerMinute > 0 ? (remaining * 60) / netPerMinute : null;
}
