import { connected } from '../../redis/connection.ts';
import { redisLedger } from '../../redis/redis-ledger.ts';
import type { Access } from './access.ts';
import { LONGEST_MINTED_SECONDS } from './client.ts';
import { redisRateLimiter } from './redis-rate-limiter.ts';
import { redisTokens } from './redis-tokens.ts';

/** A request waits for its token and for its limit no longer than this. */
const ANSWER_MS = 1_000;
/** Besides the window of a token's spend, which is as long as its life. */
const SPEND_KEPT_MS = LONGEST_MINTED_SECONDS * 1_000;

/** All of it on one connection. */
export function redisAccess(url: string): Access {
  const client = connected(url, ANSWER_MS);
  return {
    store: redisTokens(client),
    limiter: redisRateLimiter(client),
    spendLedger: () => redisLedger(client, { prefix: 'plimsoll:token-spend:', keepMs: SPEND_KEPT_MS }),
    shared: true,
    close: async () => client.disconnect(),
  };
}
