/** How long a budget's amount lasts. Days and months are those of the calendar in UTC, as the API's own caps are. */
export type Period =
  { readonly kind: 'day' } | { readonly kind: 'month' } | { readonly kind: 'rolling'; readonly lengthMs: number };

/** One period of a budget: from `startMs` to before `endMs`. A rolling one ends where its length from now would be over. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A rolling window is kept in so many parts: spend leaves it up to one part late, never early. */
const ROLLING_PARTS = 60;

/** How long the hours of a calendar budget are kept, for the forecast: five weeks. */
export const HISTORY_MS = 35 * DAY_MS;

/** The period that `atMs` lies in. */
export function spanAt(period: Period, atMs: number): Span {
  switch (period.kind) {
    case 'day': {
      const startMs = Math.floor(atMs / DAY_MS) * DAY_MS;
      return { startMs, endMs: startMs + DAY_MS };
    }
    case 'month': {
      const at = new Date(atMs);
      const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
      return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
    }
    case 'rolling':
      return { startMs: atMs - period.lengthMs, endMs: atMs + period.lengthMs };
  }
}

/** How fine spend is kept by time: hours for the calendar's periods, parts of the window for a rolling one. */
export function bucketMs(period: Period): number {
  return period.kind === 'rolling' ? Math.ceil(period.lengthMs / ROLLING_PARTS) : HOUR_MS;
}

/** The start of the bucket that `atMs` lies in. */
export function bucketAt(period: Period, atMs: number): number {
  const length = bucketMs(period);
  return Math.floor(atMs / length) * length;
}

/** `day`, `month`, `rolling_24h`, `rolling_90s`: the label, and part of what a ledger keeps the budget under. */
export function periodName(period: Period): string {
  if (period.kind !== 'rolling') return period.kind;
  const { lengthMs } = period;
  if (lengthMs % HOUR_MS === 0) return `rolling_${lengthMs / HOUR_MS}h`;
  return lengthMs % 1000 === 0 ? `rolling_${lengthMs / 1000}s` : `rolling_${lengthMs}ms`;
}
