/** A calendar month in UTC, as the API's own caps count: `startMs` belongs to it, `endMs` to the next. */
export interface CalendarMonth {
  readonly startMs: number;
  readonly endMs: number;
}

/** The month that holds this time. */
export function calendarMonth(atMs: number): CalendarMonth {
  const at = new Date(atMs);
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
  return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
}
