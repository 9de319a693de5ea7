import type { Ledger } from 'plimsoll/budget';
import { Account } from '../../src/budget/account.ts';
import type { Budget } from '../../src/budget/budget.ts';
import { LedgerLink } from '../../src/budget/ledger-link.ts';
import type { StandingTime } from './standing-time.ts';

export const HOLD_MS = 60_000;
export const DEADLINE_MS = 50;

/** A budget with nothing special but what is given. */
export function aBudget(given: Partial<Budget> = {}): Budget {
  return {
    name: 'all',
    scope: { kind: 'all' },
    period: { kind: 'month' },
    limitNanoUsd: 1_000n,
    mode: 'block',
    thresholds: [],
    onUnknownPrice: 'block',
    onLedgerDown: 'open',
    ...given,
  };
}

/** One process's side of a budget. */
export interface OneProcess {
  readonly account: Account;
  readonly link: LedgerLink;
  readonly errors: unknown[];
  readonly reached: number[];
}

export function oneProcess(ledger: Ledger, time: StandingTime, budget: Budget = aBudget()): OneProcess {
  const errors: unknown[] = [];
  const reached: number[] = [];
  const link = new LedgerLink({
    ledger,
    clock: time,
    timers: time,
    random: () => 0.5,
    deadlineMs: DEADLINE_MS,
    holdMs: HOLD_MS,
    onError: (error) => errors.push(error),
    onUp: () => {},
    onLoss: () => {},
  });
  const account = new Account(budget, link, ({ threshold }) => reached.push(threshold));
  return { account, link, errors, reached };
}
