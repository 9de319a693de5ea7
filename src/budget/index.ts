/** `plimsoll/budget`: spend limits, the ledgers that store spend, and the error of a refused call. */
export { budgets, budgetsFromFile } from './budgets.ts';
export type { BudgetHost, BudgetListener, Budgets } from './budgets.ts';
export type { BudgetsOptions, BudgetsSettings } from './settings.ts';
export type { BudgetsStatus, BudgetStatus } from './budgets.ts';
export { loadBudgets } from './definition.ts';
export type { BudgetDefinition, PeriodDefinition, ScopeDefinition } from './definition.ts';
export type { Budget, BudgetCounts, BudgetMode, Decision, OnLedgerDown, Period, Scope } from './budget.ts';
export type { AccountStatus, BudgetView, ThresholdReached } from './account.ts';
export { BudgetExceededError, budgetExceeded, isBudgetExceeded } from './budget-exceeded.ts';
export type { BudgetExceededDetails, BudgetRefusal } from './budget-exceeded.ts';
export { forecast, rollingForecast } from './forecast.ts';
export type { Forecast, RollingSpend, SpendSoFar } from './forecast.ts';
export { memoryLedger } from './memory-ledger.ts';
export { sqliteLedger } from './sqlite-ledger.ts';
export type { SqliteLedgerOptions } from './sqlite-ledger.ts';
export { LedgerUnavailableError } from './ledger.ts';
export type {
  AccountPeriod,
  Balance,
  Eventually,
  Ledger,
  LedgerKind,
  Posted,
  Posting,
  Reading,
  Spend,
  Window,
} from './ledger.ts';
export type { Cancel, Span, Timers } from '../clock.ts';
export type { BudgetPrices } from './budget-prices.ts';
