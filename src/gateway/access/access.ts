import type { Ledger } from '../../budget/ledger.ts';
import { memoryLedger } from '../../budget/memory-ledger.ts';
import { memoryRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { sqliteTokens } from './sqlite-tokens.ts';
import type { TokenStore } from './token-store.ts';

/** Where tokens, their rates and what minted ones have spent are kept. */
export interface Access {
  readonly store: TokenStore;
  readonly limiter: RateLimiter;
  /** For what a minted token has spent. */
  readonly spendLedger: () => Ledger;
  /** Whether several gateways share all of it. */
  readonly shared: boolean;
  close(): Promise<void>;
}

/** In a file: for one gateway, whose rates and minted spend are forgotten when it ends. Throws as `sqliteTokens` does. */
export function fileAccess(path: string, open: 'create' | 'existing' = 'create'): Access {
  const store = sqliteTokens(path, open);
  return {
    store,
    limiter: memoryRateLimiter(),
    spendLedger: memoryLedger,
    shared: false,
    close: () => store.close(),
  };
}
