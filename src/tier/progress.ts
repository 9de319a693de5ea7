import { utcMonth, type Span } from '../clock.ts';
import {
  PUBLISHED_DIMENSIONS,
  tierAbove,
  tierNamed,
  tierScheme,
  type PublishedDimension,
  type Tier,
  type TierScheme,
} from './tiers.ts';
import { publishedLimit, type SeenLimit } from './verdict.ts';

/** Spend of the current calendar month, as far as plimsoll has seen it: at least this much. */
export interface MonthSpend {
  readonly usd: number;
  /** The time when counting began; the whole month is counted if it is before the month. */
  readonly countedSinceMs: number;
}

/** A limit that the next tier raises, for one model class and dimension. */
export interface Lift {
  readonly modelClass: string;
  readonly dimension: PublishedDimension;
  /** Units per minute: as seen in the headers or in the organization's books, else as published for the current tier; `null` if neither is known. */
  readonly from: number | null;
  readonly to: number;
  /** `to` ÷ `from`. */
  readonly factor: number | null;
}

interface NextTier {
  readonly name: string;
  /** `null` if there is no cap or none is published. */
  readonly monthlyCapUsd: number | null;
  readonly uncapped: boolean;
  /** Total credit purchases; `null` if no threshold is published. */
  readonly thresholdUsd: number | null;
  /** The rule for reaching it, in plain words; it says so if no threshold is published. */
  readonly reachedBy: string;
  /** Empty if no limits are published for it. */
  readonly lifts: readonly Lift[];
}

export interface TierProgress {
  readonly tier: string;
  readonly monthEndMs: number;
  /**
   * `null` if it is unknown. From a `ledger`, it is a lower bound: other programs of the organization are not included.
   */
  readonly spend: MonthSpend | null;
  /** `null` if there is no cap or none is published. */
  readonly monthlyCapUsd: number | null;
  readonly uncapped: boolean;
  /** Spend ÷ cap. */
  readonly ratio: number | null;
  /**
   * The latest time at which the cap is reached, at this month's rate; `null` if it is not reached this month, or if
   * less than an hour was counted.
   */
  readonly capReachedAtMs: number | null;
  /** `null` for the highest tier. */
  readonly next: NextTier | null;
}

export interface ProgressQuestion {
  /** Name of the current tier; `null` if it is not known. */
  readonly tier: string | null;
  /** `null` if it is not known. */
  readonly spend: MonthSpend | null;
  /** The cap that the organization really has: `null` for none; `undefined`, where it is not known, for the published one. */
  readonly monthlyCapUsd?: number | null | undefined;
  /** The observed limits, which the next tier is compared with. */
  readonly limits: readonly SeenLimit[];
  readonly atMs: number;
}

/** Measures the distance to the tier's cap and to the next tier; `null` if the tier is not known. */
export function tierProgress({
  tier: name,
  spend,
  limits,
  atMs,
  monthlyCapUsd: real,
}: ProgressQuestion): TierProgress | null {
  const scheme = tierScheme(atMs);
  const tier = name === null ? null : tierNamed(scheme, name);
  if (tier === null) return null;
  const monthlyCapUsd = real === undefined ? tier.monthlyCapUsd : real;
  const uncapped = real === undefined ? tier.uncapped : real === null;
  return {
    tier: tier.name,
    monthEndMs: utcMonth(atMs).endMs,
    spend,
    monthlyCapUsd,
    uncapped,
    ratio: monthlyCapUsd === null || spend === null ? null : spend.usd / monthlyCapUsd,
    capReachedAtMs: monthlyCapUsd === null || spend === null ? null : capReachedAtMs(spend, monthlyCapUsd, atMs),
    next: nextTier(scheme, tier, limits),
  };
}

/** A rate over less time says nothing about a month. */
const SHORTEST_RATE_MS = 60 * 60_000;

function capReachedAtMs({ usd, countedSinceMs }: MonthSpend, capUsd: number, atMs: number): number | null {
  if (usd >= capUsd) return atMs;
  const { startMs, endMs } = utcMonth(atMs);
  const countedMs = atMs - Math.max(startMs, countedSinceMs);
  if (countedMs < SHORTEST_RATE_MS || usd <= 0) return null;
  const reachedAtMs = atMs + ((capUsd - usd) * countedMs) / usd;
  return reachedAtMs < endMs ? reachedAtMs : null;
}

/** Returns the tier above, and the limits that it raises; `null` for the highest. */
function nextTier(scheme: TierScheme, tier: Tier, limits: readonly SeenLimit[]): NextTier | null {
  const next = tierAbove(scheme, tier);
  if (next === null) return null;
  return {
    name: next.name,
    monthlyCapUsd: next.monthlyCapUsd,
    uncapped: next.uncapped,
    thresholdUsd: next.creditPurchaseUsd,
    reachedBy: scheme.advancement,
    lifts: [...next.limits].flatMap(([modelClass, perMinute]) =>
      PUBLISHED_DIMENSIONS.map((dimension) =>
        lift(
          { modelClass, dimension, limit: perMinute[dimension] },
          presentLimit({ modelClass, dimension }, tier, limits),
        ),
      ),
    ),
  };
}

type PublishedPlace = Pick<Lift, 'modelClass' | 'dimension'>;

function lift({ limit: to, ...place }: PublishedPlace & { readonly limit: number }, from: number | null): Lift {
  return { ...place, from, to, factor: from === null || from === 0 ? null : to / from };
}

function presentLimit(place: PublishedPlace, tier: Tier, limits: readonly SeenLimit[]): number | null {
  const seen = limits.find(
    ({ modelClass, dimension }) => modelClass === place.modelClass && dimension === place.dimension,
  );
  return seen?.limit ?? publishedLimit(tier, place);
}

/** Enough for a clock that jumps back and forth over the end of a month; the month farthest from now is dropped. */
const MOST_MONTHS = 3;

/** Spend by calendar month (UTC), as one process sees it. */
export class SeenSpend {
  readonly #byMonth = new Map<number, bigint>();
  #month: Span = { startMs: 0, endMs: 0 };
  /** Of the month of the last call, and not in the map yet: whole numbers are added in a tenth of a `bigint`'s time. */
  #latestNanoUsd = 0;

  add(nanoUsd: number, atMs: number): void {
    const isFull = this.#latestNanoUsd + nanoUsd > Number.MAX_SAFE_INTEGER;
    if (isFull || atMs < this.#month.startMs || atMs >= this.#month.endMs) {
      this.#fold();
      this.#month = utcMonth(atMs);
    }
    this.#latestNanoUsd += nanoUsd;
  }

  #fold(): void {
    const { startMs } = this.#month;
    if (this.#latestNanoUsd === 0) return;
    this.#byMonth.set(startMs, (this.#byMonth.get(startMs) ?? 0n) + BigInt(this.#latestNanoUsd));
    this.#latestNanoUsd = 0;
    if (this.#byMonth.size <= MOST_MONTHS) return;
    const away = (month: number): number => Math.abs(month - startMs);
    const farthest = [...this.#byMonth.keys()].toSorted((a, b) => away(b) - away(a))[0];
    if (farthest !== undefined) this.#byMonth.delete(farthest);
  }

  /** Returns the spend in the month that contains this time: a lower bound, 0 if nothing was seen. */
  nanoUsd(atMs: number): bigint {
    this.#fold();
    return this.#byMonth.get(utcMonth(atMs).startMs) ?? 0n;
  }
}
