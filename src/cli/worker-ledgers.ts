import {
  LedgerUnavailableError,
  type AccountPeriod,
  type Balance,
  type Ledger,
  type Posted,
  type Posting,
  type Spend,
} from '../budget/ledger.ts';
import { memoryLedger } from '../budget/memory-ledger.ts';
import { LONGEST_MINTED_SECONDS } from '../gateway/access/client.ts';
import type { WorkerChannel } from './worker-channel.ts';

/** A question to a ledger that another process keeps. */
type LedgerQuestion = { readonly ledger: string } & (
  | { readonly method: 'post'; readonly posting: Posting }
  | { readonly method: 'balance'; readonly period: AccountPeriod; readonly nowMs: number }
  | { readonly method: 'history'; readonly account: string; readonly fromMs: number }
);

/** Begins the names of ledgers of minted tokens, which nobody needs any more when the token has expired. */
export const TOKEN_LEDGER = 'token:';

/** A call that a token began in its last second may be settled later. */
const TOKEN_KEPT_MS = 2 * LONGEST_MINTED_SECONDS * 1_000;

const SWEEP_MS = 60_000;

/** The ledgers in memory that the workers of a gateway share, by name. */
export class SharedLedgers {
  /** The same for all: metrics show the spend of a shared ledger once. */
  readonly id = crypto.randomUUID();
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly ledger: Ledger; usedMs: number }>();
  #sweptMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  answer(question: LedgerQuestion): unknown {
    const ledger = this.#named(question.ledger);
    switch (question.method) {
      case 'post':
        return ledger.post(question.posting);
      case 'balance':
        return ledger.balance(question.period, question.nowMs);
      case 'history':
        return ledger.history(question.account, question.fromMs);
    }
  }

  #named(name: string): Ledger {
    const nowMs = this.#now();
    this.#sweep(nowMs);
    const kept = this.#kept.get(name) ?? { ledger: memoryLedger(), usedMs: nowMs };
    kept.usedMs = nowMs;
    this.#kept.set(name, kept);
    return kept.ledger;
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    for (const [name, { usedMs }] of this.#kept)
      if (name.startsWith(TOKEN_LEDGER) && nowMs - usedMs > TOKEN_KEPT_MS) this.#kept.delete(name);
  }
}

/** A ledger that the other end of the channel keeps, with the id of all of them there. Unavailable when that end is gone. */
export function ledgerBehind(channel: WorkerChannel, ledger: string, id: string): Ledger {
  const ask = async <Answer>(question: LedgerQuestion): Promise<Answer> => {
    try {
      return await channel.ask<Answer>('ledger', question);
    } catch (error) {
      throw new LedgerUnavailableError('the process that keeps it does not answer', error);
    }
  };
  return {
    kind: 'memory',
    id: () => id,
    timeMs: null,
    post: (posting) => ask<Posted>({ ledger, method: 'post', posting }),
    balance: (period, nowMs) => ask<Balance>({ ledger, method: 'balance', period, nowMs }),
    history: (account, fromMs) => ask<readonly Spend[]>({ ledger, method: 'history', account, fromMs }),
    close: () => undefined,
  };
}
