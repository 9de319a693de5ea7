import { utcDay, type TotalsGap } from '../totals/day-totals.ts';
import type { DayShift } from './joined-cells.ts';
import { cellName } from './joined-cells.ts';
import type { KeyGroups } from './key-groups.ts';
import { ANALYTICS_DIMENSIONS, pagesOf, unexpired, type ReportSource } from './read-analytics.ts';
import { DayRows, rowIn, textIn } from './report-rows.ts';
import { byKind } from './report.ts';

const MINUTE_MS = 60_000;

const DAY_MS = 24 * 60 * MINUTE_MS;

/** So many gaps are read again, the latest first: each takes a read of its own. */
const MOST_GAPS = 10;

/**
 * What the report has in the minutes of which plimsoll knows that it may have lost what it saw, by day, group and mode. A
 * gap of more than a day is cut off: reports by the minute have no more.
 */
export async function readGaps(
  source: ReportSource,
  gaps: readonly TotalsGap[],
  groups: KeyGroups,
): Promise<ReadonlyMap<string, DayShift>> {
  const lost = new Map<string, DayShift>();
  for (const { fromMs, toMs } of [...gaps].sort((a, b) => b.toMs - a.toMs).slice(0, MOST_GAPS)) {
    const startMs = Math.floor(fromMs / MINUTE_MS) * MINUTE_MS;
    const endMs = Math.min(Math.ceil(toMs / MINUTE_MS) * MINUTE_MS, startMs + DAY_MS);
    const range = { starting_at: iso(startMs), ending_at: iso(endMs), time_bucket_width: '1m', limit: 1_000 };
    const asked = { ...range, group_by: ANALYTICS_DIMENSIONS };
    const { rows } = await unexpired(() => pagesOf((query) => source.client.usage(query), asked));
    const days = new Map<string, DayRows>();
    for (const row of rows) {
      const day = utcDay(Date.parse(textIn(row, 'starting_at') ?? ''));
      const sums = days.get(day) ?? new DayRows(source.prices);
      days.set(day, sums);
      sums.addUsage(rowIn(row['group'], 'group'), rowIn(row['usage'], 'usage'));
    }
    for (const [day, sums] of days) addTo(lost, { day, sums, groups });
  }
  return lost;
}

function addTo(
  lost: Map<string, DayShift>,
  { day, sums, groups }: { readonly day: string; readonly sums: DayRows; readonly groups: KeyGroups },
): void {
  for (const { keyId, tokens, requests, searches, ...mode } of sums.cells) {
    const key = keyId === null ? null : groups.ofId(keyId);
    if (key === null) continue;
    const name = cellName({ ...mode, day, key });
    const before = lost.get(name);
    lost.set(name, {
      tokens: byKind((kind) => tokens[kind] + (before?.tokens[kind] ?? 0n)),
      requests: requests + (before?.requests ?? 0n),
      searches: searches + (before?.searches ?? 0n),
    });
  }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
