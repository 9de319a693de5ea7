import { RedisScript, connect, isConnected, withoutCommand, type RedisClient } from '../../redis/connection.ts';
import {
  MINTED_KEPT_MS,
  TokenStoreError,
  recordOf,
  rowOf,
  type TokenRecord,
  type TokenRow,
  type TokenStore,
} from './tokens.ts';

export interface RedisTokensOptions {
  /** What all keys begin with: `plimsoll:`. */
  readonly prefix?: string;
}

/** A request waits for its token no longer than this. */
const ANSWER_MS = 1_000;

/** The token and its place in the list at once; refused where the id is taken. */
const PUT = new RedisScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
if ARGV[1] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[2])
  redis.call('ZADD', KEYS[3], ARGV[3], ARGV[5])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[5])
end
return 1
`);

const REVOKE = new RedisScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HGET', KEYS[1], 'revoked') == '' then redis.call('HSET', KEYS[1], 'revoked', ARGV[1]) end
return 1
`);

/**
 * Tokens in Redis 6 or later, or Valkey, for a fleet: what one gateway or command makes or revokes, all know at the next
 * request. Takes a client of `ioredis`, which stays the caller's to close, or a URL. What Redis keeps it keeps as durably
 * as it is set up to: turn its append-only file on.
 */
export function redisTokens(
  redis: RedisClient | string,
  { prefix = 'plimsoll:' }: RedisTokensOptions = {},
): TokenStore {
  const client = typeof redis === 'string' ? connect(redis, ANSWER_MS) : redis;
  // The braces make a Cluster keep all of them in one slot, or no script could write two.
  const key = (name: string): string => `${prefix}{tokens}:${name}`;
  const lists = [key('made'), key('minted')] as const;
  const found = async (id: string): Promise<TokenRecord | null> => {
    const row = await client.hgetall(key(`token:${id}`));
    return Object.keys(row).length === 0 ? null : recordOf(row);
  };
  return {
    kind: 'redis',
    put: (record) =>
      asked(client, async () => {
        const isPut = await PUT.run(client, [key(`token:${record.id}`), ...lists], wordsOf(rowOf(record)));
        if (isPut !== 1) throw new TypeError('the id is taken');
      }),
    find: (id) => asked(client, () => found(id)),
    list: () =>
      asked(client, async () => {
        const ids = await Promise.all(lists.map((list) => client.zrange(list, '0', '-1')));
        const records = await Promise.all(ids.flat().map(found));
        return records.filter((record) => record !== null).sort(byAge);
      }),
    revoke: (id, atMs) => asked(client, async () => (await REVOKE.run(client, [key(`token:${id}`)], [atMs])) === 1),
    close: async () => {
      if (typeof redis === 'string') client.disconnect();
    },
  };
}

/** Whether it was minted; when it was made; when it ends; how long it is kept; its id; and all its fields. */
function wordsOf(row: TokenRow): readonly (string | number)[] {
  const { id, created, expires, minted } = row;
  const isMinted = minted !== null;
  const forgottenMs = isMinted ? created - MINTED_KEPT_MS : created;
  const keptMs = (expires ?? created) - created + MINTED_KEPT_MS;
  const fields = Object.entries<string | number | null>({ ...row }).flatMap(([name, value]) => [name, value ?? '']);
  return [isMinted ? 'minted' : '', forgottenMs, expires ?? created, keptMs, id, ...fields];
}

function byAge(one: TokenRecord, other: TokenRecord): number {
  return one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1);
}

async function asked<T>(client: RedisClient, ask: () => Promise<T>): Promise<T> {
  if (!isConnected(client)) throw new TokenStoreError('Redis is not connected');
  try {
    return await ask();
  } catch (error) {
    throw new TokenStoreError('Redis failed', withoutCommand(error));
  }
}
