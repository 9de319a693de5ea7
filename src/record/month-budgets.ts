import type { BudgetView } from '../budget/account.ts';
import type { Budgets } from '../budget/budgets.ts';
import { usdOf } from '../budget/nano-usd.ts';
import type { MonthBudget } from '../tier/advice-basis.ts';

/** Nano-dollars spent in the present calendar month (UTC), as a ledger knows them; `null` while it does not. */
export type MonthSpendNanoUsd = () => bigint | number | null;

/** What budgets know of the month that a tier's cap counts. */
export interface MonthBudgets {
  readonly monthBudgets: readonly MonthBudget[];
  /** `undefined` where nothing but this process itself has counted. */
  readonly monthSpendNanoUsd: MonthSpendNanoUsd | undefined;
}

/** The budgets for all calls of a calendar month. A ledger in memory knows no more than this process has seen itself. */
export function monthBudgets(budgets: Budgets): MonthBudgets {
  const views = budgets.all.filter(({ budget: { scope, period } }) => scope.kind === 'all' && period.kind === 'month');
  const isOwnCount = views.length === 0 || budgets.ledger.kind === 'memory';
  return {
    monthBudgets: views.map(({ budget }) => monthBudget(budget)),
    monthSpendNanoUsd: isOwnCount ? undefined : () => mostSpent(views),
  };
}

function monthBudget({ name, limitNanoUsd, mode }: BudgetView['budget']): MonthBudget {
  return { name, limitUsd: usdOf(limitNanoUsd), blocks: mode === 'block' };
}

/** Each budget counts the same calls; one that was added in the middle of the month has counted fewer. */
function mostSpent(views: readonly BudgetView[]): bigint | null {
  return views.reduce<bigint | null>((most, view) => {
    const spent = view.balance()?.spentNanoUsd ?? null;
    return spent !== null && (most === null || spent > most) ? spent : most;
  }, null);
}
