import { Account } from '../../budget/account.ts';
import { BudgetGuard } from '../../budget/budget-guard.ts';
import type { Budget } from '../../budget/budget.ts';
import type { BudgetPrices } from '../../budget/budget-prices.ts';
import { Estimator } from '../../budget/estimate.ts';
import { LedgerLink } from '../../budget/ledger-link.ts';
import { LedgerLossError, type Ledger } from '../../budget/ledger.ts';
import { memoryLedger } from '../../budget/memory-ledger.ts';
import { systemClock, systemTimers, type Clock, type Timers } from '../../clock.ts';
import type { SpendGuard } from '../../decisions.ts';
import { LONGEST_MINTED_SECONDS } from './client.ts';

/** Options of the budgets of minted tokens. */
export interface TokenSpendOptions {
  readonly prices: BudgetPrices;
  /**
   * Opens the ledger of a token, once per token. Default: in memory, dropped with the token. A ledger that replicas
   * share must expire by itself, or it fills up with expired tokens.
   */
  readonly ledger?: (tokenId: string) => Ledger;
  /** Called with the error of a ledger that does not respond. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
}

/** A token with a spend limit for its whole lifetime. */
export interface SpendingToken {
  readonly id: string;
  readonly spendNanoUsd: bigint;
  readonly expiresAtMs: number;
}

const LIFE_MS = LONGEST_MINTED_SECONDS * 1_000;

/**
 * Longer than for a budget that lets calls through while its ledger is slow, because here a late call is better than a
 * refused one.
 */
const DEADLINE_MS = 1_000;

const HOLD_MS = 60_000;

const CLOSE_MS = 2_000;

interface TokenBudget {
  readonly guard: SpendGuard;
  readonly link: LedgerLink;
  readonly expiresAtMs: number;
}

/**
 * Limits the spend of minted tokens. Each token is a budget that blocks, with reservations in whole nano-dollars. A call
 * reserves the most that it can cost: a token for each character of its body, and all of `max_tokens`, for each model that it
 * names; a chain of fallbacks that the API chooses is refused, like a model without a price. Nothing is learned from other calls, and a client that leaves pays all that its call held. What has no
 * bound is refused by a rule, unless the client allows it. So the limit is exceeded only by what is allowed, by text that has
 * more tokens than characters, and by a tenth where the workspace runs requests in the US by default. Calls are also blocked if their
 * model has no price, and while the ledger does not answer: the limit is what bounds a thief of the token.
 */
export class TokenSpend {
  readonly #options: TokenSpendOptions;
  readonly #clock: Clock;
  readonly #estimator: Estimator;
  readonly #budgets = new Map<string, TokenBudget>();
  #sweepAtMs = 0;

  constructor(options: TokenSpendOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#estimator = new Estimator(options.prices, { expects: 'worst' });
  }

  /** Returns the guard that reserves for the token's calls and settles them. One object per token. */
  of(token: SpendingToken): SpendGuard {
    this.#forgetExpired();
    let budget = this.#budgets.get(token.id);
    if (budget === undefined) {
      budget = this.#open(token);
      this.#budgets.set(token.id, budget);
    }
    return budget.guard;
  }

  /** Waits at most 2 s until the ledgers have stored all spend. */
  async close(): Promise<void> {
    const links = [...this.#budgets.values()].map(({ link }) => link);
    await Promise.all(links.map((link) => link.drain(CLOSE_MS)));
    for (const link of links) link.close();
  }

  #open({ id, spendNanoUsd, expiresAtMs }: SpendingToken): TokenBudget {
    const { ledger = memoryLedger, onError, timers } = this.#options;
    const link = linkTo(ledger(id), { clock: this.#clock, onError, timers });
    const account = new Account(budgetOf(id, spendNanoUsd), link, () => undefined);
    const guard = new BudgetGuard({
      accounts: [account],
      estimator: this.#estimator,
      leftCalls: 'held',
      onLedgerDown: 'closed',
    });
    return { guard, link, expiresAtMs };
  }

  /** Drops expired tokens, at most once per minute. Their calls in progress still settle. */
  #forgetExpired(): void {
    const nowMs = this.#clock.epochMs();
    if (nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = nowMs + 60_000;
    for (const [id, { expiresAtMs }] of this.#budgets) if (expiresAtMs < nowMs) this.#budgets.delete(id);
  }
}

interface Linking {
  readonly clock: Clock;
  readonly onError: ((error: unknown) => void) | undefined;
  readonly timers: Timers | undefined;
}

/** Makes a writer of its own in the ledger. */
export function linkTo(
  ledger: Ledger,
  { clock, onError = () => undefined, timers = systemTimers }: Linking,
): LedgerLink {
  const waits = { random: Math.random, deadlineMs: DEADLINE_MS, holdMs: HOLD_MS };
  const onLoss = (lostNanoUsd: bigint): void => onError(new LedgerLossError(lostNanoUsd));
  return new LedgerLink({ ledger, clock, timers, ...waits, onError, onUp: () => undefined, onLoss });
}

/** The window is as long as a token can live, so no spend ever leaves it. */
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
