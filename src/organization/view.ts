import type { Cause } from './causes.ts';
import type { CreditLeft } from './credit.ts';
import type { Difference } from './difference.ts';
import type { ConfiguredLimit } from './directory.ts';
import { nanoUsdOf, sumOf, type ExactUsd } from './exact-usd.ts';
import type { OrganizationReport, Window } from './organization.ts';
import type { DayReport } from './report.ts';
import { dayAfter, dayStartMs } from '../totals/day-totals.ts';

/** What was used of a model by a key in a window, in US dollars; of complete days only. */
interface LineView {
  /** An alias, else the key's name in the organization, else its id; `null` for use without a key. */
  readonly key: string | null;
  /** `null` for what is of no model. */
  readonly model: string | null;
  readonly recordedUsd: number;
  readonly listedUsd: number;
  readonly billedUsd: number;
}

/** One window of the bill; of complete days only. */
export interface WindowView {
  readonly daysCompared: number;
  /** plimsoll's own totals are older than the window: else what was used before them would look like a difference. */
  readonly isCompared: boolean;
  readonly listedUsd: number;
  readonly billedUsd: number;
  readonly recordedUsd: number;
  /** `null` where no key is watched, or none was used. */
  readonly coverage: number | null;
  /** Days whose rows do not agree with their sums. */
  readonly contradictingDays: number;
  readonly causes: readonly { readonly cause: Cause; readonly usd: number }[];
  readonly lines: readonly LineView[];
}

/** A key of the organization. Times are milliseconds since the Unix epoch. */
interface KeyView {
  /** An alias, else its name in the organization, else its id. */
  readonly key: string;
  readonly status: string;
  readonly createdAtMs: number | null;
  readonly expiresAtMs: number | null;
  /** The beginning of the last UTC day on which the report has use of it; `null` for none as far as it was read. */
  readonly lastUsedAtMs: number | null;
  /** It was not used since, as far as the report tells. */
  readonly idleSinceMs: number;
}

/** Credit in US dollars, and the days that it lasts at the mean of the last seven complete days; `null`: for ever. */
interface CreditView {
  readonly usd: number;
  readonly days: number | null;
}

/** The bounds of what is left. */
export const CREDIT_BOUNDS = ['least', 'middle', 'most'] as const;

type CreditBound = (typeof CREDIT_BOUNDS)[number];

/** What the organization's books say, in numbers that can be shown, stored and shared. */
export interface OrganizationView {
  readonly readAtMs: number;
  readonly source: DayReport['source'];
  /** The end of complete data; `null`: nothing has landed, which is unknown and not zero. */
  readonly refreshedAtMs: number | null;
  /** The month until now, days included for which the report is not complete. */
  readonly monthSoFarUsd: number | null;
  readonly windows: Readonly<Record<Window, WindowView>>;
  readonly keys: readonly KeyView[];
  readonly limits: readonly ConfiguredLimit[];
  /** The monthly cap of the usage tier in US dollars: `null` for none, `'unknown'` where it cannot be read. */
  readonly tierCapUsd: number | null | 'unknown';
  /** `null` where no balance is configured, or the report does not reach back to it. */
  readonly credit: Readonly<Record<CreditBound, CreditView>> | null;
}

/** Returns the numbers of a report. */
export function organizationView(report: OrganizationReport): OrganizationView {
  const { readAtMs, source, refreshedAtMs, limits, tierCapUsd = 'unknown', credit, windows } = report;
  const nameOf = keyNames(report);
  const names = { nameOf, ownSince: report.ownSince };
  const monthSoFar = sumOf(windows.month.lines.map(({ billed }) => billed));
  return {
    ...{ readAtMs, source, refreshedAtMs, limits, tierCapUsd },
    monthSoFarUsd: refreshedAtMs === null ? null : usdOfUnits(monthSoFar),
    windows: {
      yesterday: windowView(windows.yesterday, names),
      last_7_days: windowView(windows.last_7_days, names),
      month: windowView(windows.month, names),
    },
    keys: keyViews(report, nameOf),
    credit: credit === null ? null : creditView(credit),
  };
}

/** A group of aliases has its own name; other keys that of the organization's list. */
function keyNames({ groups, keys }: OrganizationReport): (id: string) => string {
  const names = new Map(keys.map(({ id, name }) => [id, name === '' ? id : name] as const));
  return (id) => groups.ofId(id) ?? names.get(id) ?? id;
}

interface Names {
  readonly nameOf: (id: string) => string;
  readonly ownSince: string | null;
}

function windowView(of: Difference, { nameOf, ownSince }: Names): WindowView {
  const { closedDays, listed, billed, coverage, controlFailures } = of;
  const closed = new Set(closedDays);
  const lines = of.lines.filter(({ day }) => closed.has(day));
  return {
    daysCompared: closedDays.length,
    isCompared: ownSince !== null && ownSince < of.fromDay,
    listedUsd: usdOfUnits(listed),
    billedUsd: usdOfUnits(billed),
    recordedUsd: usdOfUnits(sumOf(lines.map(({ recorded }) => recorded))),
    coverage,
    contradictingDays: controlFailures.length,
    causes: causesOf(of, closed),
    lines: linesOf(lines, nameOf),
  };
}

function causesOf({ parts }: Difference, closed: ReadonlySet<string>): WindowView['causes'] {
  const sums = new Map<Cause, ExactUsd>();
  for (const { cause, units, day } of parts)
    if (closed.has(day) && cause !== 'open') sums.set(cause, (sums.get(cause) ?? 0n) + units);
  return [...sums].map(([cause, units]) => ({ cause, usd: usdOfUnits(units) }));
}

type Sums = Record<'recorded' | 'listed' | 'billed', ExactUsd>;

function linesOf(lines: Difference['lines'], nameOf: (id: string) => string): readonly LineView[] {
  const sums = new Map<string, Sums>();
  for (const { key, model, recorded, listed, billed } of lines) {
    const id = JSON.stringify([key === null ? null : nameOf(key), model]);
    const sum = sums.get(id) ?? { recorded: 0n, listed: 0n, billed: 0n };
    sums.set(id, { recorded: sum.recorded + recorded, listed: sum.listed + listed, billed: sum.billed + billed });
  }
  // The largest first: they get series of their own.
  const largestFirst = [...sums].sort(([, a], [, b]) => (b.listed > a.listed ? 1 : -1));
  return largestFirst.map(([id, { recorded, listed, billed }]) => {
    const [key = null, model = null] = JSON.parse(id) as (string | null)[];
    const usd = { recordedUsd: usdOfUnits(recorded), listedUsd: usdOfUnits(listed), billedUsd: usdOfUnits(billed) };
    return { key, model, ...usd };
  });
}

function keyViews({ keys, lastUsed, fromDay }: OrganizationReport, nameOf: (id: string) => string): readonly KeyView[] {
  return keys.map(({ id, status, createdAtMs, expiresAtMs }) => {
    const day = lastUsed.get(id);
    const idleSinceMs = day === undefined ? Math.max(createdAtMs ?? 0, dayStartMs(fromDay)) : dayStartMs(dayAfter(day));
    const lastUsedAtMs = day === undefined ? null : dayStartMs(day);
    return { key: nameOf(id), status, createdAtMs, expiresAtMs, lastUsedAtMs, idleSinceMs };
  });
}

function creditView({ left, least, most, daily }: CreditLeft): NonNullable<OrganizationView['credit']> {
  const of = (units: ExactUsd): CreditView => ({
    usd: usdOfUnits(units),
    days: daily <= 0n ? null : Math.max(0, Number((units * 1_000n) / daily) / 1_000),
  });
  return { least: of(least), middle: of(left), most: of(most) };
}

function usdOfUnits(units: ExactUsd): number {
  return Number(nanoUsdOf(units)) / 1e9;
}
