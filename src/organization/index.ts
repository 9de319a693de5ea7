/**
 * `plimsoll/organization`: what Anthropic's books say, beside what plimsoll saw. Reads; nothing here changes anything in the
 * organization.
 */
export { readOrganization } from './organization.ts';
export type { OrganizationOptions, OrganizationReport, OwnTotals, Window } from './organization.ts';
export { watchOrganization } from './watch.ts';
export type { OrganizationWatch, WatchOptions } from './watch.ts';
export type { OrganizationView, WindowView } from './view.ts';
export type { AdminAccess, ReadOutcome } from './admin-client.ts';
export type { Difference, Line } from './difference.ts';
export type { Cause, Part } from './causes.ts';
export { findings } from './sentences.ts';
export type { Finding } from './sentences.ts';
export type { ExactUsd } from './exact-usd.ts';
export type { CreditLeft, CreditOptions } from './credit.ts';
export type { ConfiguredLimit } from './directory.ts';
export type { KeyGroups, KeyNames, OrganizationKey } from './key-groups.ts';
export { dailyTotals } from '../totals/daily-totals.ts';
export type { DailyTotals, DailyTotalsOptions } from '../totals/daily-totals.ts';
export type { DayTotals, TotalsCell, TotalsCounts, TotalsGap } from '../totals/day-totals.ts';
export type { TotalsPosting, TotalsRow, TotalsStore } from '../totals/day-totals.ts';
export type { LeaseClaim, ReportStore, ReportText } from '../totals/report-store.ts';
