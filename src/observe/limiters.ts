import type { LimitDimension, Limiter } from '../limiter.ts';

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
 * Reads the rate limits in a response's headers: one limiter for each dimension with a limit. Asking for a header costs
 * about 0.25 µs, so a dimension that the response does not limit is asked for once.
 */
export function limiters(headers: HeaderReader): readonly Limiter[] {
  let found: Limiter[] | null = null;
  for (const names of HEADERS) {
    const shown = headers.get(names.limit);
    const limit = shown ? count(shown) : null;
    if (limit === null) continue;
    const [remaining, reset] = [headers.get(names.remaining), headers.get(names.reset)];
    found ??= [];
    found.push({
      dimension: names.dimension,
      limit,
      remaining: remaining ? count(remaining) : null,
      resetAtMs: reset ? instant(reset) : null,
    });
  }
  return found ?? NONE;
}

function count(value: string): number | null {
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? number : null;
}

/** The ends of the numbers in `2026-02-17T23:46:26Z`, as the API writes an instant. */
const NUMBERS_END_AT = [4, 7, 10, 13, 16, 19] as const;

/** Year, month, day, hour, minute, second of the instant that is being read. */
const fields = [0, 0, 0, 0, 0, 0];

/** Reads an instant of RFC 3339, in the API's way of writing it without `Date.parse`, which takes five times as long. */
function instant(value: string): number | null {
  let field = 0;
  let number = 0;
  for (let at = 0; at < value.length; at++) {
    const digit = value.charCodeAt(at) - 0x30;
    if (digit >= 0 && digit <= 9) {
      number = number * 10 + digit;
    } else {
      if (at !== NUMBERS_END_AT[field]) return anyInstant(value);
      fields[field++] = number;
      number = 0;
    }
  }
  if (field !== fields.length || !value.endsWith('Z') || value.length !== 20) return anyInstant(value);
  const [year = 0, month = 0, day = 0, hour, minute, second] = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function anyInstant(value: string): number | null {
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}
