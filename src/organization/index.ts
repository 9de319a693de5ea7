/** `plimsoll/organization`: what Anthropic's books say, beside what plimsoll saw. */
export { dailyTotals } from '../totals/daily-totals.ts';
export type { DailyTotals, DailyTotalsOptions } from '../totals/daily-totals.ts';
export type { DayTotals, TotalsCell, TotalsCounts, TotalsGap } from '../totals/day-totals.ts';
export type { TotalsPosting, TotalsRow, TotalsStore } from '../totals/day-totals.ts';
