import { advice } from '../tier/advice.ts';
import type { Advice, MonthBudget } from '../tier/advice-basis.ts';
import { LimiterHistory, type ClassHeadroom, type LimiterPlace } from '../tier/limiter-history.ts';
import { tierProgress, type MonthSpend, type TierProgress } from '../tier/progress.ts';
import { SeenSpend } from '../tier/seen-spend.ts';
import { ThrottleHistory } from '../tier/throttle-history.ts';
import { tierVerdict, type TierVerdict } from '../tier/tier-verdict.ts';
import type { Attempt } from '../vocabulary.ts';
import type { MonthBudgets, MonthSpendNanoUsd } from './month-budgets.ts';

/** What may be told of an organisation's tier; what is told later holds. The spend is asked for at each scrape. */
export interface ToldOfTier extends Partial<MonthBudgets> {
  /** The tier's name, as configured. */
  readonly name?: string | undefined;
}

/** What one process knows of the tier of one organisation. Bounded in memory. */
export class OrganizationTier {
  readonly #epochMs: () => number;
  readonly #countedSinceMs: number;
  readonly #limiters = new LimiterHistory();
  readonly #throttles = new ThrottleHistory();
  readonly #seen = new SeenSpend();
  #name: string | null = null;
  #monthSpend: MonthSpendNanoUsd | null = null;
  #monthBudgets: readonly MonthBudget[] = [];
  #verdict: { readonly atMs: number; readonly verdict: TierVerdict } | null = null;
  #lastTier: string | null = null;
  #changedAtMs: number | null = null;

  constructor(epochMs: () => number) {
    this.#epochMs = epochMs;
    this.#countedSinceMs = epochMs();
  }

  tell({ name, monthSpendNanoUsd, monthBudgets }: ToldOfTier): void {
    if (name !== undefined) this.#name = name;
    if (monthSpendNanoUsd !== undefined) this.#monthSpend = monthSpendNanoUsd;
    if (monthBudgets !== undefined) this.#monthBudgets = monthBudgets;
    this.#verdict = null;
  }

  /** An attempt was answered, or refused: of operations that use the limits of a model class. */
  attempted(place: LimiterPlace, attempt: Attempt): void {
    const atMs = attempt.startedAtMs + attempt.durationSeconds * 1000;
    this.#throttles.answered(place.modelClass, attempt.limiters, atMs);
    const reason = attempt.rejection?.rateLimitReason ?? null;
    if (reason !== null) this.#throttles.throttled(place.modelClass, reason, atMs);
    if (!this.#limiters.see(place, attempt.limiters, atMs)) return;
    this.#verdict = null;
    this.verdict();
  }

  /** A call cost so much. */
  spent(nanoUsd: number): void {
    this.#seen.add(nanoUsd, this.#epochMs());
  }

  /** As things are now. */
  verdict(): TierVerdict {
    const atMs = this.#epochMs();
    if (this.#verdict?.atMs === atMs) return this.#verdict.verdict;
    const told = this.#name === null ? null : ({ name: this.#name, source: 'config' } as const);
    const verdict = tierVerdict({ limits: this.#limiters.limits(atMs), told, atMs });
    this.#verdict = { atMs, verdict };
    if (verdict.tier !== null) {
      if (this.#lastTier !== null && this.#lastTier !== verdict.tier) this.#changedAtMs = atMs;
      this.#lastTier = verdict.tier;
    }
    return verdict;
  }

  /** Of the present month; `null` while the ledger that was told does not answer. */
  spend(): MonthSpend | null {
    if (this.#monthSpend === null) {
      const usd = Number(this.#seen.nanoUsd(this.#epochMs())) / 1e9;
      return { usd, source: 'ledger', countedSinceMs: this.#countedSinceMs };
    }
    const nanoUsd = this.#monthSpend();
    return nanoUsd === null ? null : { usd: Number(nanoUsd) / 1e9, source: 'ledger', countedSinceMs: -Infinity };
  }

  /** `null` where the tier is not known. */
  progress(): TierProgress | null {
    const atMs = this.#epochMs();
    const { tier } = this.verdict();
    return tierProgress({ tier, spend: this.spend(), limits: this.#limiters.limits(atMs), atMs });
  }

  headroom(): readonly ClassHeadroom[] {
    return this.#limiters.headroom(this.#epochMs());
  }

  /** Most important first. */
  advice(): readonly Advice[] {
    const atMs = this.#epochMs();
    return advice({
      atMs,
      verdict: this.verdict(),
      tierChangedAtMs: this.#changedAtMs,
      progress: this.progress(),
      week: this.#throttles.week(atMs),
      peaks: this.#throttles.peaks(atMs),
      monthBudgets: this.#monthBudgets,
    });
  }
}
