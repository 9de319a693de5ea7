import { INSTRUMENT_NAMES, checkedOptions, keyProblems, type InstrumentOptions } from '../client/options.ts';
import type { Timers } from '../clock.ts';
import type { CauseOf } from '../record/metrics/catalogue-gateway.ts';
import { ConfigurationError, optionProblems, unfit, type Problem } from '../errors.ts';
import type { GatewayFault, UnreadyAfter } from './faults.ts';
import type { Authenticate } from './grant.ts';
import { isNetwork } from './trusted-proxies.ts';
import { poolProblems, type KeyPool } from './upstreams/pool.ts';

/** Bodies of this many bytes are held in all, besides what Node itself needs: 32 of the longest that the API accepts are fewer. */
export const DEFAULT_HELD_BYTES = 256 << 20;

/** Reads an API key. */
export interface KeyReader {
  (): string;
  /** Tells what keeps it from being read anew, as of its last reading; `null`, or absent, if nothing does. */
  readonly fault?: () => CauseOf<'key'> | null;
}

/** Limits of one gateway, over all its clients. */
export interface GatewayLimits {
  /** Requests in progress; more are refused as overload. Default 10,000. */
  readonly requests?: number;
  /** Bytes of request bodies in memory; a request that would exceed them, or a client's share of them, is refused as overload. Default 256 MiB. */
  readonly heldBytes?: number;
  /** Longest silence of the API, before a response or within one. Default 600,000 (10 min). */
  readonly upstreamSilenceMs?: number;
  /** Longest time until a connection to the API is made. Default 10,000. */
  readonly upstreamConnectMs?: number;
  /**
   * How long the API, or the ledger, may fail until `/readyz` is 503; 0 forever. Default 60,000 each: a replica that cannot
   * work for a minute should get no requests, and most balancers use all replicas where none is ready.
   */
  readonly unreadyAfter?: UnreadyAfter;
}

/** The options of `gateway()`: its own, and those of `instrument()`. */
export interface GatewayOptions extends Omit<InstrumentOptions, 'key' | 'routes'> {
  /** Checks the token of each request. */
  readonly authenticate: Authenticate;
  /** The API keys by alias. Each is read when it is used. */
  readonly keys: ReadonlyMap<string, KeyReader>;
  /** Keys that stand for each other, by name: a grant may name one in place of a key. */
  readonly pools?: ReadonlyMap<string, KeyPool>;
  /** Address of the API, without `/v1`. Default: https://api.anthropic.com */
  readonly baseUrl?: string;
  /**
   * Address at which clients reach the gateway, without `/v1`, for the addresses in responses. Default: the one that the
   * client called.
   */
  readonly publicUrl?: string;
  /**
   * Addresses and networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed. Default:
   * those of this machine, `127.0.0.0/8` and `::1`.
   */
  readonly trustProxy?: readonly string[];
  /** Addresses of the keys that call another API, by alias. */
  readonly keyUrls?: ReadonlyMap<string, string>;
  /** Names of labels that requests may set, by headers `x-plimsoll-<name>`. No label that a budget counts by. */
  readonly labelHeaders?: readonly string[];
  /** Web origins whose pages may call the gateway. */
  readonly corsOrigins?: readonly string[];
  /** Handlers of requests to the gateway itself, by path. Paths begin with `/plimsoll/`. */
  readonly handlers?: Readonly<Record<string, (request: Request) => Promise<Response>>>;
  /** Tells `/readyz` whether the gateway can work. Default: always. */
  readonly isReady?: () => Promise<boolean>;
  /** Further lines of `/readyz`, whether ready or not. Default: none. */
  readonly readyLines?: () => readonly string[];
  readonly limits?: GatewayLimits;
  /** Called with internal errors of the gateway. They are counted in any case. */
  readonly onError?: (error: unknown) => void;
  /** Called when something that the gateway needs fails, at most once a minute for each cause, and when it works again. */
  readonly onFault?: (fault: GatewayFault) => void;
  /** For tests. */
  readonly timers?: Timers;
  /** For tests: from 0 to 1, which key of a pool gets a request. */
  readonly random?: () => number;
}

const NAMES: Readonly<Record<Exclude<keyof GatewayOptions, keyof InstrumentOptions>, true>> = {
  authenticate: true,
  keys: true,
  pools: true,
  baseUrl: true,
  publicUrl: true,
  trustProxy: true,
  keyUrls: true,
  labelHeaders: true,
  corsOrigins: true,
  handlers: true,
  isReady: true,
  readyLines: true,
  limits: true,
  onError: true,
  onFault: true,
  timers: true,
  random: true,
};

const API_URL = 'https://api.anthropic.com';

/** Checks the options, and parses the address. Throws a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) with all problems. */
export function checkedGatewayOptions(given: GatewayOptions): { readonly options: GatewayOptions; readonly base: URL } {
  const { baseUrl = API_URL } = given;
  const problems = [
    ...optionProblems(given, { ...INSTRUMENT_NAMES, ...NAMES }),
    ...accessProblems(given),
    ...addressProblems('baseUrl', baseUrl, API_URL),
    ...(given.publicUrl === undefined
      ? []
      : addressProblems('publicUrl', given.publicUrl, 'https://claude.example.com')),
    ...trustProblems(given.trustProxy ?? []),
    ...[...(given.keyUrls ?? [])].flatMap(([alias, url]) => addressProblems(`keyUrls.${alias}`, url, API_URL)),
    ...[...(given.pools ?? [])].flatMap(([name, pool]) => poolProblems(name, pool, given.keys)),
    ...labelHeaderProblems(given),
    ...Object.keys(given.handlers ?? {}).flatMap(handlerProblems),
    ...instrumentProblems(given),
  ];
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_OPTIONS_INVALID', problems);
  return { options: given, base: new URL(baseUrl) };
}

function instrumentProblems(given: InstrumentOptions): readonly Problem[] {
  try {
    checkedOptions(given);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.problems;
  }
}

function accessProblems({ keys, authenticate }: GatewayOptions): readonly Problem[] {
  const aliases = keys instanceof Map ? [...keys.keys()] : [];
  const advice = "pass new Map([['prod-api-key', () => key]])";
  return [
    ...(typeof authenticate === 'function'
      ? []
      : [unfit('authenticate', authenticate, { expected: 'a function', advice: 'pass authenticator({ … })' })]),
    ...(aliases.length > 0
      ? aliases.flatMap((alias) => keyProblems(alias))
      : [unfit('keys', undefined, { expected: 'a Map of at least one alias', advice })]),
  ];
}

function addressProblems(field: string, address: string, example: string): readonly Problem[] {
  const url = URL.parse(address);
  // The address is not shown, because it may contain a password.
  const wrong = (got: string, advice: string): readonly Problem[] => {
    const expected = 'an http or https address without a query or credentials';
    return [{ kind: 'invalid', field, expected, got, advice }];
  };
  if (url === null || !/^https?:$/.test(url.protocol)) return wrong('something else', `pass ${example}`);
  if (url.username + url.password + url.search + url.hash === '') return [];
  return wrong('one with them', 'take them out');
}

function trustProblems(networks: readonly string[]): readonly Problem[] {
  const expected = 'IP addresses and networks such as 10.0.0.0/8';
  return networks
    .filter((network) => !isNetwork(network))
    .map((network) => unfit('trustProxy', network, { expected, advice: 'change it' }));
}

function labelHeaderProblems({ labelHeaders = [], attribution = {}, budgets }: GatewayOptions): readonly Problem[] {
  const budgeted = new Set(
    (budgets?.all ?? []).flatMap(({ budget: { scope } }) => (scope.kind === 'label' ? [scope.label] : [])),
  );
  const field = 'labelHeaders';
  return labelHeaders.flatMap((name): readonly Problem[] => {
    if (name === 'token') return [unfit(field, name, { expected: 'another name', advice: 'rename it' })];
    if (!Object.hasOwn(attribution, name))
      return [unfit(field, name, { expected: 'names that `attribution` declares', advice: 'add it there' })];
    if (!budgeted.has(name)) return [];
    const [expected, advice] = ['no name that a budget counts by', 'a client could pick its budget'];
    return [{ kind: 'conflict', field, expected, got: `"${name}"`, advice }];
  });
}

function handlerProblems(path: string): readonly Problem[] {
  if (/^\/plimsoll\/[\w/-]+$/.test(path)) return [];
  return [unfit('handlers', path, { expected: 'paths that begin with /plimsoll/', advice: 'rename it' })];
}
