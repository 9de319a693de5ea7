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
  readonly #byDimension: Partial<Record<LimitDimension, DimensionGauges>> = {};

  constructor(make: (dimension: LimitDimension) => DimensionGauges) {
    this.#make = make;
  }

  see(limiters: readonly Limiter[], atMs: number): void {
    for (const limiter of limiters) {
      const gauges = (this.#byDimension[limiter.dimension] ??= this.#make(limiter.dimension));
      const { limit, remaining } = limiter;
      if (limit !== null && limit > 0 && remaining !== null) {
        gauges.used.observe(Math.min(1, Math.max(0, (limit - remaining) / limit)));
      }
      // Headers older than the last count only in the histogram, because responses arrive out of order.
      if (atMs < gauges.observedAtMs) continue;
      gauges.observedAtMs = atMs;
      gauges.remaining = remaining;
      gauges.resetAtMs = limiter.resetAtMs;
      if (limit === null) continue;
      gauges.limit = limit;
      gauges.limitAtMs = atMs;
    }
  }
}

/** A limit that was seen longer ago is unknown again. */
const STANDS_MS = 60 * 60 * 1000;

/** The last figures of one limit, and the gauges that are computed from them at each scrape. */
class DimensionGauges {
  readonly used: HistogramSeries;
  limit: number | null = null;
  limitAtMs = -Infinity;
  remaining: number | null = null;
  resetAtMs: number | null = null;
  observedAtMs = -Infinity;
  readonly #epochMs: () => number;

  constructor(
    { families }: Store,
    labels: { readonly key: string; readonly model_class: string; readonly dimension: LimitDimension },
    epochMs: () => number,
  ) {
    this.#epochMs = epochMs;
    this.used = families.anthropic_ratelimit_used_ratio.series(labels);
    families.anthropic_ratelimit_limit.series(labels).computeBy(() => this.#standingLimit());
    families.anthropic_ratelimit_remaining.series(labels).computeBy(() => this.#refilled());
    families.anthropic_ratelimit_reset_timestamp_seconds
      .series(labels)
      .computeBy(() => (this.#stands() && this.resetAtMs !== null ? this.resetAtMs / 1000 : null));
    families.anthropic_ratelimit_observed_timestamp_seconds
      .series(labels)
      .computeBy(() => (this.#stands() ? this.observedAtMs / 1000 : null));
  }

  #stands(): boolean {
    return this.#epochMs() - this.observedAtMs <= STANDS_MS;
  }

  #standingLimit(): number | null {
    return this.#epochMs() - this.limitAtMs <= STANDS_MS ? this.limit : null;
  }

  /** The bucket refills continuously and is full at the reset, so between the two it lies on the line. */
  #refilled(): number | null {
    const { remaining, resetAtMs, observedAtMs } = this;
    if (remaining === null || !this.#stands()) return null;
    const limit = this.#standingLimit();
    if (limit === null || resetAtMs === null || limit <= remaining) return remaining;
    const sinceMs = this.#epochMs() - observedAtMs;
    const untilFullMs = resetAtMs - observedAtMs;
    if (sinceMs >= untilFullMs) return limit;
    return remaining + (limit - remaining) * Math.max(0, sinceMs / untilFullMs);
  }
}
