import type { LimitDimension } from '../limiter.ts';
import type { Clock } from '../clock.ts';
import { usdOf } from '../figures.ts';
import { keyAlias } from '../keys/alias.ts';
import type { Advice, AdviceBasis, MonthBudget } from '../tier/advice-basis.ts';
import { advice } from '../tier/advice.ts';
import { LimiterHistory, type ClassHeadroom, type LimiterPlace, type PlaceHistory } from '../tier/headroom.ts';
import { SeenSpend, tierProgress, type MonthSpend, type TierProgress } from '../tier/progress.ts';
import { ThrottleHistory, type ClassThrottles } from '../tier/throttles.ts';
import { TIER_STEPS } from '../tier/tiers.ts';
import {
  TIER_SOURCES,
  highestLimits,
  tierVerdict,
  type OrganizationLimits,
  type SeenLimit,
  type TierVerdict,
} from '../tier/verdict.ts';
import type { Attempt } from '../vocabulary.ts';
import type { MonthBudgets, MonthSpendNanoUsd } from './budgets.ts';
import { defaultRegistry, knownStore, type MetricRegistry } from './metrics/registry.ts';
import type { MoneySeries } from './metrics/series.ts';
import { OTHER, type Store } from './metrics/store.ts';

/** The organization whose tier a recorder feeds, and known facts about it. */
export interface TierOptions extends TierFacts {
  /** Alias of the organization: `default`. */
  readonly organization?: string | undefined;
}

/** The alias of an unnamed organization. */
const DEFAULT_ORGANIZATION = 'default';

/**
 * Returns the tier of an organization in a store. Recorders with the same organization share it; its gauges are
 * computed at each scrape, and unknown figures are absent.
 */
export function organizationTierOf(store: Store, options: TierOptions, clock: Clock): OrganizationTier {
  const { organization = DEFAULT_ORGANIZATION } = options;
  const tier = tierOf(store, organization, clock);
  const counted = store.families.anthropic_tier_seen_usd_total.series({ organization });
  counted.showAtZero();
  tier.countBy(counted);
  tier.update(options);
  return tier;
}

/** Returns the tier of an organization whose books are read, and whose calls may be recorded or not. */
export function watchedTierOf(
  store: Store,
  organization: string = DEFAULT_ORGANIZATION,
  clock: Pick<Clock, 'epochMs'>,
): OrganizationTier {
  return tierOf(store, organization, clock);
}

const tiers = new WeakMap<Store, Map<string, OrganizationTier>>();

/**
 * The tier of an organization, as far as this process knows it; `null` if no client of it is instrumented and nobody reads
 * its books.
 */
export function organizationTier(store: Store, organization: string = DEFAULT_ORGANIZATION): OrganizationTier | null {
  return tiers.get(store)?.get(organization) ?? null;
}

function tierOf(store: Store, organization: string, clock: Pick<Clock, 'epochMs'>): OrganizationTier {
  const ofStore = tiers.get(store) ?? new Map<string, OrganizationTier>();
  tiers.set(store, ofStore);
  const known = ofStore.get(organization);
  if (known !== undefined) return known;
  const tier = new OrganizationTier(clock);
  ofStore.set(organization, tier);
  showTier(store, organization, tier);
  return tier;
}

/** Shows the label set that is currently true: there is one series for each that may become true. */
function showTier({ families }: Store, organization: string, tier: OrganizationTier): void {
  for (const { tier: name, next } of TIER_STEPS) {
    for (const source of TIER_SOURCES) {
      families.anthropic_tier_info
        .series({ organization, tier: name, next_tier: next ?? '', source })
        .computeBy(() => (tier.verdict().tier === name && tier.verdict().source === source ? 1 : null));
    }
  }
  families.anthropic_tier_spend_usd.series({ organization }).computeBy(() => tier.spend()?.usd ?? null);
  families.anthropic_tier_progress_ratio.series({ organization }).computeBy(() => {
    const [spend, cap] = [tier.spend(), tier.monthlyCapUsd()];
    return spend === null || cap === null ? null : spend.usd / cap;
  });
  families.anthropic_tier_monthly_cap_usd.series({ organization }).computeBy(() => tier.monthlyCapUsd());
  families.anthropic_tier_next_threshold_usd
    .series({ organization })
    .computeBy(() => tier.progress()?.next?.thresholdUsd ?? null);
}

/** Shows the parts of a key's alias. Not for keys without a label value of their own. */
export function showKey({ families }: Store, key: string): void {
  if (key === OTHER) return;
  const { environment, service, role, wellNamed } = keyAlias(key);
  families.anthropic_key_info
    .series({
      key,
      environment: environment ?? '',
      service: service ?? '',
      role: role ?? '',
      well_named: String(wellNamed),
    })
    .set(1);
}

/**
 * Facts about an organization's tier that its calls do not show; the latest ones apply. The spend is read at each
 * scrape.
 */
interface TierFacts extends Partial<MonthBudgets> {
  /** The tier's name, as configured. */
  readonly name?: string | undefined;
  /** What its books say; `null` where that is not known any more. */
  readonly books?: OrganizationLimits | null;
}

/** The tier of one organization, as one process sees it. Bounded in memory. */
export class OrganizationTier {
  readonly #clock: Pick<Clock, 'epochMs'>;
  #counted: MoneySeries | null = null;
  #countedSinceMs = Infinity;
  readonly #limiters = new LimiterHistory();
  readonly #throttles = new ThrottleHistory();
  readonly #seen = new SeenSpend();
  #name: string | null = null;
  #books: OrganizationLimits | null = null;
  #monthSpend: MonthSpendNanoUsd | null = null;
  #monthBudgets: readonly MonthBudget[] = [];
  #verdict: { readonly atMs: number; readonly verdict: TierVerdict } | null = null;
  #lastTier: string | null = null;
  #changedAtMs: number | null = null;

  constructor(clock: Pick<Clock, 'epochMs'>) {
    this.#clock = clock;
  }

  /** Adds the cost of every call, whatever the month, to a series from now on. */
  countBy(counted: MoneySeries): void {
    if (this.#counted !== null) return;
    this.#counted = counted;
    this.#countedSinceMs = this.#clock.epochMs();
  }

  update({ name, monthSpendNanoUsd, monthBudgets, books }: TierFacts): void {
    if (books !== undefined) this.#books = books;
    if (name !== undefined) this.#name = name;
    if (monthSpendNanoUsd !== undefined) this.#monthSpend = monthSpendNanoUsd;
    if (monthBudgets !== undefined) this.#monthBudgets = monthBudgets;
    this.#verdict = null;
  }

  /** A limit per minute that the organization's books say; 0 where they do not. */
  booksLimit(modelClass: string, dimension: LimitDimension): number {
    const found = this.#books?.limits.find((one) => one.modelClass === modelClass && one.dimension === dimension);
    return found?.limit ?? 0;
  }

  /** The limits of a key and model class, for the attempts that use them up. */
  limitsOf(place: LimiterPlace): TierLimits {
    return new TierLimits(this, {
      limiters: this.#limiters.of(place),
      throttles: this.#throttles.of(place.modelClass),
    });
  }

  /** Infers the tier again, because a limit has changed. */
  changeLimits(): void {
    this.#verdict = null;
    this.verdict();
  }

  /** Adds the cost of a call of that time. */
  addSpend(nanoUsd: number, atMs: number): void {
    this.#counted?.addNanoUsd(nanoUsd);
    this.#seen.add(nanoUsd, atMs);
  }

  /** The current tier, and how it is known. */
  verdict(): TierVerdict {
    const atMs = this.#clock.epochMs();
    if (this.#verdict?.atMs === atMs) return this.#verdict.verdict;
    const verdict = tierVerdict({
      limits: this.#limiters.limits(atMs),
      organization: this.#books,
      named: this.#name,
      atMs,
    });
    this.#verdict = { atMs, verdict };
    if (verdict.tier !== null) {
      if (this.#lastTier !== null && this.#lastTier !== verdict.tier) this.#changedAtMs = atMs;
      this.#lastTier = verdict.tier;
    }
    return verdict;
  }

  /** The spend of the current month, a lower bound; `null` until its ledger reports it, and where no call is recorded. */
  spend(): MonthSpend | null {
    if (this.#counted === null) return null;
    if (this.#monthSpend === null) {
      return { usd: usdOf(this.#seen.nanoUsd(this.#clock.epochMs())), countedSinceMs: this.#countedSinceMs };
    }
    const nanoUsd = this.#monthSpend();
    return nanoUsd === null ? null : { usd: usdOf(nanoUsd), countedSinceMs: -Infinity };
  }

  /** `null` if the tier is not known. */
  progress(): TierProgress | null {
    const atMs = this.#clock.epochMs();
    const { tier } = this.verdict();
    const monthlyCapUsd = this.#books?.monthlyCapUsd;
    return tierProgress({ tier, spend: this.spend(), monthlyCapUsd, limits: this.limits(), atMs });
  }

  /** The cap that the organization has, known or not which tier it is; `null` for none, and where it is not known. */
  monthlyCapUsd(): number | null {
    const real = this.#books?.monthlyCapUsd;
    return real === undefined ? (this.progress()?.monthlyCapUsd ?? null) : real;
  }

  /** The limits that are known, those of the organization's books before any call. */
  limits(): readonly SeenLimit[] {
    return highestLimits(this.#limiters.limits(this.#clock.epochMs()), this.#books?.limits ?? []);
  }

  headroom(): readonly ClassHeadroom[] {
    return this.#limiters.headroom(this.#clock.epochMs());
  }

  /** What `advice()` judges by. */
  basis(): AdviceBasis {
    const atMs = this.#clock.epochMs();
    return {
      atMs,
      verdict: this.verdict(),
      tierChangedAtMs: this.#changedAtMs,
      progress: this.progress(),
      week: this.#throttles.week(atMs),
      peaks: this.#throttles.peaks(atMs),
      monthBudgets: this.#monthBudgets,
    };
  }
}

/** The limits of one key and model class, for an organization's tier. */
export class TierLimits {
  readonly #tier: OrganizationTier;
  readonly #limiters: PlaceHistory;
  readonly #throttles: ClassThrottles | null;

  constructor(
    tier: OrganizationTier,
    { limiters, throttles }: { readonly limiters: PlaceHistory; readonly throttles: ClassThrottles | null },
  ) {
    this.#tier = tier;
    this.#limiters = limiters;
    this.#throttles = throttles;
  }

  /** Records a response, or a refusal. */
  see({ limiters, rejection }: Attempt, atMs: number): void {
    this.#throttles?.see(limiters, rejection?.rateLimitReason ?? null, atMs);
    if (this.#limiters.see(limiters, atMs)) this.#tier.changeLimits();
  }
}

/** The current usage tier of an organization, as this process knows it. */
export interface TierReport {
  /** The tier, how it is known, and what contradicts it. */
  readonly verdict: TierVerdict;
  /** The distance to the cap and to the next tier; `null` if the tier is not known. */
  readonly progress: TierProgress | null;
  /**
   * The limits per minute, by model class and dimension: those of the organization's books, where `watchOrganization()` reads
   * them, are known before the first call.
   */
  readonly limits: readonly SeenLimit[];
  /** The remainder of each limit, by model class and dimension; of several keys, that with least left. */
  readonly headroom: readonly ClassHeadroom[];
  /** Advice from the last seven days of this process, most important first. */
  readonly advice: readonly Advice[];
}

/** Options of `tierReport()`. */
export interface TierReportOptions {
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** Its alias, as the option `tier` of `instrument()` names it. Default: `default`. */
  readonly organization?: string;
}

/**
 * Reports what the instrumented clients that feed a registry have seen of an organization's tier, and what
 * `watchOrganization()` has read; `null` if none of them is of that organization. Sends no request: it goes by the headers and
 * refusals of this process's own calls.
 *
 * @example
 * for (const { severity, text } of tierReport()?.advice ?? []) console.log(severity, text);
 */
export function tierReport({ registry, organization }: TierReportOptions = {}): TierReport | null {
  const store = knownStore(registry ?? defaultRegistry());
  const tier = store === null ? null : organizationTier(store, organization);
  if (tier === null) return null;
  return {
    verdict: tier.verdict(),
    progress: tier.progress(),
    limits: tier.limits(),
    headroom: tier.headroom(),
    advice: advice(tier.basis()),
  };
}
