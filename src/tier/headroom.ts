import type { LimitDimension, Limiter } from '../vocabulary.ts';
import type { SeenLimit } from './verdict.ts';

/** One limit as the headers of one response showed it. */
interface LimitObservation {
  readonly atMs: number;
  /** Units a minute: as much as the bucket holds, and as much as flows into it in a minute. */
  readonly limit: number;
  readonly remaining: number;
  /** The time when the bucket is full again if nothing more is taken; `null` where the headers did not say. */
  readonly resetAtMs: number | null;
}

/** An observation, and how much had flowed into the bucket until then, counted from any start. */
interface FollowedObservation extends LimitObservation {
  readonly flowedIn: number;
}

/** The rest of one limit, and how long it lasts. */
export interface Headroom {
  /** Units a minute. */
  readonly limit: number;
  /** From 0 to `limit`: the last value seen, refilled along a line since. */
  readonly remaining: number;
  /**
   * Units taken out a minute by everybody who shares the limit; `null` before there is something to compare. A bucket
   * that is full again between two responses hides what others took: then it is a lower bound.
   */
  readonly usedPerMinute: number | null;
  /** Seconds until nothing is left at this rate; `null` where the rate is not known, or not above what flows in. */
  readonly exhaustedInSeconds: number | null;
  readonly observedAtMs: number;
}

/** Older headers say nothing about the present. */
const HEADROOM_STANDS_MS = 5 * 60_000;

/** The present rate is that of the last minute: in a minute a bucket is refilled. */
const RATE_MS = 60_000;

/** Over less time the rounding of what remains, to thousands of tokens, is larger than what was taken. */
const SHORTEST_RATE_MS = 1_000;

/**
 * The headroom of one limit from what one key saw of it, oldest first and all of one limit. `null` where nothing was seen
 * in the last five minutes.
 *
 * The figures are the server's own for everybody who shares the limit, so replicas and keys of an organization each see
 * all of it: take the `tightest` of theirs, and never a sum.
 */
function headroom(observations: readonly FollowedObservation[], nowMs: number): Headroom | null {
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

/** The flow into the bucket between two observations: it is refilled all the time, and takes nothing in when it is full. */
function inflow(before: LimitObservation, { limit, atMs }: LimitObservation): number {
  const flowing = (limit * Math.max(0, atMs - before.atMs)) / 60_000;
  return Math.min(flowing, limit - Math.min(Math.max(before.remaining, 0), before.limit));
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

/** The units used per minute: the earlier rest and what flowed in, less the rest now. Over a minute, or since the first. */
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

/** The limits of one model class as one key sees them. */
export interface LimiterPlace {
  readonly key: string;
  readonly modelClass: string;
}

export interface ClassHeadroom extends Headroom {
  readonly modelClass: string;
  readonly dimension: LimitDimension;
}

/** Far more than keys × model classes × dimensions that occur; the rest is not followed. */
const MOST_WINDOWS = 2_000;

/** Limits that were seen this long before the newest one are not compared with it: the tier may have changed since. */
const SAME_TIME_MS = 60 * 60_000;

/** A limit that was seen longer ago is not known any more. */
const STANDS_MS = 24 * 60 * 60_000;

interface Followed extends LimiterPlace {
  readonly dimension: LimitDimension;
  readonly window: LimiterWindow;
}

/** Remembers the limits of an organization as the headers of this process's responses showed them. Bounded. */
export class LimiterHistory {
  readonly #followed: Followed[] = [];
  readonly #places = new Map<string, PlaceHistory>();

  /** The limits of one key and model class. */
  of(place: LimiterPlace): PlaceHistory {
    const id = `${place.key}\n${place.modelClass}`;
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    const made = new PlaceHistory((dimension) => this.#follow(place, dimension));
    this.#places.set(id, made);
    return made;
  }

  /**
   * The limits that stand: those of the last day that were seen within an hour of the newest. Several keys: the highest,
   * since a workspace can only have less than its organization.
   */
  limits(nowMs: number): readonly SeenLimit[] {
    const known = this.#followed.flatMap(({ modelClass, dimension, window }) => {
      const seen = window.limit();
      // A clock that was set back has seen limits in what is now the future: those are as old.
      return seen === null
        ? []
        : [{ modelClass, dimension, limit: seen.limit, ageMs: Math.abs(nowMs - seen.seenAtMs) }];
    });
    const oldestMs = Math.min(STANDS_MS, Math.min(...known.map(({ ageMs }) => ageMs)) + SAME_TIME_MS);
    const highest = new Map<string, SeenLimit>();
    for (const { ageMs, ...limit } of known) {
      const id = `${limit.modelClass}\n${limit.dimension}`;
      if (ageMs <= oldestMs && limit.limit > (highest.get(id)?.limit ?? -1)) highest.set(id, limit);
    }
    return [...highest.values()];
  }

  /** The headroom of each model class and dimension, by the key that has least left. */
  headroom(nowMs: number): readonly ClassHeadroom[] {
    const places = new Map<string, { readonly place: Followed; readonly seen: Headroom[] }>();
    for (const place of this.#followed) {
      const own = place.window.headroom(nowMs);
      if (own === null) continue;
      const id = `${place.modelClass}\n${place.dimension}`;
      const known = places.get(id);
      if (known === undefined) places.set(id, { place, seen: [own] });
      else known.seen.push(own);
    }
    return [...places.values()].flatMap(({ place: { modelClass, dimension }, seen }) => {
      const least = tightest(seen);
      return least === null ? [] : [{ modelClass, dimension, ...least }];
    });
  }

  #follow(place: LimiterPlace, dimension: LimitDimension): LimiterWindow | null {
    if (this.#followed.length >= MOST_WINDOWS) return null;
    const window = new LimiterWindow();
    this.#followed.push({ ...place, dimension, window });
    return window;
  }
}

/** The limits of one key and model class. */
export class PlaceHistory {
  readonly #follow: (dimension: LimitDimension) => LimiterWindow | null;
  readonly #windows: Partial<Record<LimitDimension, LimiterWindow | null>> = {};

  constructor(follow: (dimension: LimitDimension) => LimiterWindow | null) {
    this.#follow = follow;
  }

  /** Says whether a limit is another than before, or new. */
  see(limiters: readonly Limiter[], atMs: number): boolean {
    let isAnother = false;
    for (const limiter of limiters) {
      const window = (this.#windows[limiter.dimension] ??= this.#follow(limiter.dimension));
      if (window?.see(limiter, atMs) === true) isAnother = true;
    }
    return isAnother;
  }
}

/** Between observations that are closer only the newest is kept: a window holds about 30, however many calls there are. */
const RESOLUTION_MS = 10_000;

/** Answers come out of order by less; what is older was seen by a clock that has been set back since. */
const OUT_OF_ORDER_MS = 60_000;

/** The last five minutes of one limit, as one key saw it. Bounded in memory. */
export class LimiterWindow {
  #seen: FollowedObservation[] = [];
  #limit: number | null = null;
  #limitAtMs = -Infinity;
  #atMs = -Infinity;

  /** Says whether the limit itself is another than before. What is older than the last is left out, unless the clock was set back. */
  see({ limit, remaining, resetAtMs }: Limiter, atMs: number): boolean {
    if (atMs < this.#atMs) {
      if (this.#atMs - atMs < OUT_OF_ORDER_MS) return false;
      this.#seen = [];
    }
    this.#atMs = atMs;
    if (limit === null) return false;
    const isAnother = limit !== this.#limit;
    // A bucket of another size is another bucket: what was seen of the one before says nothing of it.
    if (isAnother) this.#seen = [];
    this.#limit = limit;
    this.#limitAtMs = atMs;
    if (remaining !== null) this.#follow({ atMs, limit, remaining, resetAtMs });
    return isAnother;
  }

  #follow(observation: LimitObservation): void {
    const { atMs, limit, remaining, resetAtMs } = observation;
    const last = this.#seen.at(-1);
    const flowedIn = last === undefined ? 0 : last.flowedIn + inflow(last, observation);
    const beforeLast = this.#seen.at(-2);
    if (beforeLast !== undefined && atMs - beforeLast.atMs < RESOLUTION_MS) this.#seen.pop();
    this.#seen.push({ atMs, limit, remaining, resetAtMs, flowedIn });
    while ((this.#seen[0]?.atMs ?? Infinity) < atMs - HEADROOM_STANDS_MS) this.#seen.shift();
  }

  /** The limit as last seen, and when; `null` where none was. */
  limit(): { readonly limit: number; readonly seenAtMs: number } | null {
    return this.#limit === null ? null : { limit: this.#limit, seenAtMs: this.#limitAtMs };
  }

  /** `null` where nothing was seen in the last five minutes. */
  headroom(nowMs: number): Headroom | null {
    return headroom(this.#seen, nowMs);
  }
}
