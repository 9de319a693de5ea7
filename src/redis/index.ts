/** `plimsoll/redis`: budgets and a pace that a fleet shares, in Redis or Valkey. Needs the package `ioredis`. */
export { redisLedger } from './redis-ledger.ts';
export type { RedisLedgerOptions } from './redis-ledger.ts';
export { redisPace } from './redis-pace.ts';
export type { RedisPaceOptions } from './redis-pace.ts';
export type { RedisClient } from './connection.ts';
export type { OnAvailability, RedisOutage } from '../redis-address.ts';
export { redisTotals } from './redis-totals.ts';
export type { RedisTotalsOptions } from './redis-totals.ts';
export { redisReports } from './redis-reports.ts';
export type { RedisReportsOptions } from './redis-reports.ts';
