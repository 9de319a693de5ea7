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

/** In words: who calls over HTTP has none of the fields that the error has in a program. */
function overBudget({ message, reason, budget, limitUsd, resetsAt }: BudgetExceededError): ShortAnswer {
  if (reason === 'ledger_unavailable') {
    return refused({ status: 529, type: 'overloaded_error', message, retryAfterSeconds: 5 });
  }
  const why =
    reason === 'exceeded'
      ? `the call does not fit into the budget "${budget}" of ${dollars(limitUsd)}, which resets at ${resetsAt.toISOString()}`
      : `no price is known for the model, and the budget "${budget}" blocks what it cannot price`;
  return refused({ status: 402, type: 'billing_error', message: `Not sent: ${why}.` }, false);
}

/** Down to the nano-dollar, which a limit may be written in, and with cents at least. */
function dollars(usd: number): string {
  return `$${usd.toFixed(9).replace(/(\.\d\d\d*?)0+$/, '$1')}`;
}
