import { className, count, percent, times } from '../figures.ts';
import type { Advice, AdviceBasis, Severity } from './advice-basis.ts';
import type { Lift } from './progress.ts';
import { limitName, throttledShare, total, type PeakUse, type Throttling } from './throttles.ts';
import { PUBLISHED_DIMENSIONS, tierNamed, tierScheme } from './tiers.ts';
import { publishedLimit } from './verdict.ts';

/** Fewer throttled minutes in a week are chance. */
const FEWEST_MINUTES = 3;

const CRITICAL_SHARE = 0.1;

const WARNING_SHARE = 0.01;

const NEAR = 0.8;

const AMPLE = 0.5;

/** Advises on rate limits: those that refuse calls, those that are close, and those with ample room. */
export function throttleAdvice(basis: AdviceBasis): readonly Advice[] {
  return [
    ...basis.week.flatMap((throttling) => throttledAdvice(throttling, basis)),
    ...basis.peaks.flatMap((peak) => nearAdvice(peak, basis)),
    ...ampleAdvice(basis),
  ];
}

function throttledAdvice({ modelClass, reason, days }: Throttling, basis: AdviceBasis): readonly Advice[] {
  const minutes = total(days);
  if (minutes.throttledMinutes < FEWEST_MINUTES) return [];
  const share = throttledShare(minutes);
  const severity = severityOf(share);
  const evidence = { modelClass, reason, share, ...minutes };
  const where = `on ${className(modelClass)} for ${percent(share)} of active minutes this week`;
  if (reason === 'acceleration') {
    const text = `Refused for acceleration ${where}: increase the load step by step; a higher tier does not change that.`;
    return [{ kind: 'acceleration', severity, text, evidence }];
  }
  const limit = limitName(reason);
  if (limit === null) return [];
  const more = remedy({ modelClass, limit: reason }, basis);
  const text = `Throttled by ${limit} ${where}${more.text}.`;
  return [{ kind: 'throttled', severity, text, evidence: { ...evidence, ...more.evidence } }];
}

function severityOf(share: number): Severity {
  if (share >= CRITICAL_SHARE) return 'critical';
  return share >= WARNING_SHARE ? 'warning' : 'info';
}

function nearAdvice({ modelClass, dimension, usedRatio }: PeakUse, basis: AdviceBasis): readonly Advice[] {
  const limit = PUBLISHED_DIMENSIONS.find((one) => one === dimension);
  if (limit === undefined || usedRatio < NEAR) return [];
  const isThrottled = basis.week.some(
    (one) =>
      one.modelClass === modelClass && one.reason === limit && total(one.days).throttledMinutes >= FEWEST_MINUTES,
  );
  if (isThrottled) return [];
  const more = remedy({ modelClass, limit }, basis);
  const used = `${percent(usedRatio)} of the ${limitName(limit)} of ${className(modelClass)}`;
  return [
    {
      kind: 'limits_near',
      severity: 'info',
      text: `Up to ${used} were in use this week${more.text}.`,
      evidence: { modelClass, dimension, usedRatio, ...more.evidence },
    },
  ];
}

function ampleAdvice({ week, peaks, verdict: { tier, nextTier } }: AdviceBasis): readonly Advice[] {
  const isThrottled = week.some(({ reason, days }) => limitName(reason) !== null && total(days).throttledMinutes > 0);
  const highest = peaks.toSorted((a, b) => b.usedRatio - a.usedRatio)[0];
  if (isThrottled || highest === undefined || highest.usedRatio >= AMPLE) return [];
  const need = nextTier === null ? 'no need for higher limits' : `no need for ${nextTier}`;
  const text = `At most ${percent(highest.usedRatio)} of any limit was used this week: ${need}.`;
  return [{ kind: 'limits_ample', severity: 'info', text, evidence: { ...highest, tier } }];
}

/** One limit of one model class, named by the reason of a 429 or the dimension of a limiter. */
interface LimitPlace {
  readonly modelClass: string;
  readonly limit: string;
}

/** Advice on how to get more of a limit, in words and in figures. */
interface Remedy {
  /** Completes a sentence, with the `; ` before it; empty if there is none. */
  readonly text: string;
  readonly evidence: Readonly<Record<string, string | number | null>>;
}

/** Names the remedy. A limit below the tier's is a workspace's own and is raised there; others rise with the tier. */
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
