import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryRateLimiter, redisRateLimiter, type RateLimiter } from '../../src/gateway/access/rate-limiter.ts';
import { redisTokens } from '../../src/gateway/access/redis-tokens.ts';
import { sqliteTokens } from '../../src/gateway/access/sqlite-tokens.ts';
import type { TokenStore } from '../../src/gateway/access/tokens.ts';
import { redis, redisServer } from '../redis-server.ts';

/** An empty store, opened as often as one likes, as several processes have it open. */
export interface StoreHome {
  open(): TokenStore;
  end(): Promise<void>;
}

export interface StoreCase {
  readonly kind: TokenStore['kind'];
  readonly skip: string | false;
  home(): StoreHome;
  /** After the last test. */
  end(): Promise<void>;
}

/** The stores that there are; all keep to the same table of tests. Starts a Redis where there is one. */
export async function storeCases(): Promise<readonly StoreCase[]> {
  const server = redis.skip === false ? await redisServer() : null;
  let homes = 0;
  return [
    { kind: 'sqlite', skip: false, home: sqliteHome, end: async () => {} },
    {
      kind: 'redis',
      skip: redis.skip,
      home() {
        homes += 1;
        const prefix = `home-${homes}:`;
        return keeping(() => redisTokens(server?.url ?? '', { prefix }));
      },
      end: async () => server?.end(),
    },
  ];
}

function sqliteHome(): StoreHome {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tokens-'));
  const home = keeping(() => sqliteTokens(join(folder, 'tokens.db')));
  return {
    open: home.open,
    end: async () => {
      await home.end();
      rmSync(folder, { recursive: true });
    },
  };
}

function keeping(open: () => TokenStore): StoreHome {
  const opened: TokenStore[] = [];
  return {
    open() {
      const store = open();
      opened.push(store);
      return store;
    },
    end: async () => {
      for (const store of opened) await store.close();
    },
  };
}

export interface LimiterCase {
  readonly kind: string;
  readonly skip: string | false;
  /** Full buckets, and a clock that the test sets. */
  limiter(nowMs: () => number): RateLimiter;
  end(): Promise<void>;
}

/** The limiters that there are. Starts a Redis where there is one. */
export async function limiterCases(): Promise<readonly LimiterCase[]> {
  const server = redis.skip === false ? await redisServer() : null;
  const opened: { close(): void }[] = [];
  return [
    {
      kind: 'in memory',
      skip: false,
      limiter: (nowMs) => memoryRateLimiter({ clock: { epochMs: () => 0, monotonicMs: nowMs } }),
      end: async () => {},
    },
    {
      kind: 'in Redis',
      skip: redis.skip,
      limiter(nowMs) {
        const limiter = redisRateLimiter(server?.url ?? '', { prefix: `limiter-${opened.length}:`, nowMs });
        opened.push(limiter);
        return limiter;
      },
      end: async () => {
        for (const limiter of opened) limiter.close();
        await server?.end();
      },
    },
  ];
}
