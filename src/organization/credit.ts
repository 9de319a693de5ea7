import { dayAfter, dayStartMs, utcDay, type TotalsRow } from '../totals/day-totals.ts';
import { exactUsdOfNano, sumOf, type ExactUsd } from './exact-usd.ts';
import type { DayReport } from './report.ts';

/** What a prepaid account was known to have, and what was added to it. No endpoint tells it, so the user does. */
export interface CreditOptions {
  /** The balance at the beginning of a UTC day, `YYYY-MM-DD`. */
  readonly balance: { readonly usd: number; readonly at: string };
  /** Added since then. */
  readonly credit?: readonly { readonly usd: number; readonly at: string }[];
}

/** What is left of a prepaid account, in exact dollars. */
export interface CreditLeft {
  readonly left: ExactUsd;
  /**
   * Least and most that it can be by what others spent while the report was as late as it is now, by discounts and none on
   * plimsoll's own spend since, and by corrections as large as those seen.
   */
  readonly least: ExactUsd;
  readonly most: ExactUsd;
  /** Days that it lasts at the mean of the last seven complete days; `null` where nothing was spent. */
  readonly daysLeft: number | null;
  /** What was billed a day, as the mean of the last seven complete days. */
  readonly daily: ExactUsd;
}

interface CreditSources {
  readonly reports: readonly DayReport[];
  /** Days as they were when they were first complete, where they were changed since. */
  readonly firsts: readonly DayReport[];
  readonly refreshedAtMs: number;
  readonly rows: readonly TotalsRow[];
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;

/**
 * The balance and what was added, less what the report bills up to its last complete day, less what plimsoll saw since,
 * at the share of the list amount that the last seven complete days were billed at, less what others are likely to have
 * spent since: the middle of those days, with their least and most as bounds. The largest correction of a day's amounts that
 * was seen may come again, either way. A new program of others is in no bound. `null` where the report does not reach back to
 * the balance.
 */
export function creditLeft({ balance, credit = [] }: CreditOptions, sources: CreditSources): CreditLeft | null {
  const { reports, firsts, refreshedAtMs, rows, nowMs } = sources;
  const completeUntil = utcDay(refreshedAtMs);
  const closed = reports.filter(({ day }) => day < completeUntil);
  if (!closed.some(({ day }) => day === balance.at) && balance.at < completeUntil) return null;
  const given = [balance, ...credit.filter(({ at }) => at >= balance.at && dayStartMs(at) <= nowMs)];
  const billed = sumOf(closed.filter(({ day }) => day >= balance.at).map(billedOn));
  const own = sumOf(rows.filter(({ day }) => day >= completeUntil && day >= balance.at).map(recordedIn));
  const openDays = Math.max(0, nowMs - Math.max(dayStartMs(completeUntil), dayStartMs(balance.at))) / DAY_MS;
  const week = closed.filter(({ day }) => day >= dayAfter(completeUntil, -7));
  const discounted = (units: ExactUsd): ExactUsd => atBilledShare(units, week);
  const others = week.map((report) => othersOn(report, rows, discounted)).sort((a, b) => (a < b ? -1 : 1));
  const ofOthers = (units: ExactUsd | undefined): ExactUsd =>
    ((units ?? 0n) * BigInt(Math.round(openDays * 1_000))) / 1_000n;
  const rest = sumOf(given.map(({ usd }) => exactUsdOfNano(Math.round(usd * 1e9)))) - billed - discounted(own);
  const left = rest - ofOthers(others[Math.floor(others.length / 2)]);
  const corrected = largestCorrection(closed, firsts);
  const daily = week.length === 0 ? 0n : sumOf(week.map(billedOn)) / BigInt(week.length);
  return {
    left,
    least: rest - ofOthers(others.at(-1)) - corrected - (own > discounted(own) ? own - discounted(own) : 0n),
    most: rest - ofOthers(others[0]) + corrected,
    daily,
    daysLeft: daily <= 0n ? null : Number((left * 1_000n) / daily) / 1_000,
  };
}

function billedOn({ cells, others }: DayReport): ExactUsd {
  return sumOf(cells.map(({ billed }) => billed)) + sumOf(others.map(({ billed }) => billed));
}

function recordedIn({ counts }: TotalsRow): ExactUsd {
  return exactUsdOfNano(counts.recorded_nano_usd);
}

/** What an amount at list price is billed at, as the days were; the amount itself where they have no list prices. */
function atBilledShare(units: ExactUsd, days: readonly DayReport[]): ExactUsd {
  const cells = days.flatMap((report) => report.cells).filter(({ list }) => list !== null);
  const listed = sumOf(cells.map(({ list, listSearches }) => sumOf(Object.values(list ?? {})) + listSearches));
  return listed === 0n ? units : (units * sumOf(cells.map((cell) => cell.billed))) / listed;
}

/** The most that a complete day's amount was changed by. */
function largestCorrection(closed: readonly DayReport[], firsts: readonly DayReport[]): ExactUsd {
  const before = new Map(firsts.map((report) => [report.day, billedOn(report)]));
  const changes = closed.map((report) => {
    const change = billedOn(report) - (before.get(report.day) ?? billedOn(report));
    return change < 0n ? -change : change;
  });
  return changes.reduce((most, change) => (change > most ? change : most), 0n);
}

/** What was billed of a day and not seen here. */
function othersOn(report: DayReport, rows: readonly TotalsRow[], discounted: (units: ExactUsd) => ExactUsd): ExactUsd {
  const seen = discounted(sumOf(rows.filter(({ day }) => day === report.day).map(recordedIn)));
  const unseen = billedOn(report) - seen;
  return unseen < 0n ? 0n : unseen;
}
