import { dayAfter, dayStartMs, utcDay } from '../totals/day-totals.ts';
import { MalformedReportError } from './admin-client.ts';
import { sumOf } from './exact-usd.ts';
import { unexpired, type ReportSource } from './read-analytics.ts';
import { DayRows, centsIn, rowIn, textIn } from './report-rows.ts';
import type { DayReport, OtherCost, Reading } from './report.ts';
import { searchRate } from './table-rates.ts';

type Row = Readonly<Record<string, unknown>>;

const FAST_MODE_BETA = 'fast-mode-2026-02-01';

/** Buckets of a day on one page; a range has at most so many. */
const DAYS_A_PAGE = 31;

/**
 * Reads the older reports, for organizations that have no others: tokens by key and mode, and costs of the whole
 * organization. They have neither requests nor list prices, so prices and discounts are one cause. A day is complete half an
 * hour after its end.
 */
export async function readLegacy(source: ReportSource, fromDay: string, toDay: string): Promise<Reading> {
  const { client, prices, now } = source;
  const range = {
    starting_at: `${fromDay}T00:00:00Z`,
    ending_at: `${toDay}T00:00:00Z`,
    bucket_width: '1d',
    limit: DAYS_A_PAGE,
  };
  const by = ['api_key_id', 'model', 'service_tier', 'speed', 'inference_geo'];
  const usage = await legacyBuckets((query) => client.get('usage_report/messages', query, [FAST_MODE_BETA]), {
    ...range,
    group_by: by,
  });
  const described = { ...range, group_by: ['description'] };
  const cost = await legacyBuckets((query) => client.get('cost_report', query), described);
  const readAtMs = now();
  const days: DayReport[] = [];
  for (let day = fromDay; day < toDay; day = dayAfter(day)) {
    const rows = new DayRows(prices);
    for (const row of usage.get(day) ?? []) rows.addUsage(row, row);
    const search = searchRate(prices, day) ?? 0n;
    const cells = rows.cells.map((cell) => ({
      ...cell,
      list: null,
      requests: null,
      listSearches: cell.searches * search,
    }));
    const others = costsOf(cost.get(day) ?? []);
    days.push({ day, readAtMs, source: 'legacy', cells, others, controlFailures: [] });
  }
  const completeMs = dayStartMs(utcDay(readAtMs - LAG_MS));
  return { days, source: 'legacy', refreshedAtMs: completeMs };
}

const LAG_MS = 30 * 60_000;

const OF_CELLS: ReadonlySet<string> = new Set(['tokens', 'web_search']);

/** Costs by type. Those of tokens and searches are one sum, which is compared with the table's price of all of them. */
function costsOf(rows: readonly Row[]): readonly OtherCost[] {
  const costs = rows.map((row) => ({
    costType: textIn(row, 'cost_type') ?? 'unknown',
    billed: centsIn(row, 'amount'),
  }));
  const ofCells = costs.filter(({ costType }) => OF_CELLS.has(costType));
  const others = costs.filter(({ costType }) => !OF_CELLS.has(costType));
  return [
    ...(rows.length === 0
      ? []
      : [{ costType: 'tokens', keyId: null, list: 0n, billed: sumOf(ofCells.map(({ billed }) => billed)) }]),
    ...others.map(({ costType, billed }) => ({ costType, keyId: null, list: billed, billed })),
  ];
}

/** The rows of each UTC day of an older report. */
export async function legacyBuckets(
  get: (query: Row) => Promise<unknown>,
  query: Row,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  return unexpired(() => bucketsOnce(get, query));
}

async function bucketsOnce(
  get: (query: Row) => Promise<unknown>,
  query: Row,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const days = new Map<string, readonly Row[]>();
  let page: string | null = null;
  do {
    const answer: Row = rowIn(await get(page === null ? query : { ...query, page }), 'a page');
    const data = answer['data'];
    if (!Array.isArray(data)) throw new MalformedReportError('no buckets');
    for (const each of data as readonly unknown[]) {
      const bucket = rowIn(each, 'a bucket');
      const results = bucket['results'];
      if (!Array.isArray(results)) throw new MalformedReportError('no results');
      const day = (textIn(bucket, 'starting_at') ?? '').slice(0, 10);
      days.set(
        day,
        results.map((result) => rowIn(result, 'a result')),
      );
    }
    page = answer['has_more'] === true ? textIn(answer, 'next_page') : null;
  } while (page !== null);
  return days;
}
