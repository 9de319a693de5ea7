import type { PriceTable } from '../pricing/prices.ts';
import { dayAfter, dayStartMs, utcDay } from '../totals/day-totals.ts';
import { MalformedReportError, statusOf, type AdminClient, type ReportPage } from './admin-client.ts';
import { sumOf } from './exact-usd.ts';
import { DayRows, centsIn, countIn, rowIn, textIn, tokensOf, totalOf } from './report-rows.ts';
import type { DayReport, Reading } from './report.ts';

/** What the days are asked of. */
export interface ReportSource {
  readonly client: AdminClient;
  readonly prices: PriceTable;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** All that the price of tokens depends on, and whose they were: as many dimensions as one may ask for. */
export const ANALYTICS_DIMENSIONS = ['api_key_id', 'model', 'service_tier', 'speed', 'inference_geo'];

const ROWS_A_PAGE = 1_000;

/** An expired cursor is met by asking again; a range that expires again and again is too long. */
const TRIES = 3;

type Row = Readonly<Record<string, unknown>>;

/**
 * Reads usage and cost of UTC days, from `fromDay` to before `toDay`, at most 31 of them, with the sums of each day that
 * the rows are checked by. Nothing of a half read page is kept. Throws what the SDK throws, and a `MalformedReportError`.
 */
export async function readAnalytics(source: ReportSource, fromDay: string, toDay: string): Promise<Reading> {
  for (let tries = 1; ; tries++) {
    const reading = await unexpired(() => readOnce(source, fromDay, toDay));
    const isWhole = reading.days.every(({ controlFailures }) => controlFailures.length === 0);
    // Usage and cost may have landed apart, or between two pages: what still disagrees is wrong.
    if (isWhole || tries >= 2) return reading;
  }
}

/** Reads, and again where a page's cursor had expired by then. */
export async function unexpired<T>(read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await read();
    } catch (error) {
      if (statusOf(error) !== EXPIRED || tries >= TRIES) throw error;
    }
  }
}

const EXPIRED = 410;

async function readOnce({ client, prices, now }: ReportSource, fromDay: string, toDay: string): Promise<Reading> {
  const range = {
    ...{ starting_at: `${fromDay}T00:00:00Z`, ending_at: `${toDay}T00:00:00Z`, time_bucket_width: '1d' },
    ...{ limit: ROWS_A_PAGE, order_by: 'time', order: 'asc' },
  };
  const usage = await pagesOf((query) => client.usage(query), { ...range, group_by: ANALYTICS_DIMENSIONS });
  const byType = [...ANALYTICS_DIMENSIONS, 'cost_type', 'token_type'];
  const cost = await pagesOf((query) => client.cost(query), { ...range, group_by: byType });
  const usageSums = await pagesOf((query) => client.usage(query), range);
  const costSums = await pagesOf((query) => client.cost(query), range);
  const readAtMs = now();
  const days: DayReport[] = [];
  for (let day = fromDay; day < toDay; day = dayAfter(day)) {
    const rows = new DayRows(prices);
    for (const row of ofDay(usage.rows, day)) rows.addUsage(groupOf(row), rowIn(row['usage'], 'usage'));
    for (const row of ofDay(cost.rows, day)) rows.addCost(groupOf(row), rowIn(row['cost'], 'cost'));
    const sums = { usage: ofDay(usageSums.rows, day), cost: ofDay(costSums.rows, day) };
    const { cells, others } = rows;
    days.push({ day, readAtMs, source: 'analytics', cells, others, controlFailures: failuresOf(rows, sums) });
  }
  const refreshed = [usage.refreshedAtMs, cost.refreshedAtMs];
  return {
    days,
    source: 'analytics',
    refreshedAtMs: refreshed.includes(null) ? null : Math.min(...(refreshed as number[])),
  };
}

interface Pages {
  readonly rows: readonly Row[];
  readonly refreshedAtMs: number | null;
}

/** All rows of a report, and how far it is complete. */
export async function pagesOf(list: (query: Row) => Promise<ReportPage>, query: Row): Promise<Pages> {
  const rows: Row[] = [];
  let first: ReportPage | null = null;
  let page: string | null = null;
  do {
    const answer: ReportPage = await list(page === null ? query : { ...query, page });
    if (!Array.isArray(answer.data)) throw new MalformedReportError('no rows');
    first ??= answer;
    for (const row of answer.data) rows.push(rowIn(row, 'a row'));
    page = answer.has_more ? answer.next_page : null;
  } while (page !== null);
  const refreshed = textIn(first as unknown as Row, 'data_refreshed_at');
  return { rows, refreshedAtMs: refreshed === null ? null : timeOf(refreshed) };
}

function timeOf(text: string): number {
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new MalformedReportError('no time');
  return atMs;
}

/** The rows whose bucket begins on that UTC day. */
function ofDay(rows: readonly Row[], day: string): readonly Row[] {
  const startMs = dayStartMs(day);
  return rows.filter((row) => {
    const atMs = timeOf(textIn(row, 'starting_at') ?? '');
    if (utcDay(atMs) === day && atMs !== startMs)
      throw new MalformedReportError('a day that does not begin at midnight in UTC');
    return atMs === startMs;
  });
}

function groupOf(row: Row): Row {
  return rowIn(row['group'], 'group');
}

/**
 * Compares the rows of a day with its sums, to the last digit. Finds a lost page, days that are shifted, and cache writes
 * that are read in the wrong place; not cents that are taken for dollars, for the sums are read by the same code.
 */
function failuresOf(
  { cells, others }: DayRows,
  sums: { usage: readonly Row[]; cost: readonly Row[] },
): readonly string[] {
  const usages = sums.usage.map((row) => rowIn(row['usage'], 'usage'));
  const costs = sums.cost.map((row) => rowIn(row['cost'], 'cost'));
  const listOf = (cell: (typeof cells)[number]): bigint => sumOf(Object.values(cell.list ?? {})) + cell.listSearches;
  const checks: readonly (readonly [name: string, rows: bigint, sum: bigint])[] = [
    ['tokens', total(cells, ({ tokens }) => totalOf(tokens)), total(usages, (usage) => totalOf(tokensOf(usage)))],
    [
      'total_tokens',
      total(cells, ({ tokens }) => totalOf(tokens)),
      total(usages, (usage) => countIn(usage, 'total_tokens')),
    ],
    ['requests', total(cells, ({ requests }) => requests), total(usages, (usage) => countIn(usage, 'requests'))],
    [
      'list_amount',
      total(cells, listOf) + total(others, ({ list }) => list),
      total(costs, (cost) => centsIn(cost, 'list_amount')),
    ],
    [
      'amount',
      total(cells, ({ billed }) => billed) + total(others, ({ billed }) => billed),
      total(costs, (cost) => centsIn(cost, 'amount')),
    ],
  ];
  return checks.filter(([, rows, sum]) => rows !== sum).map(([name]) => name);
}

function total<T>(items: readonly T[], of: (item: T) => bigint): bigint {
  return items.reduce((sum, item) => sum + of(item), 0n);
}
