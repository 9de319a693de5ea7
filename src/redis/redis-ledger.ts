import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import {
  LedgerUnavailableError,
  type Balance,
  type Ledger,
  type Place,
  type Posted,
  type Posting,
  type Spend,
} from '../budget/ledger.ts';
import { ACCOUNT_SCRIPT } from './account-script.ts';
import { connected, isWorthAsking, RedisScript, withoutCommand } from './connection.ts';

export interface RedisLedgerOptions {
  /** What all keys of the ledger begin with: `plimsoll:`. Ledgers of different prefixes do not know each other. */
  readonly prefix?: string;
  /** How long what nothing is posted to any more is kept: 70 days, longer than a forecast looks back. */
  readonly keepMs?: number;
}

/**
 * A ledger in Redis 6 or later, or Valkey, for a fleet: one atomic script for each decision. Takes a client of
 * `ioredis`, a Cluster's too, or a URL; a client that is passed in stays the caller's to close. What Redis keeps it
 * keeps as durably as it is set up to: turn its append-only file on. A Redis that is not connected is unavailable at
 * once, and a slow one after the deadline of `budgets()`. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a
 * text that is no URL.
 */
export function redisLedger(
  redis: Redis | Cluster | string,
  { prefix = 'plimsoll:', keepMs = KEY_LIFETIME_MS }: RedisLedgerOptions = {},
): Ledger {
  const client = typeof redis === 'string' ? connected(redis) : redis;
  const store = new RedisStore(client, { prefix, keepMs });
  return {
    kind: 'redis',
    id: () => store.id,
    post: (posting) => store.post(posting),
    balance: (place, { nowMs, holdMs }) => store.balance(place, nowMs, holdMs),
    history: (account, fromMs) => store.history(account, fromMs),
    close: async () => {
      if (typeof redis === 'string') client.disconnect();
    },
  };
}

const DAY_MS = 86_400_000;

const KEY_LIFETIME_MS = 70 * DAY_MS;

/** A posting that comes again after a longer silence would count twice. */
const SEQUENCE_LIFETIME_MS = 7 * DAY_MS;

const SCRIPT = new RedisScript(ACCOUNT_SCRIPT);

class RedisStore {
  id: string | null = null;
  readonly #client: Redis | Cluster;
  readonly #prefix: string;
  readonly #keepMs: number;

  constructor(client: Redis | Cluster, { prefix, keepMs }: Required<RedisLedgerOptions>) {
    this.#client = client;
    this.#prefix = prefix;
    this.#keepMs = keepMs;
  }

  async post(posting: Posting): Promise<Posted> {
    const { writer, heldNanoUsd, sequence, keepFromMs, spends, thresholdsNanoUsd, asks, limitNanoUsd } = posting;
    const rest = [
      ...[limitNanoUsd ?? '', heldNanoUsd, sequence, keepFromMs, this.#lifetimeMs(posting), this.#sequenceMs],
      ...listed(spends.flatMap(({ startMs, nanoUsd }) => [startMs, nanoUsd])),
      ...listed(thresholdsNanoUsd),
      ...listed(asks),
    ];
    const reply = await this.#run(posting, [writer, posting.nowMs, posting.holdMs], rest);
    const [granted, spent, reserved, levelBefore, level] = reply;
    return {
      granted: [...String(granted)].map((mark) => mark === '1'),
      spentNanoUsd: BigInt(String(spent)),
      reservedNanoUsd: BigInt(String(reserved)),
      levelBefore: Number(levelBefore),
      level: Number(level),
    };
  }

  async balance(place: Place, nowMs: number, holdMs: number): Promise<Balance> {
    const [spent, reserved] = await this.#run(place, ['', nowMs, holdMs], []);
    return { spentNanoUsd: BigInt(String(spent)), reservedNanoUsd: BigInt(String(reserved)) };
  }

  async history(account: string, fromMs: number): Promise<readonly Spend[]> {
    const buckets = await this.#asked(() => this.#client.hgetall(this.#key(account, 'buckets')));
    return Object.entries(buckets)
      .map(([start, amount]) => ({ startMs: Number(start), nanoUsd: BigInt(amount) }))
      .filter(({ startMs }) => startMs >= fromMs)
      .sort((a, b) => a.startMs - b.startMs);
  }

  async #run(place: Place, [writer = '', ...times]: Words, rest: Words): Promise<readonly unknown[]> {
    const { account, periodMs, window } = place;
    const period = (name: string): string => this.#key(account, `${periodMs}:${name}`);
    const keys = [
      ...[period('state'), period('held'), period('heard')],
      ...[this.#key(account, 'buckets'), period(`taken:${writer}`)],
    ];
    const span = window.kind === 'rolling' ? [window.fromMs, window.untilMs, window.bucketMs] : [0, 0, 1];
    const words = [writer, ...times, window.kind, ...span, ...rest];
    const reply = await this.#asked(() => SCRIPT.run(this.#client, keys, words));
    return reply as readonly unknown[];
  }

  #lifetimeMs({ window }: Place): number {
    return this.#keepMs + (window.kind === 'rolling' ? window.untilMs - window.fromMs : 0);
  }

  get #sequenceMs(): number {
    return Math.min(this.#keepMs, SEQUENCE_LIFETIME_MS);
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    if (!isWorthAsking(this.#client)) throw new LedgerUnavailableError('Redis is not connected');
    try {
      const [answer] = await Promise.all([ask(), this.id ?? this.#identify()]);
      return answer;
    } catch (error) {
      throw new LedgerUnavailableError('Redis failed', withoutCommand(error));
    }
  }

  /** The id lives as long as the data: a Redis that was emptied is another ledger. */
  async #identify(): Promise<void> {
    const key = `${this.#prefix}ledger_id`;
    await this.#client.setnx(key, randomUUID());
    this.id = await this.#client.get(key);
  }

  /** The braces make a Cluster keep all keys of an account in one slot. */
  #key(account: string, name: string): string {
    return `${this.#prefix}{${account}}:${name}`;
  }
}

type Words = readonly (string | number | bigint)[];

function listed(words: Words): Words {
  return [words.length, ...words];
}
