import type { Answer, Asked } from '../pace/ask.ts';
import type { Amounts, Charge } from '../pace/pace-state.ts';
import type { PaceStore } from '../pace/pace-store.ts';
import type { Settled, Settlement } from '../pace/settle.ts';
import { RedisScript, redisConnection, type RedisClient, type RedisConnection } from './connection.ts';
import { PACE_ASK, PACE_SETTLE } from './redis-pace-scripts.ts';

/** Options of `redisPace()`. */
export interface RedisPaceOptions {
  /** The prefix of all keys. Default: `plimsoll:`. */
  readonly prefix?: string;
  /** For tests: the time in place of Redis's own. */
  readonly timeMs?: () => number;
}

/**
 * Keeps the limits in Redis 6 or later, or Valkey, for a fleet: one atomic script for each question and each settlement. Takes a
 * client of `ioredis`, also one of a Cluster, or a URL; the caller closes a client that it passes in. Redis's time holds for all
 * processes. Keys are forgotten after ten minutes without a call. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for
 * a text that is no address of a Redis.
 */
export function redisPace(
  redis: RedisClient | string,
  { prefix = 'plimsoll:', timeMs }: RedisPaceOptions = {},
): PaceStore {
  const connection = redisConnection(redis);
  const scripts = new PaceScripts(connection, prefix, timeMs);
  return {
    kind: 'redis',
    ask: (modelClass, asked) => scripts.ask(modelClass, asked),
    settle: (modelClass, settlement, id) => scripts.settle(modelClass, settlement, id),
    close: () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}

const ASK = new RedisScript(PACE_ASK);
const SETTLE = new RedisScript(PACE_SETTLE);

class PaceScripts {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #givenMs: (() => number) | undefined;

  constructor(connection: RedisConnection, prefix: string, givenMs: (() => number) | undefined) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#givenMs = givenMs;
  }

  async ask(modelClass: string, asked: readonly Asked[]): Promise<readonly Answer[]> {
    const replies = await this.#run(ASK, [this.#key(modelClass, 'state')], asked);
    return (replies as readonly (readonly unknown[])[]).flatMap((reply, index) => {
      const each = asked[index];
      return each === undefined ? [] : [answerIn(reply.map(String), each)];
    });
  }

  async settle(modelClass: string, settlement: Settlement, id: string): Promise<Settled> {
    const keys = [this.#key(modelClass, 'state'), this.#key(modelClass, `settled:${id}`)];
    return { isSurprise: (await this.#run(SETTLE, keys, settlement)) === 1 };
  }

  #run(script: RedisScript, keys: readonly string[], given: readonly Asked[] | Settlement): Promise<unknown> {
    return this.#connection.run(script, keys, [JSON.stringify(given), this.#givenMs?.() ?? '']);
  }

  /** The braces keep all keys of a class in one slot of a Cluster. */
  #key(modelClass: string, name: string): string {
    return `${this.#prefix}{pace:${modelClass}}:${name}:${FORMAT}`;
  }
}

/** Increased with every change of what is kept: processes of another version keep their own, as strangers. */
const FORMAT = 1;

/** In the order of the script's numbers. */
const CAUSES = ['requests', 'input_tokens', 'output_tokens', 'start', 'priority'] as const;

function answerIn([kind, avoided, ...rest]: readonly string[], asked: Asked): Answer {
  const isAvoided = avoided === '1';
  if (kind === 'never') return { kind, limit: Number(rest[0]), isAvoided };
  if (kind === 'wait') return { kind, waitMs: Number(rest[0]), cause: CAUSES[Number(rest[1])] ?? 'start', isAvoided };
  return { kind: 'go', charge: chargeIn(rest.map(Number), asked), isAvoided };
}

function chargeIn(numbers: readonly number[], { amounts, maxTokens }: Asked): Charge {
  const [isBlind, epoch] = numbers;
  const three = (from: number): Amounts => [numbers[from] ?? 0, numbers[from + 1] ?? 0, numbers[from + 2] ?? 0];
  return {
    amounts,
    maxTokens,
    fullAtMs: three(2),
    correctedMs: three(5),
    windowEndMs: three(8),
    epoch: epoch ?? 0,
    isBlind: isBlind === 1,
  };
}
