import { createHash } from 'node:crypto';
import { Redis, type Cluster } from 'ioredis';
import { ConfigurationError } from '../errors.ts';

const CONNECT_MS = 2_000;
const LONGEST_RECONNECT_MS = 2_000;

/**
 * A client of our own, which fails rather than waits. `commandMs`: how long a command may take; default: as long as it
 * takes. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for what is no URL.
 */
export function connected(url: string, commandMs?: number): Redis {
  const client = made(url, commandMs);
  // Without a listener ioredis prints it; that Redis is down is seen where it is asked.
  client.on('error', () => undefined);
  return client;
}

function made(url: string, commandMs: number | undefined): Redis {
  try {
    return new Redis(url, {
      connectTimeout: CONNECT_MS,
      maxRetriesPerRequest: 1,
      retryStrategy: (tries) => Math.min(tries * 50, LONGEST_RECONNECT_MS),
      ...(commandMs !== undefined && { commandTimeout: commandMs }),
    });
  } catch {
    // Its own error has the URL on it, with its password.
    throw new ConfigurationError('PLIMSOLL_LEDGER_INVALID', [
      'redis: expected a URL such as redis://127.0.0.1:6379, got a text that is none: write it out',
    ]);
  }
}

/** Commands that are sent while the client has no connection wait in it; one that has lost it is not waited for. */
const WORTH_ASKING: ReadonlySet<string> = new Set(['ready', 'connect', 'connecting', 'wait']);

export function isWorthAsking(client: Redis | Cluster): boolean {
  return WORTH_ASKING.has(client.status);
}

/** What may be told of an error of ioredis, which has the command that failed on it: that can be the one with the password. */
export function withoutCommand(error: unknown): Error {
  return error instanceof Error ? new Error(error.message) : new Error('no reason given');
}

type Words = readonly (string | number | bigint)[];

/** A script that Redis runs whole, and nothing in between; its text is sent once. */
export class RedisScript {
  readonly #text: string;
  readonly #sha: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha = createHash('sha1').update(text).digest('hex');
  }

  async run(client: Redis | Cluster, keys: readonly string[], words: Words): Promise<unknown> {
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
