import type { Attempt, LimitDimension, Limiter } from '../vocabulary.ts';
import type { HistogramSeries } from './metrics/series.ts';
import { resolvedOnce, type Store } from './metrics/store.ts';

/** A limit that was not seen for so long is not known any more. */
const STANDS_MS = 60 * 60 * 1000;

/** What the headers last said of one limit, and the gauges that read it at each scrape. */
class LimiterGauges {
  readonly #epochMs: () => number;
  readonly #used: HistogramSeries;
  #limit: number | null = null;
  #limitAtMs = -Infinity;
  #remaining: number | null = null;
  #resetAtMs: number | null = null;
  #observedAtMs = -Infinity;

  constructor(
    { families }: Store,
    labels: { readonly key: string; readonly model_class: string; readonly dimension: LimitDimension },
    epochMs: () => number,
  ) {
    this.#epochMs = epochMs;
    this.#used = families.anthropic_ratelimit_used_ratio.series(labels);
    families.anthropic_ratelimit_limit.series(labels).computeBy(() => this.#standingLimit());
    families.anthropic_ratelimit_remaining.series(labels).computeBy(() => this.#refilled());
    families.anthropic_ratelimit_reset_timestamp_seconds
      .series(labels)
      .computeBy(() => (this.#stands() && this.#resetAtMs !== null ? this.#resetAtMs / 1000 : null));
    families.anthropic_ratelimit_observed_timestamp_seconds
      .series(labels)
      .computeBy(() => (this.#stands() ? this.#observedAtMs / 1000 : null));
  }

  /** Headers older than the ones already seen only count in the histogram: answers come out of order. */
  see({ limit, remaining, resetAtMs }: Limiter, atMs: number): void {
    if (limit !== null && limit > 0 && remaining !== null) {
      this.#used.observe(Math.min(1, Math.max(0, (limit - remaining) / limit)));
    }
    if (atMs < this.#observedAtMs) return;
    this.#observedAtMs = atMs;
    this.#remaining = remaining;
    this.#resetAtMs = resetAtMs;
    if (limit === null) return;
    this.#limit = limit;
    this.#limitAtMs = atMs;
  }

  #stands(): boolean {
    return this.#epochMs() - this.#observedAtMs <= STANDS_MS;
  }

  #standingLimit(): number | null {
    return this.#epochMs() - this.#limitAtMs <= STANDS_MS ? this.#limit : null;
  }

  /** The bucket refills continuously and is full at the reset: so between the two it lies on the line. */
  #refilled(): number | null {
    const remaining = this.#remaining;
    if (remaining === null || !this.#stands()) return null;
    const limit = this.#standingLimit();
    if (limit === null || this.#resetAtMs === null || limit <= remaining) return remaining;
    const sinceMs = this.#epochMs() - this.#observedAtMs;
    const untilFullMs = this.#resetAtMs - this.#observedAtMs;
    if (sinceMs >= untilFullMs) return limit;
    return remaining + (limit - remaining) * Math.max(0, sinceMs / untilFullMs);
  }
}

/** Records the limiters of an attempt for a key and model class, both bounded. */
export type LimiterRecorder = (key: string, modelClass: string, attempt: Attempt) => void;

const recorders = new WeakMap<Store, LimiterRecorder>();

/**
 * The one recorder of limiters of a store: clients that share a key and a registry share its gauges, which
 * are computed when they are scraped, by the `epochMs` of the first of them.
 */
export function limiterRecorder(store: Store, epochMs: () => number): LimiterRecorder {
  const known = recorders.get(store);
  if (known !== undefined) return known;
  const gauges = resolvedOnce((key: string) =>
    resolvedOnce((model_class: string) =>
      resolvedOnce((dimension: LimitDimension) => new LimiterGauges(store, { key, model_class, dimension }, epochMs)),
    ),
  );
  const record: LimiterRecorder = (key, modelClass, attempt) => {
    const atMs = attempt.startedAtMs + attempt.durationSeconds * 1000;
    const ofClass = gauges(key)(modelClass);
    for (const limiter of attempt.limiters) ofClass(limiter.dimension).see(limiter, atMs);
  };
  recorders.set(store, record);
  return record;
}
