import type { Ledger } from '../../budget/ledger.ts';
import { memoryLedger } from '../../budget/memory-ledger.ts';
import type { OnAvailability } from '../../redis-address.ts';
import { redisConnection } from '../../redis/connection.ts';
import { redisLedger } from '../../redis/redis-ledger.ts';
import { LONGEST_MINTED_SECONDS } from './client.ts';
import { sqliteLimits, type LimitStore } from './limits.ts';
import { redisLimits } from './redis-limits.ts';
import { redisRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { redisTokens } from './redis-tokens.ts';
import { sqliteTokens } from './sqlite-tokens.ts';
import type { TokenStore } from './tokens.ts';

/** Stores tokens, their request rates, and the spend of minted ones. */
export interface AccessStores {
  readonly tokens: TokenStore;
  readonly limiter: RateLimiter;
  /** Keeps limits on tokens and on requests in progress. */
  readonly limits: LimitStore;
  /** Opens the ledger of one minted token. */
  readonly spendLedger: (tokenId: string) => Ledger;
  /** Tells whether several gateways can share all of it. */
  readonly shared: boolean;
  close(): Promise<void>;
}

/**
 * Stores tokens in an SQLite file, and rates and limits there too, for the gateways of one machine. Minted spend is
 * in memory and is lost when its gateway ends.
 * Throws as `sqliteTokens` does.
 */
export function fileStores(path: string, open: 'create' | 'existing' = 'create'): AccessStores {
  const tokens = sqliteTokens(path, open);
  const limits = sqliteLimits(path);
  return {
    tokens,
    limiter: limiterIn(limits),
    limits,
    spendLedger: () => memoryLedger(),
    shared: false,
    async close() {
      await limits.close();
      await tokens.close();
    },
  };
}

/** Limits requests a minute by the same store. */
function limiterIn(limits: LimitStore): RateLimiter {
  return {
    async take(bucket, perMinute) {
      const takes = [{ bucket, perMinute, amount: 1 }];
      return (await limits.take({ group: '', takes, slots: [], lease: '', leaseMs: 0 }))?.waitMs ?? 0;
    },
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
    limits: redisLimits(client),
    spendLedger: () => redisLedger(client, { prefix: 'plimsoll:token-spend:', keepMs: SPEND_KEPT_MS }),
    shared: true,
    close: async () => connection.close(),
  };
}
