/** `950`, `48.2k`, `1.3M`. */
export function count(value: number): string {
  if (value < 10_000) return String(Math.round(value));
  return value < 1_000_000 ? `${(value / 1_000).toFixed(1)}k` : `${(value / 1_000_000).toFixed(1)}M`;
}

/** `0.42 s`, `12.8 s`; `-` for none. */
export function seconds(value: number | null): string {
  if (value === null) return '-';
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} s`;
}

/** A limit as people write it: `$480`, `$0.25`. */
export function limitUsd(value: number): string {
  return `$${Number.isInteger(value) ? value : value.toFixed(2)}`;
}

/** US dollars with more decimals for smaller amounts: a call costs fractions of a cent. */
export function usd(value: number): string {
  if (value === 0) return '$0';
  return `$${value.toFixed(value >= 100 ? 2 : value >= 0.01 ? 4 : 6)}`;
}
