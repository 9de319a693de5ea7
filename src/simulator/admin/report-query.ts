import { refusal, type Refusal } from '../errors.ts';
import type { Checked } from '../messages.ts';

const HOUR_MS = 3_600_000;

const DAY_MS = 24 * HOUR_MS;

/** Lengths of buckets by name. */
export const WIDTHS = { '1d': DAY_MS, '1h': HOUR_MS, '1m': 60_000 } as const;

export type Width = keyof typeof WIDTHS;

/** The time asked for, and the buckets it is cut into. */
export interface ReportRange {
  readonly fromMs: number;
  readonly toMs: number;
  /** `null`: one row for the whole range. */
  readonly width: Width | null;
}

export function invalid(message: string): { readonly refused: Refusal } {
  return { refused: refusal('invalid_request', { message }) };
}

/** The bucket width in a query; `null` where none is named. */
export function widthIn(query: URLSearchParams, name: string): Checked<Width | null> {
  const text = query.get(name);
  if (text === null) return { ok: null };
  return text in WIDTHS ? { ok: text as Width } : invalid(`${name}: expected 1d, 1h or 1m`);
}

/** A time with its zone. */
export function timeIn(query: URLSearchParams, name: string): Checked<number | null> {
  const text = query.get(name);
  if (text === null) return { ok: null };
  const atMs = /T.*(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? invalid(`${name}: expected RFC 3339 with a zone`) : { ok: atMs };
}

const FIRST_DAY_MS = Date.UTC(2026, 0, 1);

/** The range of `/analytics`: from 2026 on, at most 365 days back, 31 days long, a day long by the minute. */
export function analyticsRange(query: URLSearchParams, nowMs: number): Checked<ReportRange> {
  const width = widthIn(query, 'time_bucket_width');
  const starting = timeIn(query, 'starting_at');
  const ending = timeIn(query, 'ending_at');
  if ('refused' in width) return width;
  if ('refused' in starting) return starting;
  if ('refused' in ending) return ending;
  if (starting.ok === null) return invalid('starting_at: Field required');
  if (starting.ok < Math.max(FIRST_DAY_MS, nowMs - 365 * DAY_MS)) return invalid('starting_at: too far back');
  if (width.ok !== null && ending.ok === null) return invalid('ending_at: Field required with time_bucket_width');
  const toMs = ending.ok ?? Math.min(nowMs, starting.ok + 31 * DAY_MS);
  const spanMs = toMs - starting.ok;
  if (spanMs <= 0) return invalid('ending_at: expected a time after starting_at');
  if (spanMs > (width.ok === '1m' ? DAY_MS : 31 * DAY_MS)) return invalid('ending_at: the range is too long');
  const stepMs = WIDTHS[width.ok ?? '1h'];
  return { ok: { fromMs: floor(starting.ok, stepMs), toMs: floor(toMs, stepMs), width: width.ok } };
}

export function floor(atMs: number, stepMs: number): number {
  return Math.floor(atMs / stepMs) * stepMs;
}

/** A list in a query: `name[]=a&name[]=b`. `null` where it is not named; `name[]=` is a list of the empty text. */
export function listIn(query: URLSearchParams, name: string): readonly string[] | null {
  const values = query.getAll(`${name}[]`);
  return values.length === 0 ? null : values;
}

/** A whole number in a query. */
export function limitIn(
  query: URLSearchParams,
  { fallback, most }: { fallback: number; most: number },
): Checked<number> {
  const limit = Number(query.get('limit') ?? fallback);
  return Number.isInteger(limit) && limit >= 1 && limit <= most
    ? { ok: limit }
    : invalid(`limit: expected 1 to ${most}`);
}

/** A place in a list that was begun with a query. */
interface Cursor {
  readonly from: number;
  readonly query: string;
  readonly madeAtMs: number;
}

const GONE: Refusal = { status: 410, type: 'not_found_error', message: 'The page cursor has expired. Begin again.' };

/** The position that the cursor of a query names. An expired one is a 410; one of another query a 400. */
export function positionIn(query: URLSearchParams, nowMs: number, cursorMs: number): Checked<number> {
  const text = query.get('page');
  if (text === null) return { ok: 0 };
  const cursor = cursorFrom(text);
  if (cursor === null || cursor.query !== withoutPage(query)) return invalid('page: not a cursor of this query');
  return nowMs - cursor.madeAtMs > cursorMs ? { refused: GONE } : { ok: cursor.from };
}

/** The cursor for a position. */
export function cursorAt(from: number, query: URLSearchParams, nowMs: number): string {
  const cursor: Cursor = { from, query: withoutPage(query), madeAtMs: nowMs };
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function cursorFrom(text: string): Cursor | null {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString()) as Cursor;
  } catch {
    return null;
  }
}

function withoutPage(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== 'page')
    .map((pair) => pair.join('='))
    .sort()
    .join('&');
}
