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
  /** Least and most that it can be by what others spent while the report was as late as it is now. */
  readonly least: ExactUsd;
  readonly most: ExactUsd;
  /** Days that it lasts at the mean of the last seven complete days; `null` where nothing was spent. */
  readonly daysLeft: number | null;
  /** What was billed a day, as the mean of the last seven complete days. */
  readonly daily: ExactUsd;
}

interface CreditSources {
  readonly reports: readonly DayReport[];
  readonly refreshedAtMs: number;
  readonly rows: readonly TotalsRow[];
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;

/**
 * The balance and what was added, less what the report bills up to its last complete day, less what plimsoll saw since,
 * less what others are likely to have spent since: the middle of the last seven complete days, with their least and most as
 * bounds. A new program of others is in no bound. `null` where the report does not reach back to the balance.
 */
export function creditLeft({ balance, credit = [] }: CreditOptions, sources: CreditSources): CreditLeft | null {
  const { reports, refreshedAtMs, rows, nowMs } = sources;
  const completeUntil = utcDay(refreshedAtMs);
  const closed = reports.filter(({ day }) => day < completeUntil);
  if (!closed.some(({ day }) => day === balance.at) && balance.at < completeUntil) return null;
  const given = [balance, ...credit.filter(({ at }) => at >= balance.at && dayStartMs(at) <= nowMs)];
  const billed = sumOf(closed.filter(({ day }) => day >= balance.at).map(billedOn));
  const own = sumOf(rows.filter(({ day }) => day >= completeUntil && day >= balance.at).map(recordedIn));
  const openDays = Math.max(0, nowMs - Math.max(dayStartMs(completeUntil), dayStartMs(balance.at))) / DAY_MS;
  const week = closed.filter(({ day }) => day >= dayAfter(completeUntil, -7));
  const others = week.map((report) => othersOn(report, rows)).sort((a, b) => (a < b ? -1 : 1));
  const ofOthers = (units: ExactUsd | undefined): ExactUsd =>
    ((units ?? 0n) * BigInt(Math.round(openDays * 1_000))) / 1_000n;
  const rest = sumOf(given.map(({ usd }) => exactUsdOfNano(Math.round(usd * 1e9)))) - billed - own;
  const left = rest - ofOthers(others[Math.floor(others.length / 2)]);
  const daily = week.length === 0 ? 0n : sumOf(week.map(billedOn)) / BigInt(week.length);
  return {
    left,
    least: rest - ofOthers(others.at(-1)),
    most: rest - ofOthers(others[0]),
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

/** What was billed of a day and not seen here. */
function othersOn(report: DayReport, rows: readonly TotalsRow[]): ExactUsd {
  const seen = sumOf(rows.filter(({ day }) => day === report.day).map(recordedIn));
  const unseen = billedOn(report) - seen;
  return unseen < 0n ? 0n : unseen;
}
