import type { LimitDimension } from '../vocabulary.ts';
import { PUBLISHED_DIMENSIONS, type Tier, type TierScheme } from './tiers.ts';

/** A limit as the headers showed it, for one model class. */
export interface SeenLimit {
  readonly modelClass: string;
  readonly dimension: LimitDimension;
  /** Units a minute. */
  readonly limit: number;
}

/** A limit that can tell something of the tier, and the tier that has exactly this limit; `null` for none. */
export interface LimitEvidence extends SeenLimit {
  readonly tier: string | null;
}

/** Those of the limits for which a tier of the scheme publishes figures; the others say nothing. */
export function limitEvidence(limits: readonly SeenLimit[], { tiers }: TierScheme): readonly LimitEvidence[] {
  return limits
    .filter((seen) => tiers.some((tier) => publishedLimit(tier, seen) !== null))
    .map((seen) => ({ ...seen, tier: tiers.find((tier) => publishedLimit(tier, seen) === seen.limit)?.name ?? null }));
}

/** What a tier publishes for the model class and dimension of a limit; `null` for nothing. */
export function publishedLimit(tier: Tier, { modelClass, dimension }: Omit<SeenLimit, 'limit'>): number | null {
  const published = PUBLISHED_DIMENSIONS.find((name) => name === dimension);
  return (published === undefined ? null : tier.limits.get(modelClass)?.[published]) ?? null;
}

/**
 * The tier that the limits speak for; `null` where they speak for none. A workspace's administrator can lower a limit,
 * and only an agreement raises one: so where limits contradict each other, the higher tier is nearer the truth.
 *
 * | limits seen | tier |
 * | --- | --- |
 * | all those of a model class are one tier's | that tier; of several classes the highest |
 * | classes are mixed in themselves | the tier with most limits; of equals the highest |
 * | none is any tier's, one is above every tier's | the top tier, if that publishes no limits |
 * | none is any tier's | none |
 */
export function impliedTier(evidence: readonly LimitEvidence[], { tiers }: TierScheme): Tier | null {
  const highestFirst = tiers.toReversed();
  const whole = wholeClasses(evidence);
  const fitting = highestFirst.find(({ name }) => whole.has(name));
  if (fitting !== undefined) return fitting;
  const votes = highestFirst.map((tier) => ({ tier, count: evidence.filter((one) => one.tier === tier.name).length }));
  const most = Math.max(0, ...votes.map(({ count }) => count));
  if (most > 0) return votes.find(({ count }) => count === most)?.tier ?? null;
  const top = highestFirst[0];
  const isAboveAll = evidence.some((seen) => tiers.every((tier) => (publishedLimit(tier, seen) ?? 0) < seen.limit));
  return top !== undefined && top.limits.size === 0 && isAboveAll ? top : null;
}

/** The tiers that some model class fits with all its limits that were seen. */
function wholeClasses(evidence: readonly LimitEvidence[]): ReadonlySet<string> {
  const tiersOf = new Map<string, Set<string | null>>();
  for (const { modelClass, tier } of evidence) {
    tiersOf.set(modelClass, (tiersOf.get(modelClass) ?? new Set()).add(tier));
  }
  const whole = [...tiersOf.values()].filter((names) => names.size === 1).flatMap((names) => [...names]);
  return new Set(whole.filter((name) => name !== null));
}

/** The limits that are below, or above, what the tier publishes. */
export function strayLimits(
  evidence: readonly LimitEvidence[],
  tier: Tier,
): { readonly below: readonly LimitEvidence[]; readonly above: readonly LimitEvidence[] } {
  const difference = (seen: LimitEvidence): number => {
    const published = publishedLimit(tier, seen);
    return published === null ? 0 : seen.limit - published;
  };
  return {
    below: evidence.filter((seen) => difference(seen) < 0),
    above: evidence.filter((seen) => difference(seen) > 0),
  };
}
