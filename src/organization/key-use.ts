import { dayAfter, utcDay } from '../totals/day-totals.ts';
import { statusOf, type AdminClient } from './admin-client.ts';
import { pagesOf, unexpired } from './read-analytics.ts';
import { legacyBuckets } from './read-legacy.ts';
import { countIn, rowIn, textIn, tokensOf, totalOf } from './report-rows.ts';

/** When keys were last used, as far as the report was read. */
interface KeyUse {
  /** The last UTC day with use, by id. */
  readonly lastUsed: ReadonlyMap<string, string>;
  /** The first day that was read. */
  readonly fromDay: string;
}

/** The report reaches back so far; the day on which it begins is cut off. */
const MOST_DAYS = 364;

/** One question is of so many days at most. */
const DAYS_AT_ONCE = 31;

/** The newer report has nothing before. */
const FIRST_DAY = '2026-01-01';

/**
 * Reads back in time, a month at once, until each key has a day with use or the report ends: a year back, or the beginning
 * of 2026. Throws what the SDK throws.
 */
export async function readKeyUse(client: AdminClient, ids: readonly string[], nowMs: number): Promise<KeyUse> {
  const end = dayAfter(utcDay(nowMs));
  const earliest = dayAfter(utcDay(nowMs), -MOST_DAYS);
  const lastUsed = new Map<string, string>();
  let read = readDaily;
  let fromDay = end;
  for (let toDay = end; toDay > earliest && !ids.every((id) => lastUsed.has(id)); toDay = fromDay) {
    fromDay = later(dayAfter(toDay, -DAYS_AT_ONCE), later(earliest, FIRST_DAY));
    if (fromDay >= toDay) break;
    const range = { fromDay, toDay };
    const used = await read(client, range).catch((error: unknown) => {
      if (read === readLegacyDaily || !NOT_HAD.has(statusOf(error) ?? 0)) throw error;
      read = readLegacyDaily;
      return read(client, range);
    });
    for (const [id, day] of used) if ((lastUsed.get(id) ?? '') < day) lastUsed.set(id, day);
  }
  return { lastUsed, fromDay };
}

/** Statuses by which an organization is told that it has the older reports only. */
const NOT_HAD: ReadonlySet<number> = new Set([400, 403, 404]);

interface Range {
  readonly fromDay: string;
  readonly toDay: string;
}

type Use = readonly (readonly [id: string, day: string])[];

async function readDaily(client: AdminClient, { fromDay, toDay }: Range): Promise<Use> {
  const range = { starting_at: `${fromDay}T00:00:00Z`, ending_at: `${toDay}T00:00:00Z`, time_bucket_width: '1d' };
  const asked = { ...range, group_by: ['api_key_id'], limit: 1_000 };
  const { rows } = await unexpired(() => pagesOf((query) => client.usage(query), asked));
  return rows.flatMap((row) => {
    const usage = rowIn(row['usage'], 'usage');
    if (totalOf(tokensOf(usage)) === 0n && countIn(usage, 'requests') === 0n) return [];
    return dayOf(textIn(rowIn(row['group'], 'group'), 'api_key_id'), textIn(row, 'starting_at'));
  });
}

async function readLegacyDaily(client: AdminClient, { fromDay, toDay }: Range): Promise<Use> {
  const range = { starting_at: `${fromDay}T00:00:00Z`, ending_at: `${toDay}T00:00:00Z`, bucket_width: '1d' };
  const asked = { ...range, group_by: ['api_key_id'], limit: DAYS_AT_ONCE };
  const days = await legacyBuckets((query) => client.get('usage_report/messages', query), asked);
  return [...days].flatMap(([day, rows]) =>
    rows.flatMap((row) => (totalOf(tokensOf(row)) === 0n ? [] : dayOf(textIn(row, 'api_key_id'), day))),
  );
}

function dayOf(id: string | null, time: string | null): Use {
  return id === null || time === null ? [] : [[id, time.slice(0, 10)]];
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}
