import { brandedCause } from '../errors.ts';
import { REFUSAL } from '../decisions.ts';
import { usdOf } from '../figures.ts';
import type { Budget } from './budget.ts';
import type { Balance } from './ledger.ts';

/** Marks the error in every copy of the package. */
const BRAND = Symbol.for('plimsoll.budget-exceeded');

/**
 * The reason of a refusal: the call does not fit (`exceeded`), its model has no price (`unknown_price`), or the ledger
 * does not answer and the budget lets no more calls through then (`ledger_unavailable`).
 */
export type BudgetRefusal = 'exceeded' | 'unknown_price' | 'ledger_unavailable';

/**
 * The SDK retries an error whose text looks like a timeout. So these sentences are fixed, and contain nothing that a
 * user can name, such as a budget.
 */
const MESSAGES: Readonly<Record<BudgetRefusal, string>> = {
  exceeded: "Not sent: the call would exceed a budget. This error's fields say which budget, and when it resets.",
  unknown_price: 'Not sent: no price is known for the model, and a budget blocks what it cannot price.',
  ledger_unavailable:
    'Not sent: the ledger of a budget does not respond, and its onLedgerDown lets no more calls through.',
};

/** The fields of a refusal. Amounts are US dollars. */
export interface BudgetExceededDetails {
  readonly reason: BudgetRefusal;
  /** The budget's name. */
  readonly budget: string;
  readonly limitUsd: number;
  /** `null` if the ledger has reported nothing. */
  readonly spentUsd: number | null;
  /** Reserved for calls in progress; `null` if the ledger has reported nothing. */
  readonly reservedUsd: number | null;
  /**
   * The time when today's spend no longer counts: the end of the day or month, or the end of a rolling window that
   * starts now.
   */
  readonly resetsAt: Date;
}

/** A budget in mode `block` refused the call. Nothing was sent, and the SDK does not retry it. */
export class BudgetExceededError extends Error implements BudgetExceededDetails {
  readonly code = 'PLIMSOLL_BUDGET_EXCEEDED';
  readonly reason: BudgetRefusal;
  readonly budget: string;
  readonly limitUsd: number;
  readonly spentUsd: number | null;
  readonly reservedUsd: number | null;
  readonly resetsAt: Date;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor(details: BudgetExceededDetails) {
    super(MESSAGES[details.reason]);
    this.name = 'BudgetExceededError';
    this.reason = details.reason;
    this.budget = details.budget;
    this.limitUsd = details.limitUsd;
    this.spentUsd = details.spentUsd;
    this.reservedUsd = details.reservedUsd;
    this.resetsAt = details.resetsAt;
  }
}

/** The error of a budget that refuses. `balance`: `null` if the ledger has reported nothing. */
export function exceededError(
  { name, limitNanoUsd }: Budget,
  { reason, balance }: { readonly reason: BudgetRefusal; readonly balance: Balance | null },
  resetsAtMs: number,
): BudgetExceededError {
  return new BudgetExceededError({
    reason,
    budget: name,
    limitUsd: usdOf(limitNanoUsd),
    spentUsd: balance && usdOf(balance.spentNanoUsd),
    reservedUsd: balance && usdOf(balance.reservedNanoUsd),
    resetsAt: new Date(resetsAtMs),
  });
}

/**
 * Tells whether the error is a budget's refusal, or has one among its causes: some of the SDK's helpers wrap errors.
 */
export function isBudgetExceeded(error: unknown): boolean {
  return budgetExceeded(error) !== null;
}

/** Finds the budget's refusal among the causes of the error, at any depth; `null` if there is none. */
export function budgetExceeded(error: unknown): BudgetExceededError | null {
  return brandedCause(error, BRAND) as BudgetExceededError | null;
}
