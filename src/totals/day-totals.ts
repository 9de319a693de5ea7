import type { Posting } from './poster.ts';

/** Everything that the price of tokens depends on, and whose they were: a line of a day's totals. */
export interface TotalsCell {
  /** Alias of the API key. */
  readonly key: string;
  /** Canonical id; `other` for those beyond the cap. */
  readonly model: string;
  /** `standard`, `batch`, `priority`, or what else the server said. */
  readonly tier: string;
  /** `standard` or `fast`. */
  readonly speed: string;
  /** `global` where the server did not say. */
  readonly geo: string;
  /** `long`: charged here by the prices of long prompts. */
  readonly band: 'usual' | 'long';
  /** The category of a refusal before any output; `null` for everything else. */
  readonly refused: string | null;
}

/** The counts of a line, in the order in which they are stored. They add up over lines, days and processes. */
export const TOTALS_COUNTS = [
  'calls',
  'no_usage',
  'cut',
  'cut_most_tokens',
  'unpriced',
  'searches',
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'output',
  'output_estimated',
  'recorded_nano_usd',
] as const;

/**
 * `calls` that told their usage; `no_usage`: attempts that may be billed and never told it; `cut`: calls whose output is
 * estimated, with the sum of their `max_tokens` in `cut_most_tokens`; `unpriced` calls; web `searches`; tokens by kind,
 * those of refused calls too; `recorded_nano_usd`: the sum of the costs as recorded, each call, part and kind rounded.
 */
export type TotalsCounts = Readonly<Record<(typeof TOTALS_COUNTS)[number], number>>;

/** What calls of one UTC day added up to. */
export interface TotalsRow {
  /** The UTC day on which the calls began, `YYYY-MM-DD`. */
  readonly day: string;
  /** The UTC day on which they ended: another one for calls that crossed midnight, which are kept apart. */
  readonly toDay: string;
  readonly cell: TotalsCell;
  readonly counts: TotalsCounts;
}

/** A time in which a process may have made calls that are in no totals. */
export interface TotalsGap {
  readonly fromMs: number;
  readonly toMs: number;
  /** `unclean_end`: the process ended without saying so; `unreachable`: the store did not answer, and totals were given up. */
  readonly how: 'unclean_end' | 'unreachable';
}

/** What a process adds at once. */
export type TotalsPosting = Posting<TotalsRow>;

/** The totals of some days. */
export interface DayTotals {
  readonly rows: readonly TotalsRow[];
  readonly gaps: readonly TotalsGap[];
  /** The first day that has any; `null` for none. Before it nothing was watched. */
  readonly firstDay: string | null;
}

type Eventually<T> = T | Promise<T>;

/** Keeps totals. A method that throws, or rejects, has changed nothing. */
export interface TotalsStore {
  readonly kind: 'sqlite' | 'redis';
  /** Adds a posting whole or not at all. */
  add(posting: TotalsPosting): Eventually<void>;
  /** Days from `fromDay` to before `toDay`. */
  read(fromDay: string, toDay: string): Eventually<DayTotals>;
  /** Releases the file or the connection. */
  close(): Eventually<void>;
}

const DAY_MS = 86_400_000;

/** Days for which totals are kept. */
export const KEEP_DAYS = 400;

/** A writer that posts nothing for this long has ended, and did not say so. */
export const SILENT_MS = 5 * 60_000;

/** The UTC day of a time, `YYYY-MM-DD`. */
export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** The beginning of a UTC day, in milliseconds since the epoch. */
export function dayStartMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** The day that is so many days later, or earlier. */
export function dayAfter(day: string, days = 1): string {
  return utcDay(dayStartMs(day) + days * DAY_MS);
}

/** No counts. */
export function noCounts(): Record<keyof TotalsCounts, number> {
  return Object.fromEntries(TOTALS_COUNTS.map((name) => [name, 0])) as Record<keyof TotalsCounts, number>;
}

/** Adds counts to others in place. */
export function addCounts(sums: Record<keyof TotalsCounts, number>, counts: TotalsCounts): void {
  for (const name of TOTALS_COUNTS) sums[name] += counts[name];
}

/** The parts of a cell in the order in which they are stored, as one text. */
export function cellText({ key, model, tier, speed, geo, band, refused }: TotalsCell): string {
  return JSON.stringify([key, model, tier, speed, geo, band, refused]);
}

export function cellFrom(text: string): TotalsCell {
  const [key = '', model = '', tier = '', speed = '', geo = '', band, refused = null] = JSON.parse(text) as string[];
  return { key, model, tier, speed, geo, band: band === 'long' ? 'long' : 'usual', refused };
}
