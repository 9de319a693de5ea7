import type { Limiter } from '../vocabulary.ts';
import {
  headroom,
  HEADROOM_STANDS_MS,
  inflow,
  type FollowedObservation,
  type Headroom,
  type LimitObservation,
} from './headroom.ts';

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
