import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { keyAlias } from '../keys/alias.ts';
import { modelClass } from '../tier/model-class.ts';
import { TIER_STEPS } from '../tier/tiers.ts';
import type { TierSource } from '../tier/tier-verdict.ts';
import type { Recorder } from '../vocabulary.ts';
import { CallLabelValues } from './call-labels.ts';
import type { CallLabelOptions } from './call-labels.ts';
import { OTHER } from './labels.ts';
import { LIMITED_OPERATIONS } from './limited-operations.ts';
import { OrganizationTier } from './organization-tier.ts';
import type { ToldOfTier } from './organization-tier.ts';
import { resolvedOnce } from './resolved-once.ts';
import type { Store } from './store.ts';

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
