import {
  impliedTier,
  limitEvidence,
  publishedLimit,
  strayLimits,
  type LimitEvidence,
  type SeenLimit,
} from './implied-tier.ts';
import { tierAbove, tierNamed, tierScheme, type Tier, type TierScheme } from './tiers.ts';

/** How the tier is known. `organization`: from the organisation's own report, by the Admin API. */
export type TierSource = 'config' | 'headers' | 'organization';

/** A tier that somebody names, so that it need not be inferred. */
export interface ToldTier {
  readonly name: string;
  readonly source: 'config' | 'organization';
}

export interface TierQuestion {
  /** For each model class and dimension the highest limit that was seen: workspaces can only have lower ones. */
  readonly limits: readonly SeenLimit[];
  readonly told?: ToldTier | null;
  /** Decides which tiers are in force. */
  readonly atMs: number;
}

export interface TierVerdict {
  /** `null` where it is neither told nor to be inferred. */
  readonly tier: string | null;
  /** `null` for the highest tier, and where the tier is not known. */
  readonly nextTier: string | null;
  readonly source: TierSource;
  /** What speaks against it, in plain words; `null` where the tier was told and nothing does. */
  readonly doubt: string | null;
  /** The limits that were looked at: those of model classes and dimensions whose limits are published by tier. */
  readonly evidence: readonly LimitEvidence[];
}

/**
 * The usage tier: the one that was told, else the one that the limits seen imply. Limits of model classes that the table
 * does not have are left out. A tier that was told and is not in force at that time is not believed.
 */
export function tierVerdict({ limits, told = null, atMs }: TierQuestion): TierVerdict {
  const scheme = tierScheme(atMs);
  const evidence = limitEvidence(limits, scheme);
  const toldTier = told === null ? null : tierNamed(scheme, told.name);
  if (told !== null && toldTier !== null) {
    const doubts = toldDoubts(evidence, toldTier, scheme);
    return verdict(scheme, toldTier, { source: told.source, evidence, doubts });
  }
  const tier = impliedTier(evidence, scheme);
  const doubts = [
    ...(told === null ? [] : [`"${told.name.slice(0, 40)}" was told, which is no tier at this date`]),
    ...(tier === null ? [unknownDoubt(evidence, scheme)] : inferredDoubts(evidence, tier)),
  ];
  return verdict(scheme, tier, { source: 'headers', evidence, doubts });
}

interface Grounds {
  readonly source: TierSource;
  readonly evidence: readonly LimitEvidence[];
  readonly doubts: readonly string[];
}

function verdict(scheme: TierScheme, tier: Tier | null, { source, evidence, doubts }: Grounds): TierVerdict {
  return {
    tier: tier?.name ?? null,
    nextTier: (tier === null ? null : tierAbove(scheme, tier))?.name ?? null,
    source,
    doubt: doubts.length === 0 ? null : doubts.join('; '),
    evidence,
  };
}

function toldDoubts(evidence: readonly LimitEvidence[], tier: Tier, scheme: TierScheme): readonly string[] {
  if (tier.limits.size > 0) return strayDoubts(evidence, tier);
  const implied = impliedTier(evidence, scheme);
  if (implied === null || implied.name === tier.name) return [];
  return [`${tier.name} was told, and the limits seen are those of ${implied.name} (${places(evidence)})`];
}

function unknownDoubt(evidence: readonly LimitEvidence[], { tiers }: TierScheme): string {
  if (evidence.length === 0) return 'no limit was seen of a model class whose limits are published';
  const isBelowAll = evidence.every((seen) =>
    tiers.every((tier) => (publishedLimit(tier, seen) ?? Infinity) > seen.limit),
  );
  return isBelowAll
    ? `limits below every tier's (${places(evidence)}): a tier whose limits are not published, or a workspace's own`
    : `limits that are no tier's (${places(evidence)}): set for a workspace, or by agreement`;
}

function inferredDoubts(evidence: readonly LimitEvidence[], tier: Tier): readonly string[] {
  if (tier.limits.size === 0) return [`limits above every tier's that are published (${places(evidence)})`];
  const strays = strayDoubts(evidence, tier);
  return strays.length > 0 ? strays : ["inferred from limits, and a workspace's own can look like a lower tier's"];
}

function strayDoubts(evidence: readonly LimitEvidence[], tier: Tier): readonly string[] {
  const { below, above } = strayLimits(evidence, tier);
  return [
    ...(below.length === 0
      ? []
      : [`limits below ${tier.name}'s (${places(below)}): a workspace's own, or from before the tier rose`]),
    ...(above.length === 0
      ? []
      : [`limits above ${tier.name}'s (${places(above)}): raised by agreement, or the tier is higher`]),
  ];
}

const MOST_PLACES = 3;

function places(evidence: readonly LimitEvidence[]): string {
  const named = evidence.slice(0, MOST_PLACES).map(({ modelClass, dimension, limit, tier }) => {
    const owner = tier === null ? '' : `, as in ${tier}`;
    return `${modelClass} ${dimension} ${limit.toLocaleString('en-US')}${owner}`;
  });
  const more = evidence.length - named.length;
  return named.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
