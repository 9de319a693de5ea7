import { calendarMonth, type CalendarMonth } from './calendar-month.ts';

/** As many as a clock that jumps to and fro over a month's end needs; what is farthest from now is dropped. */
const MOST_MONTHS = 3;

/** Spend by calendar month (UTC), as one process sees it. */
export class SeenSpend {
  readonly #byMonth = new Map<number, bigint>();
  #month: CalendarMonth = { startMs: 0, endMs: 0 };

  add(nanoUsd: number, atMs: number): void {
    const { startMs } = this.#monthOf(atMs);
    this.#byMonth.set(startMs, (this.#byMonth.get(startMs) ?? 0n) + BigInt(nanoUsd));
    if (this.#byMonth.size <= MOST_MONTHS) return;
    const away = (month: number): number => Math.abs(month - startMs);
    const farthest = [...this.#byMonth.keys()].toSorted((a, b) => away(b) - away(a))[0];
    if (farthest !== undefined) this.#byMonth.delete(farthest);
  }

  /** Spend in the month that holds this time: a lower bound, 0 where nothing was seen. */
  nanoUsd(atMs: number): bigint {
    return this.#byMonth.get(this.#monthOf(atMs).startMs) ?? 0n;
  }

  /** Calls come one after the other in the same month: the calendar need not be asked each time. */
  #monthOf(atMs: number): CalendarMonth {
    if (atMs < this.#month.startMs || atMs >= this.#month.endMs) this.#month = calendarMonth(atMs);
    return this.#month;
  }
}
