import { budgetExceeded, type BudgetExceededError } from '../budget/budget-exceeded.ts';
import { REFUSAL } from '../vocabulary.ts';
import { isEndpointRefused } from './access/endpoint-guard.ts';
import { isRateLimited } from './access/rate-limited.ts';
import { NotGrantedError } from './grant-rules.ts';
import { refused, type ShortAnswer } from './refusals.ts';

/** The answer to a request that a guard refused; `null` for an error that is no refusal of a guard's. */
export function guardRefusal(error: unknown): ShortAnswer | null {
  if (typeof error !== 'object' || error === null || (error as { [REFUSAL]?: unknown })[REFUSAL] !== true) return null;
  const budget = budgetExceeded(error);
  if (budget !== null) return overBudget(budget);
  if (isRateLimited(error)) {
    const { message, retryAfterSeconds } = error;
    return refused({ status: 429, type: 'rate_limit_error', message, retryAfterSeconds });
  }
  if (error instanceof NotGrantedError) return refused(error.refusal);
  const message = isEndpointRefused(error) ? error.message : 'Not sent: a guard of the gateway refused the request.';
  return refused({ status: 403, type: 'permission_error', message });
}

function overBudget({ message, reason, budget, resetsAt }: BudgetExceededError): ShortAnswer {
  if (reason === 'ledger_unavailable') {
    return refused({ status: 529, type: 'overloaded_error', message, retryAfterSeconds: 5 });
  }
  const why =
    reason === 'exceeded'
      ? `the call does not fit into the budget "${budget}", which resets at ${resetsAt.toISOString()}`
      : `no price is known for the model, and the budget "${budget}" blocks what it cannot price`;
  return refused({ status: 402, type: 'billing_error', message: `Not sent: ${why}.` }, false);
}
