import type { Budget } from '../../budget/budget.ts';
import type { Notice } from '../../errors.ts';
import type { PriceTable } from '../../pricing/prices.ts';
import type { TierOption } from '../../tier/tiers.ts';
import type { GatewayClient } from '../access/client.ts';
import type { TokenRecord } from '../access/tokens.ts';
import { DEFAULT_HELD_BYTES } from '../options.ts';
import { LOCAL_PROXIES, isNetwork } from '../trusted-proxies.ts';
import type { KeyPool } from '../upstreams/pool.ts';
import type { RealKeys } from './keys.ts';
import type { OrganizationSettings } from './organization.ts';
import type { OwnerSettings } from './owners.ts';
import type { Place } from './places.ts';
import type { Reader } from './reader.ts';

/** All settings of a gateway, checked, with the defaults filled in. Secrets come only out of functions. */
export interface GatewayConfiguration {
  readonly listen: ListenAddress;
  /** The address of the metrics page. */
  readonly metrics: MetricsAddress;
  /** Processes that serve; with more than 1, one besides them supervises. */
  readonly workers: number;
  /** The URL of the API, without `/v1`. */
  readonly baseUrl: string;
  /** The address at which clients reach the gateway, without `/v1`; `null`: the one that they call. */
  readonly publicUrl: string | null;
  /** Addresses and networks of proxies that say what address clients call. */
  readonly trustProxy: readonly string[];
  readonly keys: RealKeys;
  /** Addresses of the keys that call another API, by alias. */
  readonly keyUrls: ReadonlyMap<string, string>;
  /** Organizations of the keys that share rate limits, by alias; any other key has limits of its own. */
  readonly keyOrganizations: ReadonlyMap<string, string>;
  readonly pools: ReadonlyMap<string, KeyPool>;
  readonly clients: ReadonlyMap<string, GatewayClient>;
  /** Names of labels that requests may set, by `x-plimsoll-<name>`. */
  readonly labelHeaders: readonly string[];
  /** All labels, with the values that always have a series. */
  readonly attribution: Readonly<Record<string, readonly string[]>>;
  readonly budgets: readonly Budget[];
  /** The place of the budgets' spend; `null` for this process. */
  readonly ledger: Place | null;
  /** The place of the tokens. */
  readonly tokens: Place;
  readonly prices: PriceTable;
  /** `undefined` if it is inferred from response headers. */
  readonly tier: TierOption | undefined;
  /** The version of what is deployed; `undefined` if the environment says it. */
  readonly serviceVersion: string | undefined;
  /** Whose books are read; `null` for none. */
  readonly organization: OrganizationSettings | null;
  readonly limits: LimitSettings;
  readonly owners: OwnerSettings;
  /** Tokens by id that are declared in a file, by their hashes. */
  readonly declaredTokens: ReadonlyMap<string, TokenRecord>;
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

/** The address of the metrics, and the names that Prometheus may call it by, besides IP addresses and localhost. */
interface MetricsAddress extends ListenAddress {
  readonly names: readonly string[];
}

/** The limits on the resources and the time of clients. */
interface LimitSettings {
  /** Open connections; more are refused. */
  readonly connections: number;
  /** Bytes of all headers of a request. */
  readonly headerBytes: number;
  /** The time that a client has to send its headers. */
  readonly headersSeconds: number;
  /** The time that a client has to send its whole request. */
  readonly requestSeconds: number;
  /** A client that reads nothing of its response for this long is disconnected. */
  readonly stalledSeconds: number;
  /** Bytes of all request bodies in memory. */
  readonly heldBytes: number;
  /** The longest silence of the upstream. */
  readonly upstreamSilenceSeconds: number;
  /** The longest time until a connection to the upstream is made. */
  readonly upstreamConnectSeconds: number;
  /** How long the upstream may be unreachable until `/readyz` is 503; 0: forever. */
  readonly unreadyUpstreamSeconds: number;
  /** How long the ledger may fail until `/readyz` is 503; 0: forever. */
  readonly unreadyLedgerSeconds: number;
  /** How long one of several workers may go without answering the supervising process; then it is replaced. 0: forever. */
  readonly hungWorkerSeconds: number;
  /** The time at shutdown in which new requests are still served, while `/readyz` says that no more should come. */
  readonly lameDuckSeconds: number;
  /** The time that open requests have to finish after that. */
  readonly drainSeconds: number;
}

/** The longest non-streaming responses take ten minutes, according to the API's documentation (2026-08). */
export const DEFAULT_LIMITS: LimitSettings = {
  connections: 10_000,
  headerBytes: 16_384,
  headersSeconds: 10,
  requestSeconds: 300,
  stalledSeconds: 120,
  heldBytes: DEFAULT_HELD_BYTES,
  upstreamSilenceSeconds: 600,
  upstreamConnectSeconds: 10,
  unreadyUpstreamSeconds: 60,
  unreadyLedgerSeconds: 60,
  hungWorkerSeconds: 30,
  lameDuckSeconds: 0,
  drainSeconds: 600,
};

const MOST: LimitSettings = {
  connections: 1_000_000,
  headerBytes: 1_048_576,
  headersSeconds: 3_600,
  requestSeconds: 86_400,
  stalledSeconds: 86_400,
  heldBytes: 1_099_511_627_776,
  upstreamSilenceSeconds: 86_400,
  upstreamConnectSeconds: 3_600,
  unreadyUpstreamSeconds: 86_400,
  unreadyLedgerSeconds: 86_400,
  hungWorkerSeconds: 86_400,
  lameDuckSeconds: 3_600,
  drainSeconds: 86_400,
};

/** The minimum, if it is more than 1. */
const LEAST: Readonly<Partial<LimitSettings>> = {
  headerBytes: 1_024,
  heldBytes: 1_048_576,
  unreadyUpstreamSeconds: 0,
  unreadyLedgerSeconds: 0,
  hungWorkerSeconds: 0,
  lameDuckSeconds: 0,
};

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

/** Reads the field `publicUrl`. */
export function publicUrlOf(read: Reader): string | null {
  const expected = 'an http or https address without /v1, a query or credentials, such as https://claude.example.com';
  const pattern = /^https?:\/\/[^/?#@\s]+(?:\/(?!v1\/?$)[\w.~/-]*)?$/i;
  const given = read.text('publicUrl', { pattern, expected });
  if (given === undefined || URL.canParse(given)) return given?.replace(/\/+$/, '') ?? null;
  read.problem('publicUrl', expected, 'change it');
  return null;
}

/** Reads the field `trustProxy`; this machine if it is absent. */
export function trustProxyOf(read: Reader): readonly string[] {
  const network = {
    pattern: /^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/,
    expected: 'an IP address, or a network such as 10.0.0.0/8',
  };
  const given = read.texts('trustProxy', network) ?? LOCAL_PROXIES;
  for (const each of given) if (!isNetwork(each)) read.problem('trustProxy', network.expected, 'change it');
  return given;
}

const PORT = { least: 0, most: 65_535, expected: 'a port from 0 to 65535' };

/** Reads a field such as `listen`; loopback if it is absent. */
export function addressOf(read: Reader, name: string, port: number): ListenAddress {
  const address = read.within(name, '{ host: 127.0.0.1, port: 8787 }');
  address.only(['host', 'port']);
  return hostAndPort(address, port);
}

function hostAndPort(address: Reader, port: number): ListenAddress {
  return { host: address.text('host', HOST) ?? '127.0.0.1', port: address.integer('port', PORT) ?? port };
}

/** More than the cores of a large machine. */
const MOST_WORKERS = 256;

/** What `workers` may be, in words. */
export const WORKERS_EXPECTED = `a whole number from 1 to ${MOST_WORKERS}`;

/** Reads the field `workers`. */
export function workersOf(read: Reader): number {
  return read.integer('workers', { least: 1, most: MOST_WORKERS, expected: WORKERS_EXPECTED }) ?? 1;
}

/** Tells whether the text of an option is a number of workers. */
export function isWorkers(text: string): boolean {
  return /^[1-9]\d{0,2}$/.test(text) && Number(text) <= MOST_WORKERS;
}

const HOST_NAME = {
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  expected: 'the name of a host in small letters, without a port',
};

/** Reads the field `metrics`; loopback where it is absent. */
export function metricsAddressOf(read: Reader): MetricsAddress {
  const address = read.within('metrics', '{ host: 127.0.0.1, port: 9464, names: [gateway] }');
  address.only(['host', 'port', 'names']);
  return { ...hostAndPort(address, METRICS_PORT), names: address.texts('names', HOST_NAME) ?? [] };
}
