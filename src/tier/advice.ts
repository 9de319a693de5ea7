import { utcMonth } from '../clock.ts';
import { className, day, name, percent, sentence, usd } from '../figures.ts';
import { ADVICE_KINDS, SEVERITIES, type Advice, type AdviceBasis, type MonthBudget } from './advice-basis.ts';
import type { TierProgress } from './progress.ts';
import { remedy, throttleAdvice } from './throttle-advice.ts';
import { limitName, throttledShare, total, type DayOfMinutes, type Throttling } from './throttles.ts';

/** Advises on limits, tier and caps, most important first; empty if there is nothing to say. */
export function advice(basis: AdviceBasis): readonly Advice[] {
  return [...spendAdvice(basis), ...stagnationAdvice(basis), ...throttleAdvice(basis), ...unknownAdvice(basis)]
    .toSorted(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        ADVICE_KINDS.indexOf(a.kind) - ADVICE_KINDS.indexOf(b.kind) ||
        share(b) - share(a),
    )
    .map((one) => ({ ...one, text: sentence(one.text) }));
}

function share({ evidence }: Advice): number {
  return Number(evidence['share'] ?? evidence['usedRatio'] ?? 0);
}

function unknownAdvice({ verdict: { tier, doubt, evidence } }: AdviceBasis): readonly Advice[] {
  if (tier !== null) return [];
  const why =
    evidence.length === 0
      ? 'no response has shown a limit that identifies it yet'
      : 'the limits in responses match no tier';
  const text = `The tier is not known: ${why}. Set the option tier: { name: 'Build' }; in a gateway, tier: Build.`;
  return [{ kind: 'tier_unknown', severity: 'info', text, evidence: { doubt, limitsSeen: evidence.length } }];
}

/** Advises on the month's money: the tier's cap, and whether the budgets stay below it. */
function spendAdvice(basis: AdviceBasis): readonly Advice[] {
  const reached = reachedAdvice(basis);
  return [
    ...reached,
    ...(reached.length > 0 || basis.progress === null ? [] : aheadAdvice(basis.progress, basis.atMs)),
    ...basis.monthBudgets.flatMap((budget) => budgetAdvice(budget, basis)),
    ...thresholdAdvice(basis),
  ];
}

function reachedAdvice({ week, progress, atMs }: AdviceBasis): readonly Advice[] {
  const month = utcMonth(atMs);
  const back = `Access returns on ${day(month.endMs)}, 00:00 UTC, or with a higher tier.`;
  const refusedDay = week
    .filter(({ reason }) => reason === 'spend_limit')
    .flatMap(({ days }) => days.filter(({ throttledMinutes }) => throttledMinutes > 0))
    .map((one) => one.day)
    .filter((one) => Date.parse(one) >= month.startMs)
    .toSorted()
    .at(-1);
  const capUsd = progress?.monthlyCapUsd ?? null;
  const spentUsd = progress?.spend?.usd ?? null;
  const evidence = { spentUsd, capUsd, refusedDay: refusedDay ?? null, returnsAtMs: month.endMs };
  const which = capUsd === null ? 'the monthly spend cap' : `the monthly spend cap of ${usd(capUsd)}`;
  if (refusedDay !== undefined) {
    const text = `The API refused calls on ${day(Date.parse(refusedDay))} because ${which} was reached. ${back}`;
    return [{ kind: 'spend_cap_reached', severity: 'critical', text, evidence }];
  }
  if (spentUsd === null || capUsd === null || spentUsd < capUsd) return [];
  const text = `${usd(spentUsd)} was spent this month, and the cap is ${usd(capUsd)}, so the API refuses calls. ${back}`;
  return [{ kind: 'spend_cap_reached', severity: 'critical', text, evidence }];
}

const CRITICAL_MS = 3 * 24 * 60 * 60_000;

function aheadAdvice({ monthlyCapUsd, capReachedAtMs, spend }: TierProgress, atMs: number): readonly Advice[] {
  if (monthlyCapUsd === null || capReachedAtMs === null || spend === null) return [];
  const text =
    `At this month's rate the cap of ${usd(monthlyCapUsd)} is reached on ${day(capReachedAtMs)} at the latest. ` +
    `At least ${usd(spend.usd)} was spent so far: plimsoll sees only its own calls.`;
  return [
    {
      kind: 'spend_cap_ahead',
      severity: capReachedAtMs - atMs <= CRITICAL_MS ? 'critical' : 'warning',
      text,
      evidence: { spentUsd: spend.usd, capUsd: monthlyCapUsd, capReachedAtMs },
    },
  ];
}

function budgetAdvice(budget: MonthBudget, { progress }: AdviceBasis): readonly Advice[] {
  const capUsd = progress?.monthlyCapUsd ?? null;
  if (capUsd === null) return [];
  const evidence = { budget: budget.name, limitUsd: budget.limitUsd, capUsd };
  const [limit, cap] = [usd(budget.limitUsd), usd(capUsd)];
  if (budget.limitUsd > capUsd) {
    const text = `Your month budget of ${limit} (${name(budget.name)}) is above the cap of ${cap}: the API will refuse calls before the budget is spent.`;
    return [{ kind: 'budget_above_cap', severity: 'warning', text, evidence }];
  }
  const text = budget.blocks
    ? `Your month budget of ${limit} keeps you under the cap of ${cap}.`
    : `Your month budget of ${limit} is under the cap of ${cap}, but refuses nothing: only a budget with mode "block" keeps you under it.`;
  return [{ kind: 'budget_below_cap', severity: 'info', text, evidence }];
}

function thresholdAdvice({ progress }: AdviceBasis): readonly Advice[] {
  const next = progress?.next ?? null;
  if (next === null || next.thresholdUsd === null) return [];
  const text = `${next.name} begins at total credit purchases of ${usd(next.thresholdUsd)}.`;
  return [
    {
      kind: 'next_threshold',
      severity: 'info',
      text,
      evidence: { nextTier: next.name, thresholdUsd: next.thresholdUsd },
    },
  ];
}

/** The last three days, including today, are compared with the three before. */
const DAYS = 3;

const FEWEST_MINUTES = 10;

const GROWTH = 1.5;

/** Advises if 429s grow while the tier stays the same: on the worst pair of model class and limit. */
function stagnationAdvice(basis: AdviceBasis): readonly Advice[] {
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
        `429s by ${limitName(reason)} on ${className(modelClass)} grow while the tier stays at ${tier}: ` +
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
