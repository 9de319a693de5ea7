import { createHash } from 'node:crypto';
import { ConfigurationError, got } from '../errors.ts';
import { installed } from '../installed.ts';
import {
  redisAddress,
  type OnAvailability,
  type RedisAddress,
  type RedisNode,
  type RedisOutage,
} from '../redis-address.ts';
import { CircuitBreaker, RedisUnavailableError } from './circuit-breaker.ts';

/**
 * The part of an `ioredis` client (or Cluster client) that plimsoll calls. Declared here, so that programs without
 * `ioredis` need none of its types.
 */
export interface RedisClient {
  readonly status: string;
  /** Runs a script that Redis has kept, by its hash. */
  evalsha(sha: string, keyCount: number, ...words: string[]): Promise<unknown>;
  /** Runs a Lua script on the given keys and arguments. */
  eval(script: string, keyCount: number, ...words: string[]): Promise<unknown>;
  /** Reads a text. */
  get(key: string): Promise<string | null>;
  /** Writes a text where there is none; 1 where it did. */
  setnx(key: string, value: string): Promise<number>;
  /** Reads all fields of a hash. */
  hgetall(key: string): Promise<Record<string, string>>;
  /** Removes a field of a hash; 0 where there was none. */
  hdel(key: string, field: string): Promise<number>;
  /** Reads members of a sorted set by their ranks. */
  zrange(key: string, start: string, stop: string): Promise<string[]>;
  /** Closes the connection at once; with `reconnect`, opens another. */
  disconnect(reconnect?: boolean): void;
}

interface ConnectionOptions {
  /** A command that is not answered in this time, in milliseconds, has failed. Default: 1 s. */
  readonly deadlineMs?: number;
  readonly onAvailability?: OnAvailability | undefined;
}

const DEADLINE_MS = 1_000;

/** The connections by their clients: who shares a client shares what is known of its Redis. */
const known = new WeakMap<RedisClient, RedisConnection>();

/**
 * Connects to the Redis at an address, or with a client of the caller's. Loads `ioredis` for an address. Throws a
 * `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a text that is no address of a Redis, or without the package.
 */
export function redisConnection(redis: RedisClient | string, options: ConnectionOptions = {}): RedisConnection {
  const isOwn = typeof redis === 'string';
  if (!isOwn && !isClient(redis)) throw notAnAddress(got(redis));
  const client = isOwn ? connect(redis) : redis;
  const connection = known.get(client) ?? new RedisConnection(client, isOwn, options.deadlineMs ?? DEADLINE_MS);
  known.set(client, connection);
  if (options.onAvailability !== undefined) connection.listen(options.onAvailability);
  return connection;
}

/** Sends commands to Redis as long as it answers, and fails them at once while it does not. */
export class RedisConnection {
  readonly client: RedisClient;
  readonly #breaker: CircuitBreaker;
  readonly #listeners = new Set<OnAvailability>();

  /** A connection is replaced only if it is plimsoll's own. */
  constructor(client: RedisClient, isOwn: boolean, deadlineMs: number) {
    this.client = client;
    this.#breaker = new CircuitBreaker({
      deadlineMs,
      isConnected: () => isConnected(client),
      reconnect: () => isOwn && client.disconnect(true),
      outageOf,
      onChange: (outage) => {
        for (const listener of this.#listeners) listener(outage);
      },
    });
  }

  listen(listener: OnAvailability): void {
    this.#listeners.add(listener);
  }

  /**
   * Runs commands on the server that has `key`. Rejects with a `RedisUnavailableError`, at once while Redis is known to
   * be away, or with Redis's own error, which has no words of the command.
   */
  async ask<T>(key: string, command: (client: RedisClient) => Promise<T>): Promise<T> {
    try {
      return await this.#breaker.run(
        () => command(this.client),
        () => this.client.hdel(key, PROBE_FIELD),
      );
    } catch (error) {
      throw withoutCommand(error);
    }
  }

  /** Runs a script. Its keys belong to one slot of a Cluster. */
  run(script: RedisScript, keys: readonly string[], words: Words): Promise<unknown> {
    return this.ask(keys[0] ?? '', (client) => script.run(client, keys, words));
  }

  close(): void {
    this.#breaker.end();
    this.client.disconnect();
  }
}

/** No hash has this field. Removing it is a write, which only a server that can serve allows, and changes nothing. */
const PROBE_FIELD = 'plimsoll:probe';

const CONNECT_MS = 2_000;
const LONGEST_RECONNECT_MS = 1_000;

interface ServerOptions {
  readonly connectTimeout: number;
  readonly maxRetriesPerRequest: number;
  readonly retryStrategy: (tries: number) => number;
  readonly [more: string]: unknown;
}

type EventfulClient = RedisClient & { on(event: 'error', listener: (error: unknown) => void): unknown };

interface Ioredis {
  readonly Redis: new (
    ...args: readonly [url: string, options: ServerOptions] | readonly [ServerOptions]
  ) => EventfulClient;
  readonly Cluster: new (nodes: readonly RedisNode[], options: object) => EventfulClient;
}

const retryStrategy = (tries: number): number => Math.min(tries * 50, LONGEST_RECONNECT_MS);

/** What is in progress when a connection ends has failed: to send it again would count it twice, or too late. */
const SERVER: ServerOptions = { connectTimeout: CONNECT_MS, maxRetriesPerRequest: 0, retryStrategy };

function connect(text: string): RedisClient {
  const address = redisAddress(text);
  if (address === null) throw notAnAddress(text.trim() === '' ? 'an empty text' : NO_URL);
  const client = clientAt(loadedIoredis(), address);
  // Without a listener, ioredis prints the error. Commands report that Redis is down.
  client.on('error', () => undefined);
  return client;
}

function clientAt({ Redis, Cluster }: Ioredis, address: RedisAddress): EventfulClient {
  if (address.kind === 'server') return serverClient(Redis, address.url);
  const { nodes, login, isTls } = address;
  const tls = isTls && { tls: {} };
  if (address.kind === 'cluster') {
    const { connectTimeout } = SERVER;
    return new Cluster(nodes, {
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: connectTimeout,
      redisOptions: { connectTimeout, ...login, ...tls },
    });
  }
  const { username, password } = address.sentinelLogin;
  return new Redis({
    ...SERVER,
    ...login,
    ...tls,
    sentinels: nodes,
    name: address.master,
    db: address.database,
    sentinelUsername: username,
    sentinelPassword: password,
    sentinelRetryStrategy: retryStrategy,
    enableTLSForSentinelMode: isTls,
    // Follows a change of the master at once, and not only when the old one has closed the connection.
    failoverDetector: true,
  });
}

function serverClient(Redis: Ioredis['Redis'], url: string): EventfulClient {
  try {
    return new Redis(url, SERVER);
  } catch {
    // The error of ioredis contains the URL, with its password.
    throw notAnAddress(NO_URL);
  }
}

function loadedIoredis(): Ioredis {
  try {
    return installed('ioredis') as Ioredis;
  } catch {
    throw new ConfigurationError('PLIMSOLL_LEDGER_INVALID', [
      {
        kind: 'not_installed',
        field: 'redis',
        expected: 'the package ioredis',
        got: 'none',
        advice: 'npm install ioredis',
      },
    ]);
  }
}

/** The text is not shown: it may contain a password. */
const NO_URL = 'a text that is not a URL';

function notAnAddress(what: string): ConfigurationError {
  const expected = 'a URL such as redis://127.0.0.1:6379, or a client of ioredis';
  return new ConfigurationError('PLIMSOLL_LEDGER_INVALID', [
    { kind: 'invalid', field: 'redis', expected, got: what, advice: 'begin a URL with redis:// or rediss://' },
  ]);
}

/** A program in plain JavaScript may pass anything, such as a variable that is not set. */
function isClient(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'eval' in value;
}

/** States in which a command is sent, or waits for the first connection. Commands do not wait for a lost connection. */
const ANSWERING: ReadonlySet<string> = new Set(['ready', 'connect', 'connecting', 'wait']);

function isConnected(client: RedisClient): boolean {
  return ANSWERING.has(client.status);
}

/** Errors by which a server says that it cannot serve for now, or no longer. Redis 6 wraps those of a script's commands. */
const NOT_READY =
  /^(?:ERR Error running script .*: -)?(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|Too many Cluster redirections)\b/;

/** Redis answers with a `ReplyError`; all other errors are of the connection. */
function outageOf(error: unknown): RedisOutage | null {
  if (!(error instanceof Error)) return 'disconnected';
  if (NOT_READY.test(error.message)) return 'not_ready';
  return error.name === 'ReplyError' ? null : 'disconnected';
}

/** Returns the error without the failed command, which ioredis attaches: it may contain the password. */
function withoutCommand(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('no reason given');
  return error instanceof RedisUnavailableError
    ? new RedisUnavailableError(error.outage, error.cause === undefined ? undefined : withoutCommand(error.cause))
    : new Error(error.message);
}

type Words = readonly (string | number | bigint)[];

/** A script that Redis runs atomically. A client sends its text first and its hash from then on: one round trip each. */
export class RedisScript {
  readonly #sentBy = new WeakSet<RedisClient>();
  readonly #text: string;
  readonly #sha: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha = createHash('sha1').update(text).digest('hex');
  }

  async run(client: RedisClient, keys: readonly string[], words: Words): Promise<unknown> {
    const rest = [...keys, ...words.map(String)];
    if (!this.#sentBy.has(client)) {
      this.#sentBy.add(client);
      return client.eval(this.#text, keys.length, ...rest);
    }
    try {
      return await client.evalsha(this.#sha, keys.length, ...rest);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return client.eval(this.#text, keys.length, ...rest);
    }
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
