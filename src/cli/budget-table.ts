import type { Budget } from '../budget/budget.ts';
import { scopeName } from '../budget/budget.ts';
import type { BudgetsStatus, BudgetStatus } from '../budget/budgets.ts';
import { usdOf } from '../budget/nano-usd.ts';
import { periodName } from '../budget/period.ts';

const INDENT = '  ';
const NAME_WIDTH = 24;
const PERIOD_WIDTH = 14;

/** Budgets for people: three lines each, none wider than `columns`, with a bar from 0 to the limit. */
export function budgetLines({ budgets }: BudgetsStatus, columns: number): readonly string[] {
  return budgets.flatMap((status) => ['', headLine(status.budget, columns), barLine(status, columns), endLine(status)]);
}

/** Explains the marks of the bars. */
export const LEGEND = '█ spent  ▓ held for calls under way  ░ expected by the end of the period';

function headLine({ name, period, mode, scope }: Budget, columns: number): string {
  const columnsOf = [
    fitted(name, NAME_WIDTH).padEnd(NAME_WIDTH),
    periodName(period).padEnd(PERIOD_WIDTH),
    mode.padEnd(9),
    scopeName(scope),
  ];
  return fitted(columnsOf.join(' '), columns);
}

function barLine({ budget, balance, forecast }: BudgetStatus, columns: number): string {
  const limitUsd = usdOf(budget.limitNanoUsd);
  const spentUsd = usdOf(balance?.spentNanoUsd ?? 0n);
  const amounts = ` ${percent(spentUsd / limitUsd)}  ${usd(spentUsd)} of ${usd(limitUsd)}`;
  const width = Math.max(10, columns - INDENT.length - 2 - amounts.length);
  const marks = [
    ['█', spentUsd],
    ['▓', spentUsd + usdOf(balance?.reservedNanoUsd ?? 0n)],
    ['░', forecast?.expectedUsd ?? 0],
  ] as const;
  let bar = '';
  for (const [mark, reachedUsd] of marks) {
    const cells = Math.round(Math.min(1, reachedUsd / limitUsd) * width);
    bar += mark.repeat(Math.max(0, cells - bar.length));
  }
  return `${INDENT}[${bar.padEnd(width, '·')}]${amounts}`;
}

function endLine({ budget, balance, forecast, endMs }: BudgetStatus): string {
  const isRolling = budget.period.kind === 'rolling';
  const held = balance !== null && balance.reservedNanoUsd > 0n ? [`${usd(usdOf(balance.reservedNanoUsd))} held`] : [];
  const until = isRolling ? 'within a window from now' : `by ${minute(endMs)}`;
  const expected = forecast === null ? ['no forecast yet'] : [`${usd(forecast.expectedUsd)} expected ${until}`];
  const runsOutAtMs = forecast?.runsOutAtMs ?? null;
  const isOver = balance !== null && balance.spentNanoUsd >= budget.limitNanoUsd;
  const end = isOver ? ['used up'] : runsOutAtMs === null ? [] : [`runs out ${minute(runsOutAtMs)}`];
  return INDENT + [...held, ...expected, ...end].join(', ');
}

/** Budgets for programs: amounts in US dollars, times as ISO 8601, `null` where nothing is known. */
export function budgetsJson({ ledger, budgets }: BudgetsStatus, atMs: number): string {
  return JSON.stringify({ at: iso(atMs), ledger, budgets: budgets.map(json) }, null, 2);
}

function json({ budget, balance, forecast, startMs, endMs }: BudgetStatus): unknown {
  const limitUsd = usdOf(budget.limitNanoUsd);
  const runsOutAtMs = forecast?.runsOutAtMs ?? null;
  return {
    budget: budget.name,
    scope: scopeName(budget.scope),
    period: periodName(budget.period),
    mode: budget.mode,
    periodStart: iso(startMs),
    periodEnd: iso(endMs),
    limitUsd,
    spentUsd: balance && usdOf(balance.spentNanoUsd),
    reservedUsd: balance && usdOf(balance.reservedNanoUsd),
    usedRatio: balance && usdOf(balance.spentNanoUsd) / limitUsd,
    burnUsdPerHour: forecast && forecast.burnUsdPerHour,
    forecastUsd: forecast && forecast.expectedUsd,
    runsOutAt: runsOutAtMs === null ? null : iso(runsOutAtMs),
  };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** `2026-11-30 14:05`, in UTC. */
function minute(atMs: number): string {
  return iso(atMs).slice(0, 16).replace('T', ' ');
}

function usd(amount: number): string {
  return `$${amount.toFixed(amount < 1 && amount > 0 ? 4 : 2)}`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`.padStart(5);
}

function fitted(line: string, columns: number): string {
  const trimmed = line.trimEnd();
  return trimmed.length <= columns ? trimmed : `${trimmed.slice(0, columns - 1)}…`;
}
