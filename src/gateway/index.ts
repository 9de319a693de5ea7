/**
 * `plimsoll/gateway`: a proxy for the Claude API that holds the keys. Clients in any language send it a token of its own
 * in place of a key, and are measured, priced and held to budgets as by `instrument()`.
 *
 * ```ts
 * import { gateway } from 'plimsoll/gateway';
 *
 * const claude = gateway({ authenticate, keys: new Map([['prod-api-key', () => readKey()]]) });
 * createServer(claude.listener).listen(8787, '127.0.0.1');
 * ```
 */
export { gateway, type Gateway } from './gateway.ts';
export type { GatewayLimits, GatewayOptions } from './gateway-options.ts';
export type { Authenticate, Denial, Grant, MaxTokensCeiling, Presented } from './grant.ts';
