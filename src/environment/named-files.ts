import { loadBudgets } from '../budget/budget-file.ts';
import type { Budget } from '../budget/budget.ts';
import { ConfigurationError } from '../configuration-error.ts';
import { loadPrices } from '../pricing/load-prices.ts';
import { defaultPrices, type PriceTable } from '../pricing/prices.ts';
import { textOf, type Env, type Findings } from './findings.ts';

/** Of the file that `PLIMSOLL_PRICES` names; else, and where it cannot be used, the table that comes with the package. */
export function pricesOf(env: Env, findings: Findings): PriceTable {
  const path = textOf(env, 'PLIMSOLL_PRICES');
  if (path === '') return defaultPrices();
  try {
    return loadPrices(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.problems.push(...error.problems.map((problem) => `PLIMSOLL_PRICES: ${problem}`));
    return defaultPrices();
  }
}

/** Of the file that `PLIMSOLL_BUDGETS` names; else none. */
export function budgetsOf(env: Env, findings: Findings): readonly Budget[] {
  const path = textOf(env, 'PLIMSOLL_BUDGETS');
  if (path === '') return [];
  try {
    return loadBudgets(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.problems.push(...error.problems.map((problem) => `PLIMSOLL_BUDGETS: ${problem}`));
    return [];
  }
}
