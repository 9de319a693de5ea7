import type { Ledger } from '../../budget/ledger.ts';
import { memoryLedger } from '../../budget/memory-ledger.ts';
import type { OnAvailability } from '../../redis-address.ts';
import { redisConnection } from '../../redis/connection.ts';
import { redisLedger } from '../../redis/redis-ledger.ts';
import { LONGEST_MINTED_SECONDS } from './client.ts';
import { memoryRateLimiter, redisRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { redisTokens } from './redis-tokens.ts';
import { sqliteTokens } from './sqlite-tokens.ts';
import type { TokenStore } from './tokens.ts';

/** Stores tokens, their request rates, and the spend of minted ones. */
export interface AccessStores {
  readonly tokens: TokenStore;
  readonly limiter: RateLimiter;
  /** Opens the ledger of one minted token. */
  readonly spendLedger: () => Ledger;
  /** Tells whether several gateways can share all of it. */
  readonly shared: boolean;
  close(): Promise<void>;
}

/**
 * Stores tokens in an SQLite file, for one gateway. Rates and minted spend are in memory and are lost when it ends.
 * Throws as `sqliteTokens` does.
 */
export function fileStores(path: string, open: 'create' | 'existing' = 'create'): AccessStores {
  const tokens = sqliteTokens(path, open);
  return {
    tokens,
    limiter: memoryRateLimiter(),
    spendLedger: memoryLedger,
    shared: false,
    close: () => tokens.close(),
  };
}

/** A token's spend is kept for twice its longest lifetime. */
const SPEND_KEPT_MS = LONGEST_MINTED_SECONDS * 1_000;

/**
 * Stores everything in Redis, for a fleet, on one connection. A request waits at most a second for it, and not at all while
 * it is known to be away, which `onAvailability` is told. Throws a `ConfigurationError` without the package
 * `ioredis`.
 */
export function redisStores(url: string, onAvailability?: OnAvailability): AccessStores {
  const connection = redisConnection(url, { onAvailability });
  const { client } = connection;
  return {
    tokens: redisTokens(client),
    limiter: redisRateLimiter(client),
    spendLedger: () => redisLedger(client, { prefix: 'plimsoll:token-spend:', keepMs: SPEND_KEPT_MS }),
    shared: true,
    close: async () => connection.close(),
  };
}
