import type { AdviceBasis } from './advice-basis.ts';
import { publishedLimit } from './implied-tier.ts';
import type { Lift } from './progress.ts';
import { tierNamed, tierScheme } from './tiers.ts';
import { count, times } from './wording.ts';

/** One limit of one model class; the reason of a 429 or the dimension of a limiter. */
export interface LimitPlace {
  readonly modelClass: string;
  readonly limit: string;
}

/** What would make more of a limit, in words and in figures. */
export interface Remedy {
  /** Completes a sentence, with the `; ` before it; empty where there is none. */
  readonly text: string;
  readonly evidence: Readonly<Record<string, string | number | null>>;
}

/** A limit that is below its tier's is a workspace's own and is raised there; others rise with the tier. */
export function remedy(place: LimitPlace, basis: AdviceBasis): Remedy {
  const lift = liftOf(place, basis);
  const { tier, nextTier } = basis.verdict;
  return {
    text: own(lift, basis) ?? higher(lift, nextTier),
    evidence: { tier, nextTier, limit: lift?.from ?? null, nextLimit: lift?.to ?? null, factor: lift?.factor ?? null },
  };
}

function liftOf({ modelClass, limit }: LimitPlace, { progress }: AdviceBasis): Lift | null {
  const lifts = progress?.next?.lifts ?? [];
  return lifts.find((lift) => lift.modelClass === modelClass && lift.dimension === limit) ?? null;
}

function own(lift: Lift | null, { verdict, atMs }: AdviceBasis): string | null {
  const tier = tierNamed(tierScheme(atMs), verdict.tier ?? '');
  if (lift === null || tier === null || lift.from === null) return null;
  const published = publishedLimit(tier, lift);
  if (published === null || lift.from >= published) return null;
  return `; that limit is ${count(lift.from)}, and ${tier.name}'s is ${count(published)}: raise it in the workspace`;
}

function higher(lift: Lift | null, nextTier: string | null): string {
  if (nextTier === null) return '';
  if (lift === null || lift.factor === null || lift.factor <= 1) return `; what ${nextTier} allows is not published`;
  return `; ${nextTier} would lift that limit ${times(lift.factor)}`;
}
