import type { Budget } from '../../budget/budget.ts';
import type { PriceTable } from '../../pricing/prices.ts';
import type { TierOption } from '../../tier/tier-option.ts';
import type { GatewayClient } from '../access/client.ts';
import type { RealKeys } from './keys.ts';
import type { GatewayLimits, ListenAddress } from './limits.ts';
import type { Place } from './places.ts';

/** All that a gateway goes by, checked, with the defaults filled in. No secret is in it but in what functions give. */
export interface GatewayConfiguration {
  readonly listen: ListenAddress;
  /** Of the page with the metrics. */
  readonly metrics: ListenAddress;
  /** Of the API that is called, without `/v1`. */
  readonly baseUrl: string;
  readonly keys: RealKeys;
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Names of labels that requests may set, by `x-plimsoll-<name>`. */
  readonly labelHeaders: readonly string[];
  /** All labels, with the values that are sure of a place. */
  readonly attribution: Readonly<Record<string, readonly string[]>>;
  readonly budgets: readonly Budget[];
  /** Where the spend of budgets is kept; `null`: in this process. */
  readonly ledger: Place | null;
  /** Where tokens are kept. */
  readonly tokens: Place;
  readonly prices: PriceTable;
  /** `undefined`: inferred from response headers. */
  readonly tier: TierOption | undefined;
  readonly limits: GatewayLimits;
  /** Web origins whose pages may call the gateway. */
  readonly corsOrigins: readonly string[];
  /** What works and had better be changed. */
  readonly notices: readonly string[];
}

/** Where tokens are kept where nothing is said. */
export const TOKENS_FILE = 'plimsoll-tokens.db';
export const GATEWAY_PORT = 8_787;
export const METRICS_PORT = 9_464;
export const API_URL = 'https://api.anthropic.com';

/** What the configuration of a gateway is called in the `code` of a `ConfigurationError`. */
export const GATEWAY_INVALID = 'PLIMSOLL_GATEWAY_INVALID';
