import type { BudgetPrices } from './budget-prices.ts';
import { isVolatileInMemory, type Budget } from './budget.ts';

/** Warns of budgets that a ledger in memory serves badly; says nothing where there is none. */
export function warnOfVolatile(budgets: readonly Budget[]): void {
  warn(budgets.filter(isVolatileInMemory), {
    says: 'Budgets kept in memory: each replica enforces separately; lost on restart',
    code: 'PLIMSOLL_VOLATILE_LEDGER',
    detail: 'Pass a ledger that outlives the process: sqliteLedger(path) on one machine, redisLedger(url) for a fleet.',
  });
}

/** Warns of budgets whose model has no price now: it may be a name that no call will ever have. */
export function warnOfUnknownModels(budgets: readonly Budget[], prices: BudgetPrices, atMs: number): void {
  const isUnknown = ({ scope }: Budget): boolean =>
    scope.kind === 'model' && prices.priceAt(prices.canonicalModel(scope.model), atMs) === null;
  warn(budgets.filter(isUnknown), {
    says: 'Budgets of a model that the price table does not know: they may count nothing',
    code: 'PLIMSOLL_BUDGET_MODEL_UNKNOWN',
    detail: 'Check the id of the model against `plimsoll prices`, or give it a price.',
  });
}

interface Warning {
  readonly says: string;
  readonly code: string;
  readonly detail: string;
}

function warn(budgets: readonly Budget[], { says, code, detail }: Warning): void {
  if (budgets.length === 0) return;
  const names = budgets.map(({ name }) => name).join(', ');
  process.emitWarning(`${says} (${names}).`, { type: 'PlimsollWarning', code, detail });
}
