/**
 * `plimsoll/gateway`: a proxy for the Claude API that holds the API keys. Clients in any language send it one of its tokens
 * instead of a key, and are measured, priced and held to budgets as by `instrument()`.
 *
 * ```ts
 * import { authenticator, gateway, sqliteTokens } from 'plimsoll/gateway';
 *
 * const authenticate = authenticator({ store: sqliteTokens('tokens.db'), clients });
 * const claude = gateway({ authenticate, keys: new Map([['prod-api-key', () => readKey()]]) });
 * createServer(claude.listener).listen(8787, '127.0.0.1');
 * ```
 */
export { gateway, type Gateway } from './gateway.ts';
export type { GatewayLimits, GatewayOptions } from './options.ts';
export type { Authenticate, AuthenticationFailure, Credentials, Grant, MaxTokensCeiling, TokenGuard } from './grant.ts';
export { clientGuards } from './rules.ts';
export type { KeyPool } from './upstreams/pool.ts';
export type { FallbackRule } from './upstreams/route.ts';
export { authenticator, type AuthenticatorOptions } from './access/authenticator.ts';
export type { ClientRules, GatewayClient, MintRules } from './access/client.ts';
export { issueToken, type IssuedToken, type IssueOptions } from './access/tokens.ts';
export { mintHandler, type MintHandlerOptions } from './access/mint.ts';
export {
  memoryRateLimiter,
  redisRateLimiter,
  type RateLimiter,
  type RedisRateLimiterOptions,
} from './access/rate-limiter.ts';
export { redisTokens, type RedisTokensOptions } from './access/redis-tokens.ts';
export { sqliteTokens } from './access/sqlite-tokens.ts';
export { TokenSpend, type TokenSpendOptions } from './access/token-spend.ts';
export type { RedisClient } from '../redis/connection.ts';
export { TokenStoreError, type MintedTerms, type TokenRecord, type TokenStore } from './access/tokens.ts';
