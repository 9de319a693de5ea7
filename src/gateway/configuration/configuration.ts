import type { Budget } from '../../budget/budget.ts';
import type { Notice } from '../../errors.ts';
import type { PriceTable } from '../../pricing/prices.ts';
import type { TierOption } from '../../tier/tiers.ts';
import type { GatewayClient } from '../access/client.ts';
import type { RealKeys } from './keys.ts';
import type { Place } from './places.ts';
import type { Reader } from './reader.ts';

/** All that a gateway goes by, checked, with the defaults filled in. No secret is in it but in what functions give. */
export interface GatewayConfiguration {
  readonly listen: ListenAddress;
  /** The address of the page with the metrics. */
  readonly metrics: ListenAddress;
  /** The URL of the API, without `/v1`. */
  readonly baseUrl: string;
  readonly keys: RealKeys;
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Names of labels that requests may set, by `x-plimsoll-<name>`. */
  readonly labelHeaders: readonly string[];
  /** All labels, with the values that are sure of a place. */
  readonly attribution: Readonly<Record<string, readonly string[]>>;
  readonly budgets: readonly Budget[];
  /** The place of the budgets' spend; `null`: this process. */
  readonly ledger: Place | null;
  /** The place of the tokens. */
  readonly tokens: Place;
  readonly prices: PriceTable;
  /** `undefined`: inferred from response headers. */
  readonly tier: TierOption | undefined;
  readonly limits: LimitSettings;
  /** Web origins whose pages may call the gateway. */
  readonly corsOrigins: readonly string[];
  readonly notices: readonly Notice[];
}

/** The file of tokens if none is set. */
export const TOKENS_FILE = 'plimsoll-tokens.db';

export const GATEWAY_PORT = 8_787;

export const METRICS_PORT = 9_464;

export const API_URL = 'https://api.anthropic.com';

/** The `code` of a `ConfigurationError` about a gateway's configuration. */
export const GATEWAY_INVALID = 'PLIMSOLL_GATEWAY_INVALID';

/** The address that a server listens on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The limits on what clients may take, and on how long they may take it. */
interface LimitSettings {
  /** Open at once; more are refused. */
  readonly connections: number;
  /** Bytes of all headers of a request together. */
  readonly headerBytes: number;
  /** A client has so long to send its headers. */
  readonly headersSeconds: number;
  /** A client has so long to send its whole request. */
  readonly requestSeconds: number;
  /** A client that takes nothing of its answer for so long is let go. */
  readonly stalledSeconds: number;
  /** Bytes of all request bodies that are held at once. */
  readonly heldBytes: number;
  /** The longest silence of the upstream. */
  readonly upstreamSilenceSeconds: number;
  /** The time that open requests have when the gateway is to end. */
  readonly drainSeconds: number;
}

/** The longest non-streaming answers take ten minutes, by the API's own documentation (2026-08). */
export const DEFAULT_LIMITS: LimitSettings = {
  connections: 10_000,
  headerBytes: 16_384,
  headersSeconds: 10,
  requestSeconds: 300,
  stalledSeconds: 120,
  heldBytes: 536_870_912,
  upstreamSilenceSeconds: 600,
  drainSeconds: 30,
};

const MOST: LimitSettings = {
  connections: 1_000_000,
  headerBytes: 1_048_576,
  headersSeconds: 3_600,
  requestSeconds: 86_400,
  stalledSeconds: 86_400,
  heldBytes: 1_099_511_627_776,
  upstreamSilenceSeconds: 86_400,
  drainSeconds: 86_400,
};

/** The least, if that is more than 1. */
const LEAST: Readonly<Partial<LimitSettings>> = { headerBytes: 1_024, heldBytes: 1_048_576 };

/** Reads the field `limits`. */
export function limitsOf(read: Reader): LimitSettings {
  const limits = read.within('limits', 'limits by name');
  const names = Object.keys(DEFAULT_LIMITS) as (keyof LimitSettings)[];
  limits.only(names);
  const pairs = names.map((name) => {
    const [least, most] = [LEAST[name] ?? 1, MOST[name]];
    const value = limits.integer(name, { least, most, expected: `a whole number from ${least} to ${most}` });
    return [name, value ?? DEFAULT_LIMITS[name]] as const;
  });
  return Object.fromEntries(pairs) as unknown as LimitSettings;
}

const HOST = { pattern: /^(?:[a-zA-Z0-9.-]{1,253}|[0-9a-fA-F:]{2,39})$/, expected: 'an address or the name of a host' };

const PORT = { least: 0, most: 65_535, expected: 'a port from 0 to 65535' };

/** Reads a field such as `listen`; loopback if it is absent. */
export function addressOf(read: Reader, name: string, port: number): ListenAddress {
  const address = read.within(name, '{ host: 127.0.0.1, port: 8787 }');
  address.only(['host', 'port']);
  return { host: address.text('host', HOST) ?? '127.0.0.1', port: address.integer('port', PORT) ?? port };
}
