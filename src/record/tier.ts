import { systemClock, type Clock } from '../clock.ts';
import { keyAlias } from '../keys/alias.ts';
import type { Advice, MonthBudget } from '../tier/advice-basis.ts';
import { advice } from '../tier/advice.ts';
import { LimiterHistory, type ClassHeadroom, type LimiterPlace } from '../tier/headroom.ts';
import { SeenSpend, tierProgress, type MonthSpend, type TierProgress } from '../tier/progress.ts';
import { ThrottleHistory } from '../tier/throttles.ts';
import { TIER_STEPS, modelClass } from '../tier/tiers.ts';
import { tierVerdict, type TierSource, type TierVerdict } from '../tier/verdict.ts';
import { LIMITED_OPERATIONS, type Attempt, type Recorder } from '../vocabulary.ts';
import type { MonthBudgets, MonthSpendNanoUsd } from './budgets.ts';
import { CallLabelValues, type CallLabelOptions } from './call-labels.ts';
import { defaultRegistry, knownStore, type MetricRegistry } from './metrics/registry.ts';
import { OTHER, resolvedOnce, type Store } from './metrics/store.ts';

export interface TierRecorderOptions extends CallLabelOptions, ToldOfTier {
  /** Alias of the organisation: `default`. */
  readonly organization?: string | undefined;
  /** The group of models that share a rate limit, by canonical id. */
  readonly modelClass?: (model: string) => string;
  readonly clock?: Clock;
}

/** What is used where nobody names the organisation. */
export const DEFAULT_ORGANIZATION = 'default';

/**
 * The recorder of the catalogue's section Tier. What it learns is shared by all recorders of a store that name the same
 * organisation, whose gauges are computed at each scrape: what is not known then is absent.
 */
export function tierRecorder(store: Store, options: TierRecorderOptions): Recorder {
  const { organization = DEFAULT_ORGANIZATION, clock = systemClock } = options;
  const tier = tierOf(store, organization, clock);
  tier.tell(options);
  const labels = new CallLabelValues(store, options);
  const classOf = resolvedOnce(options.modelClass ?? modelClass);
  const showKey = resolvedOnce((key: string) => keyInfo(store, key));
  for (const key of options.keys ?? []) showKey(labels.key.value(key));
  return {
    started: (call) => {
      showKey(labels.key.value(call.key));
    },
    attempted: (call, attempt) => {
      const model = labels.model(call.model ?? call.requestedModel);
      if (!LIMITED_OPERATIONS.has(call.operation) || model === '' || model === OTHER) return;
      tier.attempted({ key: labels.key.value(call.key), modelClass: classOf(model) }, attempt);
    },
    batchResult: (_call, { cost }) => {
      if (cost !== null) tier.spent(cost.totalNanoUsd);
    },
    finished: (call) => {
      if (call.cost !== null) tier.spent(call.cost.totalNanoUsd);
    },
  };
}

const tiers = new WeakMap<Store, Map<string, OrganizationTier>>();

/** What is known of an organisation's tier in this process; `null` where no client of it is instrumented. */
export function organizationTier(store: Store, organization: string = DEFAULT_ORGANIZATION): OrganizationTier | null {
  return tiers.get(store)?.get(organization) ?? null;
}

function tierOf(store: Store, organization: string, clock: Clock): OrganizationTier {
  const ofStore = tiers.get(store) ?? new Map<string, OrganizationTier>();
  tiers.set(store, ofStore);
  const known = ofStore.get(organization);
  if (known !== undefined) return known;
  const tier = new OrganizationTier(() => clock.epochMs());
  ofStore.set(organization, tier);
  showTier(store, organization, tier);
  return tier;
}

const SOURCES: readonly TierSource[] = ['config', 'headers', 'organization'];

/** A label set is shown as long as it is the true one: so there is one series for each that may come to be. */
function showTier({ families }: Store, organization: string, tier: OrganizationTier): void {
  for (const { tier: name, next } of TIER_STEPS) {
    for (const source of SOURCES) {
      families.anthropic_tier_info
        .series({ organization, tier: name, next_tier: next ?? '', source })
        .computeBy(() => (tier.verdict().tier === name && tier.verdict().source === source ? 1 : null));
    }
  }
  const ledger = { organization, source: 'ledger' };
  families.anthropic_tier_spend_usd.series(ledger).computeBy(() => tier.spend()?.usd ?? null);
  families.anthropic_tier_progress_ratio.series(ledger).computeBy(() => tier.progress()?.ratio ?? null);
  families.anthropic_tier_monthly_cap_usd
    .series({ organization })
    .computeBy(() => tier.progress()?.monthlyCapUsd ?? null);
  families.anthropic_tier_next_threshold_usd
    .series({ organization })
    .computeBy(() => tier.progress()?.next?.thresholdUsd ?? null);
}

/** What a key's alias says, once. Not for keys that have no place as a label value. */
function keyInfo({ families }: Store, key: string): string {
  if (key === OTHER) return key;
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
  return key;
}

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

/** What this process knows at this moment of the usage tier of an organisation. */
export interface TierReport {
  /** The tier, how it is known, and what speaks against it. */
  readonly verdict: TierVerdict;
  /** How far it is to the cap and to the next tier; `null` where the tier is not known. */
  readonly progress: TierProgress | null;
  /** What is left of each limit, by model class and dimension; of several keys the one with least left. */
  readonly headroom: readonly ClassHeadroom[];
  /** What to do, most important first; from the last seven days of this process. */
  readonly advice: readonly Advice[];
}

export interface TierReportOptions {
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** Its alias, as the option `tier` of `instrument()` names it. Default: `default`. */
  readonly organization?: string;
}

/**
 * What the instrumented clients that feed a registry have seen of an organisation's tier; `null` where none of them is
 * of that organisation. Asks nobody: it goes by the headers and refusals of this process's own calls.
 *
 * @example
 * for (const { severity, text } of tierReport()?.advice ?? []) console.log(severity, text);
 */
export function tierReport({ registry, organization }: TierReportOptions = {}): TierReport | null {
  const store = knownStore(registry ?? defaultRegistry());
  const tier = store === null ? null : organizationTier(store, organization);
  if (tier === null) return null;
  return { verdict: tier.verdict(), progress: tier.progress(), headroom: tier.headroom(), advice: tier.advice() };
}
