import type { LimitDimension, Limiter } from '../vocabulary.ts';
import { tightest, type Headroom } from './headroom.ts';
import type { SeenLimit } from './implied-tier.ts';
import { LimiterWindow } from './limiter-window.ts';

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

/** What the headers of this process's responses said of the limits of an organisation. Bounded in memory. */
export class LimiterHistory {
  readonly #followed: Followed[] = [];
  /** By key, model class and dimension, for the call path. */
  readonly #windows = new Map<string, Map<string, Map<string, LimiterWindow>>>();

  /** Says whether a limit is another than before, or new. */
  see(place: LimiterPlace, limiters: readonly Limiter[], atMs: number): boolean {
    const windows = nested(nested(this.#windows, place.key), place.modelClass);
    let isAnother = false;
    for (const limiter of limiters) {
      const window = windows.get(limiter.dimension) ?? this.#follow(place, limiter.dimension, windows);
      if (window?.see(limiter, atMs) === true) isAnother = true;
    }
    return isAnother;
  }

  /**
   * The limits that stand: those of the last day that were seen within an hour of the newest. Several keys: the highest,
   * since a workspace can only have less than its organisation.
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

  /** For each model class and dimension the headroom of the key that has least left. */
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

  #follow(place: LimiterPlace, dimension: LimitDimension, windows: Map<string, LimiterWindow>): LimiterWindow | null {
    if (this.#followed.length >= MOST_WINDOWS) return null;
    const window = new LimiterWindow();
    this.#followed.push({ ...place, dimension, window });
    windows.set(dimension, window);
    return window;
  }
}

function nested<Inner>(outer: Map<string, Map<string, Inner>>, name: string): Map<string, Inner> {
  const known = outer.get(name);
  if (known !== undefined) return known;
  const inner = new Map<string, Inner>();
  outer.set(name, inner);
  return inner;
}
