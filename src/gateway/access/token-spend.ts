import { Account } from '../../budget/account.ts';
import { BudgetGuard } from '../../budget/budget-guard.ts';
import type { Budget } from '../../budget/budget.ts';
import { Estimator, type BudgetPrices } from '../../budget/estimate.ts';
import { LedgerLink } from '../../budget/ledger-link.ts';
import type { Ledger } from '../../budget/ledger.ts';
import { memoryLedger } from '../../budget/memory-ledger.ts';
import { systemClock, systemTimers, type Clock, type Timers } from '../../clock.ts';
import type { SpendGuard } from '../../vocabulary.ts';
import { LONGEST_MINTED_SECONDS } from './client.ts';

export interface TokenSpendOptions {
  readonly prices: BudgetPrices;
  /**
   * Where the spend of a token is kept; asked for once a token. Default: a ledger in memory, which is forgotten with the
   * token. One that replicas share must forget by itself, or it fills with tokens that are long over.
   */
  readonly ledger?: () => Ledger;
  /** Told of a ledger that does not answer. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
}

/** A token that may spend so much in its life. */
export interface SpendingToken {
  readonly id: string;
  readonly spendNanoUsd: bigint;
  readonly expiresAtMs: number;
}

const LIFE_MS = LONGEST_MINTED_SECONDS * 1_000;

/** Longer than for a budget that is open while its ledger is slow: a call that is late is better than one that is refused. */
const DEADLINE_MS = 1_000;

const HOLD_MS = 60_000;

const CLOSE_MS = 2_000;

interface Purse {
  readonly guard: SpendGuard;
  readonly link: LedgerLink;
  readonly expiresAtMs: number;
}

/**
 * What minted tokens have left: each is a budget of its own, held and settled as budgets are, in whole nano-dollars. So
 * what is held for a call is what it is expected to cost, and only calls under way can cost more than is left. It blocks
 * calls whose model has no price, and while its ledger does not answer: it bounds what a stolen token can do.
 */
export class TokenSpend {
  readonly #options: TokenSpendOptions;
  readonly #clock: Clock;
  readonly #estimator: Estimator;
  readonly #purses = new Map<string, Purse>();
  #sweepAtMs = 0;

  constructor(options: TokenSpendOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#estimator = new Estimator(options.prices);
  }

  /** What asks for a call of the token's, and is told what it cost. The same for as long as the token lives. */
  of(token: SpendingToken): SpendGuard {
    this.#forgetExpired();
    let purse = this.#purses.get(token.id);
    if (purse === undefined) {
      purse = this.#purse(token);
      this.#purses.set(token.id, purse);
    }
    return purse.guard;
  }

  /** Waits until the ledgers have what was spent, up to 2 s. */
  async close(): Promise<void> {
    const links = [...this.#purses.values()].map(({ link }) => link);
    await Promise.all(links.map((link) => link.drain(CLOSE_MS)));
    for (const link of links) link.close();
  }

  #purse({ id, spendNanoUsd, expiresAtMs }: SpendingToken): Purse {
    const { ledger = memoryLedger, onError = () => undefined, timers = systemTimers } = this.#options;
    const link = new LedgerLink({
      ledger: ledger(),
      clock: this.#clock,
      timers,
      random: Math.random,
      deadlineMs: DEADLINE_MS,
      holdMs: HOLD_MS,
      onError,
      onUp: () => undefined,
    });
    const account = new Account(budgetOf(id, spendNanoUsd), link, () => undefined);
    const guard = new BudgetGuard({ accounts: [account], estimator: this.#estimator, onDecision: () => undefined });
    return { guard, link, expiresAtMs };
  }

  /** Once a minute, of tokens whose calls, begun in time, are over too or will be settled without being looked up. */
  #forgetExpired(): void {
    const nowMs = this.#clock.epochMs();
    if (nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = nowMs + 60_000;
    for (const [id, { expiresAtMs }] of this.#purses) if (expiresAtMs < nowMs) this.#purses.delete(id);
  }
}

/** No token lives longer than its window, so what it spent never leaves it. */
function budgetOf(id: string, limitNanoUsd: bigint): Budget {
  return {
    name: `token-${id}`,
    scope: { kind: 'all' },
    period: { kind: 'rolling', lengthMs: LIFE_MS },
    limitNanoUsd,
    mode: 'block',
    thresholds: [],
    onUnknownPrice: 'block',
    onLedgerDown: 'closed',
  };
}
