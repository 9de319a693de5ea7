import type { LimitDimension } from '../limiter.ts';
import { PUBLISHED_DIMENSIONS, tierAbove, tierNamed, tierScheme, type Tier, type TierScheme } from './tiers.ts';

/**
 * The source of the tier: its name was configured, the organization's books have its cap or limits, or it was inferred from
 * response headers.
 */
export const TIER_SOURCES = ['config', 'organization', 'headers'] as const;
type TierSource = (typeof TIER_SOURCES)[number];

/** What the organization's own books say of its tier. */
export interface OrganizationLimits {
  /** The limits that the organization really has, by model class and dimension. */
  readonly limits: readonly SeenLimit[];
  /** The cap of its usage tier in US dollars a month: `null` for none, `undefined` where it is not known. */
  readonly monthlyCapUsd?: number | null | undefined;
}

interface TierQuestion {
  /** The highest limit seen for each model class and dimension: workspaces can only have lower ones. */
  readonly limits: readonly SeenLimit[];
  /** `null` where nobody reads the organization's books. */
  readonly organization?: OrganizationLimits | null;
  /** The configured name of the tier; `null` if it is to be inferred. */
  readonly named?: string | null;
  /** Decides which tiers are in force. */
  readonly atMs: number;
}

export interface TierVerdict {
  /** `null` if it was not named and cannot be inferred. */
  readonly tier: string | null;
  /** `null` for the highest tier, and if the tier is not known. */
  readonly nextTier: string | null;
  readonly source: TierSource;
  /** The reasons to doubt it, in plain words; `null` if it was configured or is the organization's, and nothing contradicts it. */
  readonly doubt: string | null;
  /** The limits that were compared: those whose model class and dimension are published by tier. */
  readonly evidence: readonly LimitEvidence[];
}

/**
 * Decides on the usage tier: the configured one, else that of the organization's cap, else the one that its limits imply,
 * configured or observed. Limits of unknown model classes are ignored. A configured tier that is not in force at that time
 * is not used.
 */
export function tierVerdict({ limits, organization = null, named = null, atMs }: TierQuestion): TierVerdict {
  const scheme = tierScheme(atMs);
  const evidence = limitEvidence(highestLimits(limits, organization?.limits ?? []), scheme);
  const capped = tierOfCap(organization, scheme);
  const namedTier = named === null ? null : tierNamed(scheme, named);
  if (namedTier !== null) {
    const doubts = [...capDoubts(namedTier, capped), ...namedDoubts(evidence, namedTier, scheme)];
    return verdict(scheme, namedTier, { source: 'config', evidence, doubts });
  }
  const tier = capped ?? impliedTier(evidence, scheme);
  const isOfBooks = capped !== null || impliedTier(limitEvidence(organization?.limits ?? [], scheme), scheme) !== null;
  const source = isOfBooks ? 'organization' : 'headers';
  const doubts = [
    ...(named === null ? [] : [`"${named.slice(0, 40)}" was named, which is not a tier at this date`]),
    ...(tier === null ? [unknownDoubt(evidence, scheme)] : inferredDoubts(evidence, { tier, isOfBooks })),
  ];
  return verdict(scheme, tier, { source, evidence, doubts });
}

/** The limits of both, each the higher one: a workspace can only have less than its organization. */
export function highestLimits(seen: readonly SeenLimit[], configured: readonly SeenLimit[]): readonly SeenLimit[] {
  const highest = new Map<string, SeenLimit>();
  for (const one of [...seen, ...configured]) {
    const place = `${one.modelClass}\n${one.dimension}`;
    if (one.limit > (highest.get(place)?.limit ?? -1)) highest.set(place, one);
  }
  return [...highest.values()];
}

/** The only tier that has the cap, `null` for none or several: a cap can be raised by agreement. */
function tierOfCap(organization: OrganizationLimits | null, { tiers }: TierScheme): Tier | null {
  const cap = organization?.monthlyCapUsd;
  if (cap === undefined) return null;
  const fitting = tiers.filter((tier) => (cap === null ? tier.uncapped : tier.monthlyCapUsd === cap));
  return fitting.length === 1 ? (fitting[0] ?? null) : null;
}

function capDoubts(named: Tier, capped: Tier | null): readonly string[] {
  if (capped === null || capped.name === named.name) return [];
  return [`${named.name} was named, but the organization's monthly cap is that of ${capped.name}`];
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

function namedDoubts(evidence: readonly LimitEvidence[], tier: Tier, scheme: TierScheme): readonly string[] {
  if (tier.limits.size > 0) return strayDoubts(evidence, tier);
  const implied = impliedTier(evidence, scheme);
  if (implied === null || implied.name === tier.name) return [];
  return [`${tier.name} was named, but the limits seen are those of ${implied.name} (${places(evidence)})`];
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

function inferredDoubts(
  evidence: readonly LimitEvidence[],
  { tier, isOfBooks }: { readonly tier: Tier; readonly isOfBooks: boolean },
): readonly string[] {
  if (tier.limits.size === 0)
    return isOfBooks ? [] : [`limits above every tier's that are published (${places(evidence)})`];
  const strays = strayDoubts(evidence, tier);
  if (strays.length > 0 || isOfBooks) return strays;
  return ["inferred from limits, and a workspace's own can look like a lower tier's"];
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

/** A limit of one model class, as the headers or the organization's books show it. */
export interface SeenLimit {
  readonly modelClass: string;
  readonly dimension: LimitDimension;
  /** Units per minute. */
  readonly limit: number;
}

/** A limit that can identify the tier, and the tier that has exactly this limit; `null` for none. */
interface LimitEvidence extends SeenLimit {
  readonly tier: string | null;
}

/** Returns the limits for which a tier of the scheme publishes figures; the others prove nothing. */
function limitEvidence(limits: readonly SeenLimit[], { tiers }: TierScheme): readonly LimitEvidence[] {
  return limits
    .filter((seen) => tiers.some((tier) => publishedLimit(tier, seen) !== null))
    .map((seen) => ({ ...seen, tier: tiers.find((tier) => publishedLimit(tier, seen) === seen.limit)?.name ?? null }));
}

/** Returns the limit that a tier publishes for a model class and dimension; `null` if it publishes none. */
export function publishedLimit(tier: Tier, { modelClass, dimension }: Omit<SeenLimit, 'limit'>): number | null {
  const published = PUBLISHED_DIMENSIONS.find((name) => name === dimension);
  return (published === undefined ? null : tier.limits.get(modelClass)?.[published]) ?? null;
}

/**
 * The tier that the limits speak for; `null` if they speak for none. A workspace's administrator can lower a limit,
 * and only an agreement raises one: so if limits contradict each other, the higher tier is nearer the truth.
 *
 * | limits seen | tier |
 * | --- | --- |
 * | all those of a model class are one tier's | that tier; of several classes the highest |
 * | classes are mixed in themselves | the tier with most limits; of equals the highest |
 * | none is any tier's, one is above every tier's | the top tier, if that publishes no limits |
 * | none is any tier's | none |
 */
function impliedTier(evidence: readonly LimitEvidence[], { tiers }: TierScheme): Tier | null {
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

/** Returns the tiers whose limits match all observed limits of some model class. */
function wholeClasses(evidence: readonly LimitEvidence[]): ReadonlySet<string> {
  const tiersOf = new Map<string, Set<string | null>>();
  for (const { modelClass, tier } of evidence) {
    tiersOf.set(modelClass, (tiersOf.get(modelClass) ?? new Set()).add(tier));
  }
  const whole = [...tiersOf.values()].filter((names) => names.size === 1).flatMap((names) => [...names]);
  return new Set(whole.filter((name) => name !== null));
}

/** Returns the limits that are below, or above, the tier's published ones. */
function strayLimits(
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
