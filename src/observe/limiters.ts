import type { LimitDimension, Limiter } from '../vocabulary.ts';

/** Priority Tier's and fast mode's headers have no `ratelimit` in their names. */
const FAMILIES: readonly (readonly [prefix: string, dimension: LimitDimension])[] = [
  ['anthropic-ratelimit-requests', 'requests'],
  ['anthropic-ratelimit-input-tokens', 'input_tokens'],
  ['anthropic-ratelimit-output-tokens', 'output_tokens'],
  ['anthropic-ratelimit-tokens', 'tokens'],
  ['anthropic-fast-input-tokens', 'fast_input_tokens'],
  ['anthropic-fast-output-tokens', 'fast_output_tokens'],
  ['anthropic-priority-input-tokens', 'priority_input_tokens'],
  ['anthropic-priority-output-tokens', 'priority_output_tokens'],
];

const HEADERS = FAMILIES.map(([prefix, dimension]) => ({
  dimension,
  limit: `${prefix}-limit`,
  remaining: `${prefix}-remaining`,
  reset: `${prefix}-reset`,
}));

const NONE: readonly Limiter[] = Object.freeze([]);

/** Reads headers one by one: `Headers`, or a map by lowercase name. */
export interface HeaderReader {
  get(name: string): string | null | undefined;
}

/**
 * The rate limits that a response's headers show: one limiter for each dimension with a limit. Asking for a header
 * costs about 0.25 µs, so what the response does not limit is asked for once.
 */
export function limiters(headers: HeaderReader): readonly Limiter[] {
  let found: Limiter[] | null = null;
  for (const names of HEADERS) {
    const limit = count(headers.get(names.limit));
    if (limit === null) continue;
    const remaining = count(headers.get(names.remaining));
    found ??= [];
    found.push({ dimension: names.dimension, limit, remaining, resetAtMs: instant(headers.get(names.reset)) });
  }
  return found ?? NONE;
}

function count(value: string | null | undefined): number | null {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? number : null;
}

/** RFC 3339, in the API's way of writing it (`2026-02-17T23:46:26Z`) without `Date.parse`, which takes five times as long. */
function instant(value: string | null | undefined): number | null {
  if (value === null || value === undefined) return null;
  if (value.length !== 20 || value.charCodeAt(19) !== 0x5a /* Z */) return anyInstant(value);
  const day = Date.UTC(digits(value, 0, 4), digits(value, 5, 2) - 1, digits(value, 8, 2));
  const ms = day + ((digits(value, 11, 2) * 60 + digits(value, 14, 2)) * 60 + digits(value, 17, 2)) * 1_000;
  return Number.isNaN(ms) ? null : ms;
}

function digits(text: string, from: number, count: number): number {
  let number = 0;
  for (let at = from; at < from + count; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

function anyInstant(value: string): number | null {
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}
