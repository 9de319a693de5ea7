import { RedisScript, connect, isConnected, withoutCommand, type RedisClient } from '../../redis/connection.ts';
import {
  MINTED_KEPT_MS,
  TokenStoreError,
  recordOrNull,
  rowOf,
  type TokenRecord,
  type TokenRow,
  type TokenStore,
} from './tokens.ts';

/** Options of `redisTokens()`. */
export interface RedisTokensOptions {
  /** Prefix of all keys. Default `plimsoll:`. */
  readonly prefix?: string;
}

/** A request waits at most this long for its token. */
const ANSWER_MS = 1_000;

/** Adds the token and its list entry atomically, unless the id is taken. */
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
 * Stores tokens in Redis 6 or later, or Valkey, for a fleet: all gateways and commands see an issued or revoked token
 * at the next request. Takes a client of `ioredis`, which the caller closes, or a URL, for which it loads `ioredis`.
 * Tokens are as durable as that Redis: turn on its append-only file.
 */
export function redisTokens(
  redis: RedisClient | string,
  { prefix = 'plimsoll:' }: RedisTokensOptions = {},
): TokenStore {
  const client = typeof redis === 'string' ? connect(redis, ANSWER_MS) : redis;
  // A Cluster keeps keys with the same text in braces in one slot, so that a script can write several.
  const key = (name: string): string => `${prefix}{tokens}:${name}`;
  const lists = [key('made'), key('minted')] as const;
  const found = async (id: string): Promise<TokenRecord | null> => {
    const row = await client.hgetall(key(`token:${id}`));
    return recordOrNull(Object.keys(row).length === 0 ? undefined : row);
  };
  return {
    kind: 'redis',
    put: (record) =>
      query(client, async () => {
        const isPut = await PUT.run(client, [key(`token:${record.id}`), ...lists], wordsOf(rowOf(record)));
        if (isPut !== 1) throw new TypeError('the id is taken');
      }),
    find: (id) => query(client, () => found(id)),
    list: () =>
      query(client, async () => {
        const ids = await Promise.all(lists.map((list) => client.zrange(list, '0', '-1')));
        const records = await Promise.all(ids.flat().map(found));
        return records.filter((record) => record !== null).sort(byAge);
      }),
    revoke: (id, atMs) => query(client, async () => (await REVOKE.run(client, [key(`token:${id}`)], [atMs])) === 1),
    close: async () => {
      if (typeof redis === 'string') client.disconnect();
    },
  };
}

/**
 * The arguments of `PUT`: whether it was minted, two times for the lists, its retention, its id, and all its fields.
 */
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

async function query<T>(client: RedisClient, ask: () => Promise<T>): Promise<T> {
  if (!isConnected(client)) throw new TokenStoreError('Redis is not connected');
  try {
    return await ask();
  } catch (error) {
    throw new TokenStoreError('Redis failed', withoutCommand(error));
  }
}
