/**
 * `plimsoll/redis`: budgets that a fleet shares, and the tokens and rate limits of its gateways, in Redis or Valkey. Needs
 * the package `ioredis`.
 */
export { redisLedger } from './redis-ledger.ts';
export type { RedisLedgerOptions } from './redis-ledger.ts';
export { redisTokens } from '../gateway/access/redis-tokens.ts';
export type { RedisTokensOptions } from '../gateway/access/redis-tokens.ts';
export { redisRateLimiter } from '../gateway/access/redis-tokens.ts';
export type { RedisRateLimiterOptions } from '../gateway/access/redis-tokens.ts';
