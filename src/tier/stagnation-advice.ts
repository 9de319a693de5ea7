import type { Advice, AdviceBasis } from './advice-basis.ts';
import { remedy } from './remedy.ts';
import type { DayOfMinutes, Throttling } from './throttle-history.ts';
import { limitName, throttledShare, total } from './throttled-minutes.ts';
import { className, percent } from './wording.ts';

/** The last three days, today included, are compared with the three before. */
const DAYS = 3;
const FEWEST_MINUTES = 10;
const GROWTH = 1.5;

/** Whether 429s grow while the tier stands: the worst case of a model class and a limit. */
export function stagnationAdvice(basis: AdviceBasis): readonly Advice[] {
  const { tier, nextTier } = basis.verdict;
  if (tier === null || nextTier === null) return [];
  const worst = basis.week.flatMap((throttling) => grown(throttling, basis)).toSorted((a, b) => b.lately - a.lately)[0];
  if (worst === undefined) return [];
  const { modelClass, reason, before, lately } = worst;
  const { text, evidence } = remedy({ modelClass, limit: reason }, basis);
  return [
    {
      kind: 'tier_stagnation',
      severity: 'warning',
      text:
        `429s by ${limitName(reason)} on ${className(modelClass)} grow while the tier stands at ${tier}: ` +
        `from ${percent(before)} to ${percent(lately)} of active minutes in a week${text}.`,
      evidence: { modelClass, reason, shareBefore: before, share: lately, ...evidence },
    },
  ];
}

type Growth = Pick<Throttling, 'modelClass' | 'reason'> & { readonly before: number; readonly lately: number };

function grown({ modelClass, reason, days }: Throttling, { tierChangedAtMs }: AdviceBasis): readonly Growth[] {
  const earlier = days.slice(-2 * DAYS, -DAYS);
  const [first, last] = [total(earlier), total(days.slice(-DAYS))];
  const [before, lately] = [throttledShare(first), throttledShare(last)];
  const hasStood = tierChangedAtMs === null || tierChangedAtMs < startMs(earlier);
  const hasGrown = first.activeMinutes > 0 && last.throttledMinutes >= FEWEST_MINUTES && lately >= before * GROWTH;
  return limitName(reason) !== null && hasStood && hasGrown ? [{ modelClass, reason, before, lately }] : [];
}

function startMs(days: readonly DayOfMinutes[]): number {
  return Date.parse(days[0]?.day ?? '');
}
