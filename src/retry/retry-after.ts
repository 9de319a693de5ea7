/**
 * How long a response asks to be waited for, in milliseconds: `retry-after-ms`, else `retry-after` as seconds or as an
 * HTTP date. `null` where it does not say, or says what is over already. Read as the SDK reads it (1.x, `retryRequest`).
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | null {
  const asked = inMilliseconds(headers.get('retry-after-ms')) || inSeconds(headers.get('retry-after'), nowMs);
  return asked > 0 ? asked : null;
}

function inMilliseconds(value: string | null): number {
  return value === null ? Number.NaN : Number.parseFloat(value);
}

function inSeconds(value: string | null, nowMs: number): number {
  if (value === null) return Number.NaN;
  const seconds = Number.parseFloat(value);
  return Number.isNaN(seconds) ? Date.parse(value) - nowMs : seconds * 1_000;
}
