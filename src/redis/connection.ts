import { createHash } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';
import { installed } from '../installed.ts';

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
  /** Reads members of a sorted set by their ranks. */
  zrange(key: string, start: string, stop: string): Promise<string[]>;
  /** Closes the connection at once. */
  disconnect(): void;
}

/**
 * Connects with a new client, which fails instead of waiting. `commandMs` limits each command; by default there is no
 * limit. Loads `ioredis` when it is called. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a text that
 * is not a URL, or without the package.
 */
export function connect(url: string, commandMs?: number): RedisClient {
  const Redis = loadedIoredis();
  const client = clientFor(Redis, url, {
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 1,
    retryStrategy: (tries) => Math.min(tries * 50, LONGEST_RECONNECT_MS),
    ...(commandMs !== undefined && { commandTimeout: commandMs }),
  });
  // Without a listener, ioredis prints the error. Commands report that Redis is down.
  client.on('error', () => undefined);
  return client;
}

const CONNECT_MS = 2_000;
const LONGEST_RECONNECT_MS = 2_000;

interface ConnectOptions {
  readonly connectTimeout: number;
  readonly maxRetriesPerRequest: number;
  readonly retryStrategy: (tries: number) => number;
  readonly commandTimeout?: number;
}

type RedisConstructor = new (
  url: string,
  options: ConnectOptions,
) => RedisClient & { on(event: 'error', listener: (error: unknown) => void): unknown };

function loadedIoredis(): RedisConstructor {
  try {
    return (installed('ioredis') as { readonly Redis: RedisConstructor }).Redis;
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

function clientFor(Redis: RedisConstructor, url: string, options: ConnectOptions): InstanceType<RedisConstructor> {
  try {
    return new Redis(url, options);
  } catch {
    // The error of ioredis contains the URL, with its password.
    const [expected, got] = ['a URL such as redis://127.0.0.1:6379', 'a text that is not a URL'];
    throw new ConfigurationError('PLIMSOLL_LEDGER_INVALID', [
      { kind: 'invalid', field: 'redis', expected, got, advice: 'write it out' },
    ]);
  }
}

/** States in which a command is sent, or waits for the first connection. Commands do not wait for a lost connection. */
const ANSWERING: ReadonlySet<string> = new Set(['ready', 'connect', 'connecting', 'wait']);

/** Tells whether a command may be answered: the client is connected, or connects for the first time. */
export function isConnected(client: RedisClient): boolean {
  return ANSWERING.has(client.status);
}

/** Returns the error without the failed command, which ioredis attaches: it may contain the password. */
export function withoutCommand(error: unknown): Error {
  return error instanceof Error ? new Error(error.message) : new Error('no reason given');
}

/** A script that Redis runs atomically. Its text is sent once, and its hash afterwards. */
export class RedisScript {
  readonly #text: string;
  readonly #sha: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha = createHash('sha1').update(text).digest('hex');
  }

  async run(
    client: RedisClient,
    keys: readonly string[],
    words: readonly (string | number | bigint)[],
  ): Promise<unknown> {
    const rest = [...keys, ...words.map(String)];
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
