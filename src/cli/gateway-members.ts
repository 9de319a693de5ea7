import type { Ledger } from '../budget/ledger.ts';
import { systemTimers, type Cancel } from '../clock.ts';
import { MemberBudgets } from '../gateway/access/member-budgets.ts';
import type { TokenStore } from '../gateway/access/tokens.ts';
import { usageBook, type UsageBook } from '../gateway/access/usage.ts';
import type { GatewayConfiguration } from '../gateway/configuration/configuration.ts';
import { ledgerAt, openUsage } from '../gateway/configuration/places.ts';

/** What a running gateway keeps of the members of its clients. */
export interface Members {
  readonly budgets: MemberBudgets;
  readonly usage: UsageBook;
  /** Stores the rest, and closes both. */
  close(): Promise<void>;
}

interface Keeping {
  readonly tokens: TokenStore;
  readonly onError: (error: unknown) => void;
  /** Keeps the spend where no ledger is named. */
  readonly memory: Ledger;
}

/** Opens the budgets of members where other budgets are, and their usage there too, or beside the tokens. */
export function openMembers(configuration: GatewayConfiguration, { tokens, onError, memory }: Keeping): Members {
  const { ledger, prices, owners } = configuration;
  const opened = ledger === null ? memory : ledgerAt(ledger).open();
  const budgets = new MemberBudgets({ prices, ledger: opened, onError });
  const store = openUsage(ledger ?? configuration.tokens, owners.usageDays);
  const usage = usageBook({ store, prices, onError });
  const stop = dropOldEntries(tokens, { days: owners.auditDays, onError });
  return {
    budgets,
    usage,
    async close() {
      stop();
      await Promise.all([budgets.close(), usage.close()]);
    },
  };
}

const DAY_MS = 86_400_000;

interface Dropping {
  readonly days: number;
  readonly onError: (error: unknown) => void;
}

/** Drops old entries of the audit log once a day. Returns a function that ends it. */
function dropOldEntries(tokens: TokenStore, { days, onError }: Dropping): Cancel {
  const drop = async (): Promise<void> => {
    const beforeMs = Date.now() - days * DAY_MS;
    const [oldest] = await tokens.audit();
    if (oldest === undefined || oldest.atMs >= beforeMs) return;
    const about = { token: '', client: '', owner: null, detail: `entries of more than ${days} days ago` };
    await tokens.forget(
      { owner: null, beforeMs },
      { atMs: Date.now(), action: 'forgotten', actor: 'gateway', ...about },
    );
  };
  let cancel: Cancel = () => undefined;
  const again = (): void => {
    drop().catch(onError);
    cancel = systemTimers.inBackground(DAY_MS, again);
  };
  cancel = systemTimers.inBackground(FIRST_MS, again);
  return () => cancel();
}

/** A gateway that has just started has other things to do. */
const FIRST_MS = 60_000;
