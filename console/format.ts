/** One format for each kind of figure, whatever panel shows it. `–` is a figure that is not known; zero is shown as zero. */

const UNKNOWN = '–';

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function usd(value: number | null): string {
  if (value === null) return UNKNOWN;
  const size = Math.abs(value);
  const text = size > 0 && size < 0.01 ? small(size) : fixed(size, 2);
  return `${value < 0 ? '−' : ''}$${text}`;
}

/** Two figures that count, in places: 0.00042. */
function small(size: number): string {
  return size.toFixed(Math.min(9, 1 - Math.floor(Math.log10(size))));
}

function fixed(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function seconds(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (value === 0) return '0 s';
  if (value >= 100) return `${whole(value)} s`;
  return `${value.toFixed(value >= 10 ? 1 : 2)} s`;
}

export function percent(ratio: number | null, digits = 1): string {
  return ratio === null ? UNKNOWN : `${(ratio * 100).toFixed(digits)}%`;
}

/** 48.5k, 1.25M. */
export function compact(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  return value >= 1e4 ? `${(value / 1e3).toFixed(1)}k` : whole(value);
}

/** How long until something: 38 s, 12 min. */
export function until(ms: number): string {
  const left = Math.max(0, ms / 1_000);
  return left < 60 ? `${Math.ceil(left)} s` : `${Math.floor(left / 60)} min`;
}

/** UTC, as all times of the API are. */
export function clock(ms: number, digits = 8): string {
  return new Date(ms).toISOString().slice(11, 11 + digits);
}

export function day(ms: number): string {
  return new Date(ms).toLocaleDateString('en-US', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

/** The time, with the day if it is another than today. */
export function moment(ms: number, nowMs: number): string {
  return day(ms) === day(nowMs) ? clock(ms) : `${day(ms)}, ${clock(ms)}`;
}

/** `claude-haiku-4-5` is `haiku-4-5` where room is short. */
export function shortModel(model: string): string {
  return model.replace(/^claude-/, '') || '(no model)';
}

const LONGEST = 40;

/** A label's value, cut where it would push others away; its whole text is in the title. */
export function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text || '(none)';
}
