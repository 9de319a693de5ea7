import { Account } from '../../budget/account.ts';
import { BudgetGuard } from '../../budget/budget-guard.ts';
import type { Budget } from '../../budget/budget.ts';
import type { BudgetPrices } from '../../budget/budget-prices.ts';
import { Estimator } from '../../budget/estimate.ts';
import type { LedgerLink } from '../../budget/ledger-link.ts';
import type { Ledger } from '../../budget/ledger.ts';
import { systemClock, type Clock, type Timers } from '../../clock.ts';
import type { SpendGuard } from '../../decisions.ts';
import type { MemberBudget } from './member.ts';
import { linkTo } from './token-spend.ts';

interface MemberBudgetsOptions {
  readonly prices: BudgetPrices;
  /** Keeps the spend of all members. Closed with the budgets. */
  readonly ledger: Ledger;
  /** Called with the error of a ledger that does not respond. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
}

/** Members whose budgets are open at a time. One that is closed is opened by the next call. */
const MOST_OPEN = 2_000;

const CLOSE_MS = 2_000;

interface Opened {
  readonly guard: SpendGuard;
  readonly link: LedgerLink;
}

/**
 * The budgets of members: each has an account of its own in the ledger, by the name of its client and owner, so that a new
 * token goes on where the old one was. Calls are blocked that do not fit, that have no price, and while the ledger does not
 * answer.
 */
export class MemberBudgets {
  readonly #options: MemberBudgetsOptions;
  readonly #clock: Clock;
  readonly #estimator: Estimator;
  /** The one that was asked last is the last. */
  readonly #open = new Map<string, Opened>();

  constructor(options: MemberBudgetsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#estimator = new Estimator(options.prices);
  }

  /** Returns the guard that reserves for a member's calls and settles them. */
  of(name: string, budget: MemberBudget): SpendGuard {
    const key = `${name} ${budget.nanoUsd}/${budget.period}`;
    const opened = this.#open.get(key) ?? this.#openFor(name, budget);
    this.#open.delete(key);
    this.#open.set(key, opened);
    if (this.#open.size > MOST_OPEN) this.#dropOldest();
    return opened.guard;
  }

  /** Waits at most 2 s until the ledger has stored all spend, and closes it. */
  async close(): Promise<void> {
    const links = [...this.#open.values()].map(({ link }) => link);
    await Promise.all(links.map((link) => link.drain(CLOSE_MS)));
    for (const link of links) link.close();
    await this.#options.ledger.close();
  }

  #openFor(name: string, { nanoUsd, period }: MemberBudget): Opened {
    const { ledger, onError, timers } = this.#options;
    const link = linkTo(ledger, { clock: this.#clock, onError, timers });
    const budget: Budget = {
      name,
      limitNanoUsd: nanoUsd,
      period: { kind: period },
      scope: { kind: 'all' },
      mode: 'block',
      thresholds: [],
      onUnknownPrice: 'block',
      onLedgerDown: 'closed',
    };
    const guard = new BudgetGuard({
      accounts: [new Account(budget, link, () => undefined)],
      estimator: this.#estimator,
      onLedgerDown: 'closed',
    });
    return { guard, link };
  }

  /** Its calls in progress still settle: its writer in the ledger is its own. */
  #dropOldest(): void {
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    const [key, { link }] = oldest;
    this.#open.delete(key);
    void link.drain(CLOSE_MS);
  }
}
