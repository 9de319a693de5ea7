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

/** The rate limits that a response's headers show: one limiter for each dimension with a limit or a remaining count. */
export function limiters(headers: Headers): readonly Limiter[] {
  let found: Limiter[] | null = null;
  for (const names of HEADERS) {
    const limit = count(headers.get(names.limit));
    const remaining = count(headers.get(names.remaining));
    if (limit === null && remaining === null) continue;
    found ??= [];
    found.push({ dimension: names.dimension, limit, remaining, resetAtMs: instant(headers.get(names.reset)) });
  }
  return found ?? NONE;
}

function count(value: string | null): number | null {
  if (value === null || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? number : null;
}

/** RFC 3339, e.g. `2026-02-17T23:46:26Z`. */
function instant(value: string | null): number | null {
  if (value === null) return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}
