import { brandedCause } from '../errors.ts';
import { REFUSAL } from '../vocabulary.ts';

/** Marks the error in every copy of the package. */
const BRAND = Symbol.for('plimsoll.budget-exceeded');

/**
 * Why a budget refused: the call does not fit (`exceeded`), its model has no price (`unknown_price`), or the ledger
 * does not answer and the budget is closed then (`ledger_unavailable`).
 */
export type BudgetRefusal = 'exceeded' | 'unknown_price' | 'ledger_unavailable';

/**
 * Fixed: the SDK takes an error for a timeout, and sends the request again, when its text looks like one. So nothing
 * that a user can name, such as a budget, is in it.
 */
const MESSAGES: Readonly<Record<BudgetRefusal, string>> = {
  exceeded: 'Not sent: the call does not fit into a budget. The fields of this error say which, and when it resets.',
  unknown_price: 'Not sent: no price is known for the model, and a budget blocks what it cannot price.',
  ledger_unavailable: 'Not sent: the ledger of a budget does not answer, and the budget is closed while it does not.',
};

/** What a refusal says. Amounts are US dollars. */
export interface BudgetExceededDetails {
  readonly reason: BudgetRefusal;
  /** The budget's name. */
  readonly budget: string;
  readonly limitUsd: number;
  /** `null` where the ledger has said nothing. */
  readonly spentUsd: number | null;
  /** Held for calls under way; `null` where the ledger has said nothing. */
  readonly reservedUsd: number | null;
  /** When all that is spent now no longer counts: the end of the day or month, or a rolling window from now. */
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

/** Whether the error is a budget's refusal, or has one among its causes: helpers of the SDK wrap what they catch. */
export function isBudgetExceeded(error: unknown): boolean {
  return budgetExceeded(error) !== null;
}

/** The budget's refusal itself, however deep it lies among the causes of the error; `null` where there is none. */
export function budgetExceeded(error: unknown): BudgetExceededError | null {
  return brandedCause(error, BRAND) as BudgetExceededError | null;
}
