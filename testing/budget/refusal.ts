import assert from 'node:assert/strict';
import { BudgetExceededError, budgetExceeded } from 'plimsoll/budget';

/** What a call was refused with. */
export async function refusal(call: () => Promise<unknown>): Promise<BudgetExceededError> {
  const error: unknown = await call().then(
    () => assert.fail('the call was let through'),
    (reason: unknown) => reason,
  );
  const found = budgetExceeded(error);
  assert.ok(found instanceof BudgetExceededError, String(error));
  return found;
}
