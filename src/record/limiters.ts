import type { LimiterPlace } from '../tier/headroom.ts';
import type { LimitDimension, Limiter } from '../limiter.ts';
import type { Attempt } from '../vocabulary.ts';
import type { HistogramSeries } from './metrics/series.ts';
import type { Store } from './metrics/store.ts';
import type { TierLimits } from './tier.ts';

/** The rate limits of one key and model class: their gauges, and their part of the tier. */
export class ClassLimits {
  readonly #gauges: ClassGauges;
  readonly #tier: TierLimits | null;

  constructor(gauges: ClassGauges, tier: TierLimits | null) {
    this.#gauges = gauges;
    this.#tier = tier;
  }

  /** Records the limiters of a response, or the refusal. */
  see(attempt: Attempt): void {
    const atMs = attempt.startedAtMs + attempt.durationSeconds * 1000;
    this.#gauges.see(attempt.limiters, atMs);
    this.#tier?.see(attempt, atMs);
  }
}

const tables = new WeakMap<Store, LimiterGauges>();

/**
 * The gauges of limiters in a store. Clients that share a key and a registry share them; they are computed at each
 * scrape, with the `epochMs` of the first client.
 */
export function limiterGauges(store: Store, epochMs: () => number): LimiterGauges {
  const known = tables.get(store);
  if (known !== undefined) return known;
  const table = new LimiterGauges(store, epochMs);
  tables.set(store, table);
  return table;
}

class LimiterGauges {
  readonly #store: Store;
  readonly #epochMs: () => number;
  readonly #byPlace = new Map<string, ClassGauges>();

  constructor(store: Store, epochMs: () => number) {
    this.#store = store;
    this.#epochMs = epochMs;
  }

  /** The gauges of a key and model class, both bounded. */
  of({ key, modelClass }: LimiterPlace): ClassGauges {
    const id = `${key}\n${modelClass}`;
    const known = this.#byPlace.get(id);
    if (known !== undefined) return known;
    const made = new ClassGauges(
      (dimension) => new DimensionGauges(this.#store, { key, model_class: modelClass, dimension }, this.#epochMs),
    );
    this.#byPlace.set(id, made);
    return made;
  }
}

class ClassGauges {
  readonly #make: (dimension: LimitDimension) => DimensionGauges;
  readonly #byDimension = new Map<LimitDimension, DimensionGauges>();

  constructor(make: (dimension: LimitDimension) => DimensionGauges) {
    this.#make = make;
  }

  see(limiters: readonly Limiter[], atMs: number): void {
    for (const limiter of limiters) {
      const { dimension } = limiter;
      let gauges = this.#byDimension.get(dimension);
      if (gauges === undefined) this.#byDimension.set(dimension, (gauges = this.#make(dimension)));
      gauges.see(limiter, atMs);
    }
  }
}

/** A limit that was seen longer ago is unknown again. */
const STANDS_MS = 60 * 60 * 1000;

/** What headers have said of one limit, and the gauges that are computed from it at each scrape. */
class DimensionGauges {
  readonly #used: HistogramSeries;
  readonly #epochMs: () => number;
  #last: Limiter | null = null;
  #lastAtMs = -Infinity;
  /** The limit as it was last shown: not every header shows it. */
  #limit: number | null = null;
  #limitAtMs = -Infinity;

  constructor(
    { families }: Store,
    labels: { readonly key: string; readonly model_class: string; readonly dimension: LimitDimension },
    epochMs: () => number,
  ) {
    this.#epochMs = epochMs;
    this.#used = families.anthropic_ratelimit_used_ratio.series(labels);
    families.anthropic_ratelimit_limit.series(labels).computeBy(() => this.#standingLimit());
    families.anthropic_ratelimit_remaining.series(labels).computeBy(() => this.#refilled());
    families.anthropic_ratelimit_reset_timestamp_seconds.series(labels).computeBy(() => {
      const resetAtMs = this.#standing()?.resetAtMs ?? null;
      return resetAtMs === null ? null : resetAtMs / 1000;
    });
    families.anthropic_ratelimit_observed_timestamp_seconds
      .series(labels)
      .computeBy(() => (this.#standing() === null ? null : this.#lastAtMs / 1000));
  }

  /** Headers older than the last count only in the histogram, because responses arrive out of order. */
  see(limiter: Limiter, atMs: number): void {
    const { limit, remaining } = limiter;
    if (limit !== null && limit > 0 && remaining !== null) {
      this.#used.observe(Math.min(1, Math.max(0, (limit - remaining) / limit)));
    }
    if (atMs < this.#lastAtMs) return;
    this.#last = limiter;
    this.#lastAtMs = atMs;
    if (limit === null) return;
    this.#limit = limit;
    this.#limitAtMs = atMs;
  }

  #standing(): Limiter | null {
    return this.#epochMs() - this.#lastAtMs <= STANDS_MS ? this.#last : null;
  }

  #standingLimit(): number | null {
    return this.#epochMs() - this.#limitAtMs <= STANDS_MS ? this.#limit : null;
  }

  /** The bucket refills continuously and is full at the reset, so between the two it lies on the line. */
  #refilled(): number | null {
    const { remaining = null, resetAtMs = null } = this.#standing() ?? {};
    if (remaining === null) return null;
    const limit = this.#standingLimit();
    if (limit === null || resetAtMs === null || limit <= remaining) return remaining;
    const sinceMs = this.#epochMs() - this.#lastAtMs;
    const untilFullMs = resetAtMs - this.#lastAtMs;
    if (sinceMs >= untilFullMs) return limit;
    return remaining + (limit - remaining) * Math.max(0, sinceMs / untilFullMs);
  }
}
