import {
  KEEP_DAYS,
  SILENT_MS,
  TOTALS_COUNTS,
  cellFrom,
  cellText,
  dayStartMs,
  noCounts,
  type DayTotals,
  type TotalsCounts,
  type TotalsGap,
  type TotalsPosting,
  type TotalsRow,
  type TotalsStore,
} from '../totals/day-totals.ts';
import type { OnAvailability } from '../redis-address.ts';
import { RedisScript, redisConnection, type RedisClient, type RedisConnection } from './connection.ts';

/**
 * Adds a posting whole, and once. The keys belong to one slot: the last sequence by writer, the writers by their last sign
 * of life, the gaps by their beginning, the days, and the hash of each day that is posted to, one field for each count.
 */
const POST_SCRIPT = `
local taken, seen, gaps, days = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local writer, sequence, now, silent, ends, keepMs = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
if sequence <= tonumber(redis.call('HGET', taken, writer) or '0') then return 0 end
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', '(' .. string.format('%.0f', tonumber(now) - silent))) do
  if lost ~= writer then
    local from = redis.call('ZSCORE', seen, lost)
    redis.call('ZADD', gaps, from, string.format('%.0f', tonumber(from)) .. ' ' .. now .. ' unclean_end')
    redis.call('ZREM', seen, lost)
  end
end
redis.call('HSET', taken, writer, sequence)
if ends == '1' then redis.call('ZREM', seen, writer) else redis.call('ZADD', seen, now, writer) end
for i = 7, #ARGV, 3 do
  local key = KEYS[4 + tonumber(ARGV[i])]
  redis.call('HINCRBY', key, ARGV[i + 1], ARGV[i + 2])
end
for i = 5, #KEYS do
  redis.call('PEXPIRE', KEYS[i], keepMs)
  redis.call('ZADD', days, 0, string.sub(KEYS[i], -10))
end
for _, key in ipairs({ taken, gaps, days }) do redis.call('PEXPIRE', key, keepMs) end
return 1
`;

const DAY_MS = 86_400_000;

/** No call waits for totals, and a year of them is long. */
const DEADLINE_MS = 10_000;

const SCRIPT = new RedisScript(POST_SCRIPT);

/** Options of `redisTotals()`. */
export interface RedisTotalsOptions {
  /** The beginning of all keys. Default: `plimsoll:`. */
  readonly prefix?: string;
  /** Called when Redis becomes unavailable, with the reason, and with `null` when it answers again. */
  readonly onAvailability?: OnAvailability;
}

/**
 * Daily totals in Redis 6 or later, or Valkey, for a fleet. Takes a client of `ioredis`, also one of a Cluster, or a URL;
 * the caller closes a client that it passes in. Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) for a text that
 * is no address of a Redis.
 */
export function redisTotals(
  redis: RedisClient | string,
  { prefix = 'plimsoll:', onAvailability }: RedisTotalsOptions = {},
): TotalsStore {
  const connection = redisConnection(redis, { deadlineMs: DEADLINE_MS, onAvailability });
  const totals = new Totals(connection, prefix);
  return {
    kind: 'redis',
    add: (posting) => totals.add(posting),
    read: (fromDay, toDay) => totals.read(fromDay, toDay),
    close: () => {
      if (typeof redis === 'string') connection.close();
    },
  };
}

class Totals {
  readonly #connection: RedisConnection;
  readonly #prefix: string;

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
  }

  async add({ writer, sequence, atMs, rows, ends }: TotalsPosting): Promise<void> {
    const days = [...new Set(rows.map(({ day }) => day))];
    const counts = rows.flatMap(({ day, toDay, cell, counts: all }) =>
      TOTALS_COUNTS.filter((name) => all[name] !== 0).flatMap((name) => [
        ...[days.indexOf(day) + 1, `${toDay} ${name} ${cellText(cell)}`, all[name]],
      ]),
    );
    const keys = [...['taken', 'seen', 'gaps', 'days'], ...days].map((name) => this.#key(name));
    const words = [writer, sequence, atMs, SILENT_MS, ends ? 1 : 0, KEEP_DAYS * DAY_MS, ...counts];
    await this.#connection.run(SCRIPT, keys, words);
  }

  async read(fromDay: string, toDay: string): Promise<DayTotals> {
    return this.#connection.ask(this.#key('taken'), async (client) => {
      const days = (await client.zrange(this.#key('days'), '0', '-1')).sort();
      const asked = days.filter((day) => day >= fromDay && day < toDay);
      const hashes = await Promise.all(asked.map((day) => client.hgetall(this.#key(day))));
      const gaps = await client.zrange(this.#key('gaps'), '0', '-1');
      const [fromMs, toMs] = [dayStartMs(fromDay), dayStartMs(toDay)];
      return {
        rows: asked.flatMap((day, index) => rowsFrom(day, hashes[index] ?? {})),
        gaps: gaps.map(gapFrom).filter((gap) => gap.fromMs < toMs && gap.toMs > fromMs),
        firstDay: days[0] ?? null,
      };
    });
  }

  /** The braces make a Cluster keep all keys in one slot, so that a posting is atomic. */
  #key(name: string): string {
    return `${this.#prefix}{totals}:${name}`;
  }
}

function rowsFrom(day: string, hash: Readonly<Record<string, string>>): readonly TotalsRow[] {
  const rows = new Map<
    string,
    { readonly toDay: string; readonly text: string; readonly counts: Record<string, number> }
  >();
  for (const [field, count] of Object.entries(hash)) {
    const [, toDay = '', name = '', text = ''] = /^(\S+) (\S+) (.*)$/s.exec(field) ?? [];
    const id = `${toDay} ${text}`;
    const counts: Record<string, number> = rows.get(id)?.counts ?? noCounts();
    counts[name] = Number(count);
    rows.set(id, { toDay, text, counts });
  }
  return [...rows.values()]
    .sort((a, b) => (a.text < b.text ? -1 : 1))
    .map(({ toDay, text, counts }) => ({ day, toDay, cell: cellFrom(text), counts: counts as TotalsCounts }));
}

function gapFrom(text: string): TotalsGap {
  const [fromMs, toMs, how] = text.split(' ');
  return { fromMs: Number(fromMs), toMs: Number(toMs), how: how === 'unreachable' ? 'unreachable' : 'unclean_end' };
}
