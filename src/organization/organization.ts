import type { PriceTable } from '../pricing/prices.ts';
import { defaultPrices } from '../pricing/prices.ts';
import { dayAfter, utcDay, type DayTotals } from '../totals/day-totals.ts';
import {
  adminClient,
  outcomeOf,
  statusOf,
  type AdminAccess,
  type AdminClient,
  type ReadOutcome,
} from './admin-client.ts';
import { creditLeft, type CreditLeft, type CreditOptions } from './credit.ts';
import { difference, type Difference } from './difference.ts';
import { readKeys, readLimits, readTierCapUsd, readWorkspaces, type ConfiguredLimit } from './directory.ts';
import { keyGroups, type KeyGroups, type KeyNames, type OrganizationKey } from './key-groups.ts';
import { readAnalytics, type ReportSource } from './read-analytics.ts';
import { readGaps } from './read-gaps.ts';
import { readLegacy } from './read-legacy.ts';
import type { DayReport, Reading } from './report.ts';

export interface OrganizationOptions extends AdminAccess, KeyNames {
  /** Reads what plimsoll saw: `dailyTotals()`, or a Prometheus. Without it the report stands alone. */
  readonly totals?: OwnTotals;
  /** Aliases of keys that are watched, besides those that the totals have. */
  readonly aliases?: readonly string[];
  /** For prepaid accounts. */
  readonly credit?: CreditOptions | undefined;
  /** Default: the table that comes with the package. */
  readonly prices?: PriceTable;
  /** For tests. Milliseconds since the Unix epoch. */
  readonly now?: () => number;
}

/** What plimsoll saw by day. `isCoarse`: it knows nothing but keys, models and costs, each about right. */
export interface OwnTotals {
  /** Returns what calls used from one UTC day to another, both included, as `YYYY-MM-DD`. */
  read(fromDay: string, toDay: string): Promise<DayTotals> | DayTotals;
  readonly isCoarse?: boolean;
  /** Days as the report had them when they were first complete, where it changed since: `watchOrganization()` keeps them. */
  firsts?(fromDay: string, toDay: string): Promise<readonly DayReport[]>;
}

/** The windows that are always compared. */
export const WINDOWS = ['month', 'yesterday', 'last_7_days'] as const;

/** The days that a comparison covers. */
export type Window = (typeof WINDOWS)[number];

/** What the organization's books say, beside what plimsoll saw. */
export interface OrganizationReport {
  readonly readAtMs: number;
  readonly source: Reading['source'];
  /** The end of complete data; `null`: nothing has landed, which is unknown and not zero. */
  readonly refreshedAtMs: number | null;
  readonly windows: Readonly<Record<Window, Difference>>;
  /** From the day that was asked for; `null` where none was. */
  readonly since: Difference | null;
  readonly groups: KeyGroups;
  readonly keys: readonly OrganizationKey[];
  /** Names of workspaces by id. */
  readonly workspaces: ReadonlyMap<string, string>;
  /** The last UTC day on which the report has use of a key, by id, as far as it was read. */
  readonly lastUsed: ReadonlyMap<string, string>;
  /** The first day that was read. */
  readonly fromDay: string;
  readonly limits: readonly ConfiguredLimit[];
  /** The monthly cap of the usage tier in US dollars; `null` for none, `undefined` where it cannot be read. */
  readonly tierCapUsd: number | null | undefined;
  readonly credit: CreditLeft | null;
  /** The first day of plimsoll's own totals; `null` without any. */
  readonly ownSince: string | null;
  /** What could not be read, and why. */
  readonly unread: readonly { readonly what: string; readonly outcome: Exclude<ReadOutcome, 'ok'> }[];
}

const MOST_DAYS = 31;

/**
 * Reads the organization's reports, keys and limits, and compares them with plimsoll's own totals. Reads only. Throws what
 * the SDK throws where neither of the reports can be read.
 */
export async function readOrganization(
  options: OrganizationOptions,
  sinceDay: string | null = null,
): Promise<OrganizationReport> {
  const days = async (source: ReportSource, fromDay: string, toDay: string): Promise<ReadDays> => {
    const reading = await readDays(source, fromDay, toDay);
    return { reading, firsts: (await options.totals?.firsts?.(fromDay, toDay)) ?? [] };
  };
  return organizationReport(options, { client: adminClient(options), days }, sinceDay);
}

/** Days, as they are by now and as they were when they were first complete. */
export interface ReadDays {
  readonly reading: Reading;
  readonly firsts: readonly DayReport[];
}

/** The client that asks, and where days come from. */
interface ReportParts {
  readonly client: AdminClient;
  readonly days: (source: ReportSource, fromDay: string, toDay: string) => Promise<ReadDays>;
}

/** Compares days with plimsoll's own totals, and reads keys and limits. Throws what reading the days throws. */
export async function organizationReport(
  options: OrganizationOptions,
  { client, days }: ReportParts,
  sinceDay: string | null = null,
): Promise<OrganizationReport> {
  const { prices = defaultPrices(), now = () => Date.now(), credit, totals: own = NONE_KEPT } = options;
  const today = utcDay(now());
  const monthDay = `${today.slice(0, 7)}-01`;
  const fromDay = [monthDay, dayAfter(today, -8), credit?.balance.at ?? today, sinceDay ?? today].sort()[0] ?? today;
  const { reading, firsts } = await days({ client, prices, now }, fromDay, dayAfter(today));
  const directory = await readDirectory(client);
  const totals = await own.read(fromDay, dayAfter(today));
  const aliases = aliasesOf(options, totals);
  const groups = keyGroups(aliases, directory.keys, options);
  const lost = reading.source === 'legacy' ? new Map() : await readGaps({ client, prices, now }, totals.gaps, groups);
  const told = { reading, firsts, totals, groups, prices, lost, isCoarse: own.isCoarse === true };
  const compare = (from: string, to = dayAfter(today)): Difference => difference({ ...told, fromDay: from, toDay: to });
  const { refreshedAtMs } = reading;
  const sources = { reports: reading.days, firsts, refreshedAtMs: refreshedAtMs ?? 0, rows: totals.rows, nowMs: now() };
  return {
    ...directory,
    ...{ readAtMs: now(), source: reading.source, refreshedAtMs, groups, fromDay, ownSince: totals.firstDay },
    windows: {
      month: compare(monthDay),
      yesterday: compare(dayAfter(today, -1), today),
      last_7_days: compare(dayAfter(today, -7), today),
    },
    since: sinceDay === null ? null : compare(sinceDay),
    lastUsed: lastUsedIn(reading),
    credit: credit === undefined || refreshedAtMs === null ? null : creditLeft(credit, sources),
  };
}

/** All keys that are watched. */
function aliasesOf({ aliases = [], ids = {} }: OrganizationOptions, { rows }: DayTotals): readonly string[] {
  return [...new Set([...aliases, ...Object.keys(ids), ...rows.map(({ cell }) => cell.key)])];
}

type Directory = Pick<OrganizationReport, 'keys' | 'workspaces' | 'limits' | 'tierCapUsd' | 'unread'>;

/** Names and limits. What cannot be read is left out, and said. */
async function readDirectory(client: AdminClient): Promise<Directory> {
  const unread: { what: string; outcome: Exclude<ReadOutcome, 'ok'> }[] = [];
  const orElse = <T>(what: string, read: Promise<T>, fallback: T): Promise<T> =>
    read.catch((error: unknown) => {
      unread.push({ what, outcome: outcomeOf(error) });
      return fallback;
    });
  const keys = await orElse('keys', readKeys(client), []);
  const workspaces = await orElse('names of workspaces', readWorkspaces(client), new Map<string, string>());
  const limits = await orElse('rate limits', readLimits(client), []);
  const tierCapUsd = await orElse('the cap of the usage tier', readTierCapUsd(client), undefined);
  return { keys, workspaces, limits, tierCapUsd, unread };
}

const NONE_KEPT: OwnTotals = { read: () => ({ rows: [], gaps: [], firstDay: null }) };

/** Reads 31 days at a time, from the newer reports where the organization has them, else from the older ones. */
export async function readDays(source: ReportSource, fromDay: string, toDay: string): Promise<Reading> {
  try {
    return await inPieces(readAnalytics, source, { fromDay, toDay });
  } catch (error) {
    if (!NOT_HAD.has(statusOf(error) ?? 0)) throw error;
    // The error that a key without access gets is of both reports: the second one tells.
    return inPieces(readLegacy, source, { fromDay, toDay });
  }
}

/** Refused: as not allowed, not there, or, to HIPAA-ready organizations and for ranges before 2026, as invalid. */
const NOT_HAD: ReadonlySet<number> = new Set([400, 403, 404]);

async function inPieces(
  read: typeof readAnalytics,
  source: ReportSource,
  { fromDay, toDay }: { readonly fromDay: string; readonly toDay: string },
): Promise<Reading> {
  const pieces: Reading[] = [];
  for (let from = fromDay; from < toDay; from = dayAfter(from, MOST_DAYS)) {
    const to = dayAfter(from, MOST_DAYS);
    pieces.push(await read(source, from, to < toDay ? to : toDay));
  }
  const refreshed = pieces.map(({ refreshedAtMs }) => refreshedAtMs).filter((atMs) => atMs !== null);
  const [first] = pieces;
  return {
    days: pieces.flatMap(({ days }) => days),
    source: first?.source ?? 'analytics',
    refreshedAtMs: refreshed.length === 0 ? null : Math.min(...refreshed),
  };
}

function lastUsedIn({ days }: Reading): ReadonlyMap<string, string> {
  const last = new Map<string, string>();
  for (const { day, cells } of days)
    for (const { keyId } of cells) if (keyId !== null && (last.get(keyId) ?? '') < day) last.set(keyId, day);
  return last;
}
