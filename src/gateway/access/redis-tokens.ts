import { RedisScript, redisConnection, type RedisClient, type RedisConnection } from '../../redis/connection.ts';
import { afterForgetting, auditFrom, auditText, type AuditEntry, type AuditFilter } from './audit.ts';
import { auditEntry, isForgotten, withoutOwner } from './token-audit.ts';
import { MINTED_KEPT_MS, TokenStoreError, recordOrNull, rowOf, type TokenRecord, type TokenStore } from './tokens.ts';

/** Options of `redisTokens()`. */
export interface RedisTokensOptions {
  /** Prefix of all keys. Default `plimsoll:`. */
  readonly prefix?: string;
}

/** Adds the token, its list entry and its entry in the audit log atomically, unless the id is taken. */
const PUT = new RedisScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 7))
if ARGV[6] ~= '' then redis.call('RPUSH', KEYS[4], ARGV[6]) end
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
if redis.call('HGET', KEYS[1], 'revoked') == '' then
  redis.call('HSET', KEYS[1], 'revoked', ARGV[1])
  redis.call('RPUSH', KEYS[2], ARGV[2])
end
return 1
`);

const AUDIT = new RedisScript(`return redis.call('LRANGE', KEYS[1], 0, -1)`);

/** Changes entries by their places, or drops them, and adds one. Only the end of the list grows, so the places stand. */
const FORGET = new RedisScript(`
for i = 2, #ARGV, 2 do redis.call('LSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('LREM', KEYS[1], 0, '')
redis.call('RPUSH', KEYS[1], ARGV[1])
return 1
`);

const ANONYMIZE = new RedisScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'note', ARGV[1], 'member', ARGV[2]) end
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
  const connection = redisConnection(redis);
  const tokens = new RedisTokens(connection, prefix);
  return {
    kind: 'redis',
    put: (record, actor = '') => query(() => tokens.put(record, actor)),
    find: (id) => query(() => tokens.find(id)),
    list: () => query(() => tokens.list()),
    revoke: (id, atMs, actor = '') => query(() => tokens.revoke(id, { atMs, actor })),
    audit: () => query(() => tokens.audit()),
    forget: (what, entry) => query(() => tokens.forget(what, entry)),
    close: async () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}

/** Tokens, and the audit log, under one prefix. */
class RedisTokens {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #lists: readonly string[];
  readonly #log: string;

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#lists = [this.#key('made'), this.#key('minted')];
    this.#log = this.#key('audit');
  }

  async put(record: TokenRecord, actor: string): Promise<void> {
    const keys = [this.#key(`token:${record.id}`), ...this.#lists, this.#log];
    const isPut = await this.#connection.run(PUT, keys, wordsOf(record, actor));
    if (isPut !== 1) throw new TypeError('the id is taken');
  }

  async find(id: string): Promise<TokenRecord | null> {
    const key = this.#key(`token:${id}`);
    const row = await this.#connection.ask(key, (client) => client.hgetall(key));
    return recordOrNull(Object.keys(row).length === 0 ? undefined : row);
  }

  async list(): Promise<readonly TokenRecord[]> {
    const ids = await Promise.all(
      this.#lists.map((each) => this.#connection.ask(each, (client) => client.zrange(each, '0', '-1'))),
    );
    const records = await Promise.all(ids.flat().map((id) => this.find(id)));
    return records.filter((record) => record !== null).sort(byAge);
  }

  async revoke(id: string, by: Pick<AuditEntry, 'atMs' | 'actor'>): Promise<boolean> {
    const record = await this.find(id);
    if (record === null) return false;
    const entry = auditText(auditEntry('revoked', record, by));
    return (await this.#connection.run(REVOKE, [this.#key(`token:${id}`), this.#log], [by.atMs, entry])) === 1;
  }

  async audit(): Promise<readonly AuditEntry[]> {
    return ((await this.#connection.run(AUDIT, [this.#log], [])) as readonly string[]).map(auditFrom);
  }

  async forget(what: AuditFilter, forgotten: AuditEntry): Promise<number> {
    const changes = (await this.audit()).flatMap((entry, place) => {
      const after = afterForgetting(entry, what);
      return after === entry ? [] : [[place, after === null ? '' : auditText(after)]];
    });
    await this.#connection.run(FORGET, [this.#log], [auditText(forgotten), ...changes.flat()]);
    for (const record of (await this.list()).filter((each) => isForgotten(each, what, forgotten.atMs))) {
      const { note, member } = rowOf(withoutOwner(record));
      await this.#connection.run(ANONYMIZE, [this.#key(`token:${record.id}`)], [note, member ?? '']);
    }
    return changes.length;
  }

  /** A Cluster keeps keys with the same text in braces in one slot, so that a script can write several. */
  #key(name: string): string {
    return `${this.#prefix}{tokens}:${name}`;
  }
}

/**
 * The arguments of `PUT`: whether it was minted, two times for the lists, its retention, its id, its entry in the audit log,
 * and all its fields.
 */
function wordsOf(record: TokenRecord, actor: string): readonly (string | number)[] {
  const row = rowOf(record);
  const { id, created, expires, revoked, minted } = row;
  const entry = auditEntry(revoked === null ? 'created' : 'revoked', record, { atMs: created, actor });
  const isMinted = minted !== null;
  const forgottenMs = isMinted ? created - MINTED_KEPT_MS : created;
  const keptMs = (expires ?? created) - created + MINTED_KEPT_MS;
  const fields = Object.entries<string | number | null>({ ...row }).flatMap(([name, value]) => [name, value ?? '']);
  return [
    isMinted ? 'minted' : '',
    forgottenMs,
    expires ?? created,
    keptMs,
    id,
    isMinted ? '' : auditText(entry),
    ...fields,
  ];
}

function byAge(one: TokenRecord, other: TokenRecord): number {
  return one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1);
}

async function query<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw new TokenStoreError('Redis failed', error);
  }
}
