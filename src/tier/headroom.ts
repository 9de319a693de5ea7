import type { LimitDimension, Limiter } from '../limiter.ts';
import type { SeenLimit } from './verdict.ts';

/** One limit, as the headers of one response show it. */
interface LimitObservation {
  readonly atMs: number;
  /** Units per minute: the size of the bucket, and the amount that refills it in a minute. */
  readonly limit: number;
  readonly remaining: number;
  /** The time when the bucket is full again if nothing more is taken; `null` if the headers do not say. */
  readonly resetAtMs: number | null;
}

/** An observation, and the total inflow into the bucket until then, from any starting point. */
interface FollowedObservation extends LimitObservation {
  readonly flowedIn: number;
}

/** The remainder of one limit, and how long it lasts. */
export interface Headroom {
  /** Units per minute. */
  readonly limit: number;
  /** From 0 to `limit`: the last value seen, plus the refill since. */
  readonly remaining: number;
  /**
   * Units taken out a minute by everybody who shares the limit; `null` before there is something to compare. A bucket
   * that is full again between two responses hides what others took: then it is a lower bound.
   */
  readonly usedPerMinute: number | null;
  /** Seconds until nothing is left at this rate; `null` if the rate is not known, or not above what flows in. */
  readonly exhaustedInSeconds: number | null;
  readonly observedAtMs: number;
}

/** Older headers say nothing about now. */
const HEADROOM_STANDS_MS = 5 * 60_000;

/** The rate is that of the last minute, the time in which a bucket is refilled. */
const RATE_MS = 60_000;

/** Over less time, the rounding of the remainder, to thousands of tokens, exceeds the use. */
const SHORTEST_RATE_MS = 1_000;

/**
 * The headroom of one limit from what one key saw of it, oldest first and all of one limit. `null` if nothing was seen
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

/** Returns the headroom with the least left; of equals, the one that is exhausted first. `null` for an empty list. */
export function tightest(headrooms: readonly Headroom[]): Headroom | null {
  const lasts = ({ exhaustedInSeconds }: Headroom): number => exhaustedInSeconds ?? Number.MAX_VALUE;
  const [first] = headrooms.toSorted((a, b) => a.remaining - b.remaining || lasts(a) - lasts(b));
  return first ?? null;
}

/** Returns the inflow into the bucket from an observation to a later time: it is refilled continuously, until it is full. */
function inflow(before: LimitObservation, limit: number, atMs: number): number {
  const flowing = (limit * Math.max(0, atMs - before.atMs)) / 60_000;
  return Math.min(flowing, limit - Math.min(Math.max(before.remaining, 0), before.limit));
}

function inBucket({ limit, remaining }: LimitObservation): number {
  return Math.min(Math.max(remaining, 0), limit);
}

/** A reset in the past means that the clocks differ: then the bucket is full a minute's share later. */
export function remainingAt(last: LimitObservation, nowMs: number): number {
  const { atMs, limit, resetAtMs } = last;
  const left = inBucket(last);
  const sinceMs = Math.max(0, nowMs - atMs);
  const untilFullMs =
    resetAtMs !== null && resetAtMs > atMs ? resetAtMs - atMs : ((limit - left) / Math.max(limit, 1)) * 60_000;
  return sinceMs < untilFullMs ? left + ((limit - left) * sinceMs) / untilFullMs : limit;
}

/**
 * Returns the units used per minute: the earlier remainder plus the inflow, less the current remainder. Over a minute,
 * or since the first observation.
 */
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

/** The limits of one model class, as one key sees them. */
export interface LimiterPlace {
  readonly key: string;
  readonly modelClass: string;
}

export interface ClassHeadroom extends Headroom {
  readonly modelClass: string;
  readonly dimension: LimitDimension;
}

/** Far more than the combinations of keys, model classes and dimensions in use; any others are ignored. */
const MOST_WINDOWS = 2_000;

/** A limit seen this long before the newest one is not compared with it: the tier may have changed since. */
const SAME_TIME_MS = 60 * 60_000;

/** A limit that was seen longer ago is unknown again. */
const STANDS_MS = 24 * 60 * 60_000;

interface Followed extends LimiterPlace {
  readonly dimension: LimitDimension;
  readonly window: LimiterWindow;
}

/** Remembers an organization's limits from the headers of this process's responses. Bounded. */
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
   * Returns the valid limits: those of the last day that were seen within an hour of the newest. Of several keys, the
   * highest counts, because a workspace can only have less than its organization.
   */
  limits(nowMs: number): readonly SeenLimit[] {
    const known = this.#followed.flatMap(({ modelClass, dimension, window }) => {
      const seen = window.limit();
      // If a clock was set back, limits may have been seen in what is now the future: those count as old.
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

  /** Returns the headroom of each model class and dimension, for the key that has least left. */
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

  /** Tells whether a limit has changed, or is new. */
  see(limiters: readonly Limiter[], atMs: number): boolean {
    let isAnother = false;
    for (const limiter of limiters) {
      const window = (this.#windows[limiter.dimension] ??= this.#follow(limiter.dimension));
      if (window?.see(limiter, atMs) === true) isAnother = true;
    }
    return isAnother;
  }
}

type Writable<Observed> = { -readonly [Field in keyof Observed]: Observed[Field] };

/** Of closer observations, only the newest is kept: a window holds about 30, however many calls there are. */
const RESOLUTION_MS = 10_000;

/** Responses arrive out of order by less than this; an older observation was made before the clock was set back. */
const OUT_OF_ORDER_MS = 60_000;

/** The last five minutes of one limit, as one key sees it. Bounded in memory. */
export class LimiterWindow {
  #seen: Writable<FollowedObservation>[] = [];
  #limit: number | null = null;
  #limitAtMs = -Infinity;
  #atMs = -Infinity;

  /**
   * Tells whether the limit itself has changed. An observation older than the last is ignored, unless the clock was set
   * back.
   */
  see({ limit, remaining, resetAtMs }: Limiter, atMs: number): boolean {
    if (atMs < this.#atMs) {
      if (this.#atMs - atMs < OUT_OF_ORDER_MS) return false;
      this.#seen = [];
    }
    this.#atMs = atMs;
    if (limit === null) return false;
    const isAnother = limit !== this.#limit;
    // A bucket of another size is another bucket, so earlier observations say nothing about it.
    if (isAnother) this.#seen = [];
    this.#limit = limit;
    this.#limitAtMs = atMs;
    if (remaining !== null) this.#follow({ atMs, limit, remaining, resetAtMs, flowedIn: 0 });
    return isAnother;
  }

  #follow(observation: Writable<FollowedObservation>): void {
    const { atMs, limit } = observation;
    const seen = this.#seen;
    const last = seen[seen.length - 1];
    const beforeLast = seen[seen.length - 2];
    if (last !== undefined) observation.flowedIn = last.flowedIn + inflow(last, limit, atMs);
    const isClose = beforeLast !== undefined && atMs - beforeLast.atMs < RESOLUTION_MS;
    seen[isClose ? seen.length - 1 : seen.length] = observation;
    while ((this.#seen[0]?.atMs ?? Infinity) < atMs - HEADROOM_STANDS_MS) this.#seen.shift();
  }

  /** Returns the limit as last seen, and when; `null` if none was seen. */
  limit(): { readonly limit: number; readonly seenAtMs: number } | null {
    return this.#limit === null ? null : { limit: this.#limit, seenAtMs: this.#limitAtMs };
  }

  /** `null` if nothing was seen in the last five minutes. */
  headroom(nowMs: number): Headroom | null {
    return headroom(this.#seen, nowMs);
  }
}
