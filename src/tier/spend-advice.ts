import type { Advice, AdviceBasis, MonthBudget } from './advice-basis.ts';
import { calendarMonth } from './calendar-month.ts';
import type { TierProgress } from './progress.ts';
import { day, name, usd } from './wording.ts';

/** What the month's money comes to: the tier's cap, and whether the budgets stay below it. */
export function spendAdvice(basis: AdviceBasis): readonly Advice[] {
  const reached = reachedAdvice(basis);
  return [
    ...reached,
    ...(reached.length > 0 || basis.progress === null ? [] : aheadAdvice(basis.progress, basis.atMs)),
    ...basis.monthBudgets.flatMap((budget) => budgetAdvice(budget, basis)),
    ...thresholdAdvice(basis),
  ];
}

function reachedAdvice({ week, progress, atMs }: AdviceBasis): readonly Advice[] {
  const month = calendarMonth(atMs);
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
  const text = `${usd(spentUsd)} was spent this month, and the cap is ${usd(capUsd)}: the API refuses calls. ${back}`;
  return [{ kind: 'spend_cap_reached', severity: 'critical', text, evidence }];
}

const CRITICAL_MS = 3 * 24 * 60 * 60_000;

function aheadAdvice({ monthlyCapUsd, capReachedAtMs, spend }: TierProgress, atMs: number): readonly Advice[] {
  if (monthlyCapUsd === null || capReachedAtMs === null || spend === null) return [];
  const isLowerBound = spend.source === 'ledger';
  const text =
    `At this month's rate the cap of ${usd(monthlyCapUsd)} is reached on ${day(capReachedAtMs)}` +
    `${isLowerBound ? ' at the latest' : ''}; ` +
    `${usd(spend.usd)} was spent so far${isLowerBound ? ', a lower bound: what plimsoll saw' : ''}.`;
  return [
    {
      kind: 'spend_cap_ahead',
      severity: capReachedAtMs - atMs <= CRITICAL_MS ? 'critical' : 'warning',
      text,
      evidence: { spentUsd: spend.usd, spendSource: spend.source, capUsd: monthlyCapUsd, capReachedAtMs },
    },
  ];
}

function budgetAdvice(budget: MonthBudget, { progress }: AdviceBasis): readonly Advice[] {
  const capUsd = progress?.monthlyCapUsd ?? null;
  if (capUsd === null) return [];
  const evidence = { budget: budget.name, limitUsd: budget.limitUsd, capUsd };
  const [limit, cap] = [usd(budget.limitUsd), usd(capUsd)];
  if (budget.limitUsd > capUsd) {
    const text = `Your month budget of ${limit} (${name(budget.name)}) is above the cap of ${cap}: the API refuses before the budget is spent.`;
    return [{ kind: 'budget_above_cap', severity: 'warning', text, evidence }];
  }
  const text = budget.blocks
    ? `Your month budget of ${limit} keeps you under the cap of ${cap}.`
    : `Your month budget of ${limit} is under the cap of ${cap}, but refuses nothing: only one with mode "block" keeps you under it.`;
  return [{ kind: 'budget_below_cap', severity: 'info', text, evidence }];
}

function thresholdAdvice({ progress }: AdviceBasis): readonly Advice[] {
  const next = progress?.next ?? null;
  if (next === null || next.thresholdUsd === null) return [];
  const text = `${next.name} begins at ${usd(next.thresholdUsd)} of credit purchased in total.`;
  return [
    {
      kind: 'next_threshold',
      severity: 'info',
      text,
      evidence: { nextTier: next.name, thresholdUsd: next.thresholdUsd },
    },
  ];
}
