import { randomUUID } from 'node:crypto';
import {
  LedgerUnavailableError,
  type AccountPeriod,
  type Ledger,
  type Posted,
  type Posting,
  type Reading,
  type Spend,
} from '../budget/ledger.ts';
import type { OnAvailability } from '../redis-address.ts';
import { RedisScript, redisConnection, type RedisClient, type RedisConnection } from './connection.ts';

/**
 * A posting, or a reading if no writer is named, as one script that Redis runs atomically. Redis keeps sums as 64-bit
 * integers; Lua compares them as doubles, which are exact up to 2^53 nano-dollars ($9 million) and beyond that to the
 * nearest few nano-dollars.
 *
 * The keys belong to one account, so to one slot: the period's state (`spent`, `level`), the holdings (`all`, and by
 * writer the amount and the time until which it holds), an index of those times, the account's buckets, and the last
 * sequence of this writer. A Redis that evicts takes a key as a whole: what adds up is in one, and what is not there any more
 * is taken from what is.
 *
 * The time is Redis's own: the clocks of the writers differ, and one that is a minute ahead would forget what the others
 * hold.
 */
const ACCOUNT_SCRIPT = `
local state, held, holders, buckets, taken = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local cursor = 0
local function word() cursor = cursor + 1 return ARGV[cursor] end
local function number() return tonumber(word()) end
local function list()
  local items = {}
  for i = 1, number() do items[i] = word() end
  return items
end

local writer, given, term = word(), word(), number()
local now = tonumber(given)
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local window, from, untilMs, step = word(), number(), number(), number()

local function takeBack(one)
  local amount = redis.call('HGET', held, one)
  if amount then
    if amount ~= '0' then redis.call('HINCRBY', held, 'all', '-' .. amount) end
    redis.call('HDEL', held, one, 'until:' .. one)
  end
  redis.call('ZREM', holders, one)
end

local function reservedNow() return redis.call('HGET', held, 'all') or '0' end

local writers = math.max(0, redis.call('HLEN', held) - 1) / 2
if redis.call('ZCARD', holders) ~= writers then
  redis.call('DEL', holders)
  local fields = redis.call('HGETALL', held)
  for i = 1, #fields, 2 do
    if fields[i]:sub(1, 6) == 'until:' then redis.call('ZADD', holders, fields[i + 1], fields[i]:sub(7)) end
  end
end

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', holders, '-inf', '(' .. string.format('%.0f', now), 'LIMIT', 0, 100)) do
  if silent ~= writer then takeBack(silent) end
end

local function spentNow()
  if window == 'calendar' then return redis.call('HGET', state, 'spent') or '0' end
  local starts, sum = {}, 0
  for start = from, untilMs, step do starts[#starts + 1] = string.format('%.0f', start) end
  for _, amount in ipairs(redis.call('HMGET', buckets, unpack(starts))) do
    if amount then sum = sum + tonumber(amount) end
  end
  return string.format('%.0f', sum)
end

if writer == '' then return { spentNow(), reservedNow(), string.format('%.0f', now) } end

local limit, least, holding, sequence = word(), word(), word(), number()
local keepFrom, lifetime, sequenceLifetime = number(), word(), word()
local spends, thresholds, requests = list(), list(), list()

local function levelAt(spent)
  local level = 0
  for _, threshold in ipairs(thresholds) do
    if tonumber(spent) >= tonumber(threshold) then level = level + 1 end
  end
  return level
end

local lost = tonumber(least) - tonumber(redis.call('HGET', state, 'spent') or '0')
if lost > 0 then redis.call('HSET', state, 'spent', least, 'level', levelAt(least)) end

if #spends > 0 and sequence > tonumber(redis.call('GET', taken) or '0') then
  local isNew = false
  for i = 1, #spends, 2 do
    local sum = redis.call('HINCRBY', buckets, spends[i], spends[i + 1])
    redis.call('HINCRBY', state, 'spent', spends[i + 1])
    if sum == tonumber(spends[i + 1]) then isNew = true end
  end
  redis.call('SET', taken, string.format('%.0f', sequence), 'PX', sequenceLifetime)
  if isNew then
    for _, start in ipairs(redis.call('HKEYS', buckets)) do
      if tonumber(start) < keepFrom then redis.call('HDEL', buckets, start) end
    end
  end
end

takeBack(writer)
local spent = spentNow()
local reserved = tonumber(reservedNow()) + tonumber(holding)
local function hold(amount)
  redis.call('HINCRBY', held, writer, amount)
  redis.call('HINCRBY', held, 'all', amount)
end
if holding ~= '0' then hold(holding) end
local granted = ''
for _, amount in ipairs(requests) do
  if limit == '' or tonumber(spent) + reserved + tonumber(amount) <= tonumber(limit) then
    reserved = reserved + tonumber(amount)
    hold(amount)
    granted = granted .. '1'
  else
    granted = granted .. '0'
  end
end
if redis.call('HEXISTS', held, writer) == 1 then
  local untilThen = string.format('%.0f', now + term)
  redis.call('HSET', held, 'until:' .. writer, untilThen)
  redis.call('ZADD', holders, untilThen, writer)
end

local before, level = tonumber(redis.call('HGET', state, 'level') or '0'), levelAt(spent)
if level ~= before then redis.call('HSET', state, 'level', level) end

for _, key in ipairs({ state, held, holders, buckets }) do redis.call('PEXPIRE', key, lifetime) end
return { granted, spent, reservedNow(), before, level, string.format('%.0f', now), string.format('%.0f', math.max(0, lost)) }
`;

/** Options of `redisLedger()`. */
export interface RedisLedgerOptions {
  /**
   * The prefix of all keys of the ledger. Default: `plimsoll:`. Ledgers with different prefixes are separate ledgers.
   */
  readonly prefix?: string;
  /** The time that keys are kept after the last posting. Default: 70 days, longer than a forecast looks back. */
  readonly keepMs?: number;
  /**
   * How long a command waits before Redis counts as unavailable, in milliseconds. Default: 1,000. If several ledgers share a
   * client of yours, the first one decides.
   */
  readonly deadlineMs?: number;
  /** Called when Redis becomes unavailable, with the reason, and with `null` when it answers again. */
  readonly onAvailability?: OnAvailability;
  /** For tests: the time in place of Redis's own. */
  readonly timeMs?: () => number;
}

/**
 * A ledger in Redis 6 or later, or Valkey, for a fleet: one atomic script for each decision. Takes a client of
 * `ioredis`, also one of a Cluster, or a URL; the caller closes a client that it passes in. Spend is as durable as Redis
 * is set up to keep it: turn its append-only file on. Its time holds for all processes. A Redis that is known not to answer
 * is unavailable at once, and asked again in the background; one that is slow for the first time, after the deadline of
 * `budgets()`. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a text that is no address of a Redis.
 */
export function redisLedger(
  redis: RedisClient | string,
  { prefix = 'plimsoll:', keepMs = KEY_LIFETIME_MS, timeMs, deadlineMs, onAvailability }: RedisLedgerOptions = {},
): Ledger {
  const connection = redisConnection(redis, { onAvailability, ...(deadlineMs !== undefined && { deadlineMs }) });
  const store = new RedisStore(connection, { prefix, keepMs, timeMs });
  return {
    kind: 'redis',
    id: () => store.id,
    timeMs: () => store.timeMs(),
    post: (posting) => store.post(posting),
    balance: (period) => store.balance(period),
    history: (account, fromMs) => store.history(account, fromMs),
    close: async () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}

const DAY_MS = 86_400_000;

const KEY_LIFETIME_MS = 70 * DAY_MS;

/** A posting that is repeated after a longer silence would count twice. */
const SEQUENCE_LIFETIME_MS = 7 * DAY_MS;

const SCRIPT = new RedisScript(ACCOUNT_SCRIPT);

interface StoreOptions extends Pick<Required<RedisLedgerOptions>, 'prefix' | 'keepMs'> {
  readonly timeMs: (() => number) | undefined;
}

class RedisStore {
  id: string | null = null;
  /** Whether Redis has the id, as far as is known: one that has lost spend may have lost the id as well. */
  #hasId = false;
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #keepMs: number;
  readonly #givenMs: (() => number) | undefined;

  constructor(connection: RedisConnection, options: StoreOptions) {
    this.#connection = connection;
    this.#prefix = options.prefix;
    this.#keepMs = options.keepMs;
    this.#givenMs = options.timeMs;
    // It may be another Redis that answers again.
    connection.listen((outage) => {
      if (outage === null) this.#hasId = false;
    });
  }

  /** Reads the time with a balance of nothing: a script can, wherever its keys are. */
  async timeMs(): Promise<number> {
    const { ledgerMs } = await this.balance({ account: 'time', periodMs: 0, window: { kind: 'calendar' } });
    return ledgerMs;
  }

  async post(posting: Posting): Promise<Posted> {
    const { writer, heldNanoUsd, sequence, keepFromMs, spends, thresholdsNanoUsd, requests } = posting;
    const rest = [
      ...[posting.limitNanoUsd ?? '', posting.leastSpentNanoUsd, heldNanoUsd, sequence, keepFromMs],
      ...[this.#lifetimeMs(posting), this.#sequenceMs],
      ...counted(spends.flatMap(({ startMs, nanoUsd }) => [startMs, nanoUsd])),
      ...counted(thresholdsNanoUsd),
      ...counted(requests),
    ];
    const reply = await this.#run(posting, { writer, holdMs: posting.holdMs }, rest);
    const [granted, spent, reserved, levelBefore, level, ledgerMs, lost] = reply;
    if (lost !== '0') this.#hasId = false;
    return {
      granted: [...String(granted)].map((mark) => mark === '1'),
      spentNanoUsd: BigInt(String(spent)),
      reservedNanoUsd: BigInt(String(reserved)),
      levelBefore: Number(levelBefore),
      level: Number(level),
      ledgerMs: Number(ledgerMs),
      lostNanoUsd: BigInt(String(lost)),
    };
  }

  async balance(period: AccountPeriod): Promise<Required<Reading>> {
    const [spent, reserved, ledgerMs] = await this.#run(period, { writer: '', holdMs: 0 }, []);
    return {
      spentNanoUsd: BigInt(String(spent)),
      reservedNanoUsd: BigInt(String(reserved)),
      ledgerMs: Number(ledgerMs),
    };
  }

  async history(account: string, fromMs: number): Promise<readonly Spend[]> {
    const key = this.#key(account, 'buckets');
    const buckets = await this.#ask(() => this.#connection.ask(key, (client) => client.hgetall(key)));
    return Object.entries(buckets)
      .map(([start, amount]) => ({ startMs: Number(start), nanoUsd: BigInt(amount) }))
      .filter(({ startMs }) => startMs >= fromMs)
      .sort((a, b) => a.startMs - b.startMs);
  }

  async #run(
    period: AccountPeriod,
    { writer, holdMs }: Pick<Posting, 'writer' | 'holdMs'>,
    rest: Words,
  ): Promise<readonly unknown[]> {
    const { account, periodMs, window } = period;
    const key = (name: string): string => this.#key(account, `${periodMs}:${name}`);
    const keys = [key('state'), key('held'), key('holders'), this.#key(account, 'buckets'), key(`taken:${writer}`)];
    const span = window.kind === 'rolling' ? [window.fromMs, window.untilMs, window.bucketMs] : [0, 0, 1];
    const words = [writer, this.#givenMs?.() ?? '', holdMs, window.kind, ...span, ...rest];
    const reply = await this.#ask(() => this.#connection.run(SCRIPT, keys, words));
    return reply as readonly unknown[];
  }

  #lifetimeMs({ window }: AccountPeriod): number {
    return this.#keepMs + (window.kind === 'rolling' ? window.untilMs - window.fromMs : 0);
  }

  get #sequenceMs(): number {
    return Math.min(this.#keepMs, SEQUENCE_LIFETIME_MS);
  }

  async #ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      const [answer] = await Promise.all([command(), this.#hasId ? this.id : this.#identify()]);
      return answer;
    } catch (error) {
      throw new LedgerUnavailableError('Redis failed', error);
    }
  }

  /** The id is kept with the data. A Redis that was emptied gets it back, unless a process that did not know it came first. */
  async #identify(): Promise<void> {
    const key = `${this.#prefix}ledger_id`;
    this.id = await this.#connection.ask(key, async (client) => {
      await client.setnx(key, this.id ?? randomUUID());
      return client.get(key);
    });
    this.#hasId = true;
  }

  /** The braces keep all keys of an account in one slot of a Cluster. */
  #key(account: string, name: string): string {
    return `${this.#prefix}{${account}}:${name}`;
  }
}

type Words = readonly (string | number | bigint)[];

function counted(words: Words): Words {
  return [words.length, ...words];
}
