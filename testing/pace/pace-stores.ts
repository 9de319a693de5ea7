import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryPace, sqlitePace, type Answer, type Asked, type PaceStore } from 'plimsoll/pace';
import { redisPace } from 'plimsoll/redis';
import { redis, redisServer, type RedisServer } from '../redis-server.ts';

/** The time at which the stores begin. */
export const START_MS = Date.UTC(2026, 10, 2, 9);

/** A question under limits of 60 requests, 60,000 tokens in and 60,000 out a minute. */
export const ASKED: Asked = {
  lane: 'batch',
  amounts: [1, 100, 100],
  maxTokens: 400,
  ageMs: 0,
  isFirst: true,
  leeway: 1.15,
  limits: [60, 60_000, 60_000],
  share: 1,
  nowMs: START_MS,
};

/** Asks a store for one call. */
export async function answerOf(store: PaceStore, modelClass: string, asked: Asked): Promise<Answer> {
  const [answer] = await store.ask(modelClass, [asked]);
  if (answer === undefined) throw new TypeError('expected an answer');
  return answer;
}

/** Where the limits are kept. */
export interface PaceHome {
  /** A connection of its own to the same store, as another process has it; in memory there is but one. */
  open(): PaceStore;
  end(): Promise<void>;
}

/** One kind of store. */
export interface PaceStoreCase {
  readonly kind: PaceStore['kind'];
  readonly skip: string | false;
  /** An empty store, on the time that is given. */
  home(timeMs: () => number): PaceHome;
  /** After the last test. */
  end(): Promise<void>;
}

/** The stores that there are; all of them keep to the same table of tests. Starts a Redis where there is one. */
export async function paceStores(): Promise<readonly PaceStoreCase[]> {
  const server = redis.skip === false ? await redisServer() : null;
  return [MEMORY, SQLITE, redisCase(server)];
}

const MEMORY: PaceStoreCase = {
  kind: 'memory',
  skip: false,
  home() {
    const store = memoryPace();
    return { open: () => store, end: async () => {} };
  },
  end: async () => {},
};

const SQLITE: PaceStoreCase = {
  kind: 'sqlite',
  skip: false,
  home() {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-pace-'));
    return opening(
      () => sqlitePace(join(folder, 'pace.db')),
      () => rmSync(folder, { recursive: true }),
    );
  },
  end: async () => {},
};

function redisCase(server: RedisServer | null): PaceStoreCase {
  let homes = 0;
  return {
    kind: 'redis',
    skip: redis.skip,
    home(timeMs) {
      homes += 1;
      const prefix = `home-${homes}:`;
      return opening(() => redisPace(server?.url ?? '', { prefix, timeMs }));
    },
    end: async () => server?.end(),
  };
}

function opening(open: () => PaceStore, remove: () => void = () => undefined): PaceHome {
  const opened: PaceStore[] = [];
  return {
    open() {
      const store = open();
      opened.push(store);
      return store;
    },
    async end() {
      for (const store of opened) await store.close();
      remove();
    },
  };
}
