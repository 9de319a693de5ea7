import type { Difference, Line } from '../organization/difference.ts';
import { CAUSE_GROUPS } from '../organization/causes.ts';
import { nanoUsdOf, nanoUsdParts, type ExactUsd } from '../organization/exact-usd.ts';
import { auditedKey, type KeyFinding } from '../organization/key-audit.ts';
import { WINDOWS, type OrganizationReport, type Window } from '../organization/organization.ts';
import { dollars, findings, signed } from '../organization/sentences.ts';
import { printable, wrapped } from './command.ts';

/** What the table below the difference is by. */
export const VIEWS = ['key', 'model', 'day'] as const;

type View = (typeof VIEWS)[number];

interface Shown {
  readonly by: View;
  readonly hasTotals: boolean;
}

const TITLES: Readonly<Record<Window, string>> = {
  yesterday: 'Yesterday',
  last_7_days: 'Last 7 days',
  month: 'Month to date',
};

/** The page for people: the difference first, then the table, credit, keys and limits. */
export function reportLines(report: OrganizationReport, { by, hasTotals }: Shown): readonly string[] {
  const { windows, since, refreshedAtMs, source, readAtMs } = report;
  const fresh =
    refreshedAtMs === null ? 'nothing has landed yet: unknown, not zero' : `complete to ${minute(refreshedAtMs)} UTC`;
  return [
    `Organization, ${minute(readAtMs)} UTC; report ${source === 'analytics' ? '/analytics' : 'of the older kind'}, ${fresh}`,
    ...(hasTotals
      ? []
      : wrapped('No daily totals are kept: name them with --totals or PLIMSOLL_LEDGER to compare.', 78)),
    ...WINDOWS.flatMap((window) => differenceLines(TITLES[window], windows[window], hasTotals)),
    ...(since === null ? [] : differenceLines(`Since ${since.fromDay}`, since, hasTotals)),
    ...tableLines(since ?? windows.month, by),
    ...creditLines(report),
    ...keyLines(report),
    ...limitLines(report),
    ...doubtLines(report),
  ];
}

function differenceLines(title: string, of: Difference, hasTotals: boolean): readonly string[] {
  const days = `${of.closedDays.length} complete ${of.closedDays.length === 1 ? 'day' : 'days'}`;
  const bill = `billed ${dollars(of.billed)}, listed ${dollars(of.listed)}`;
  if (!hasTotals) return ['', `${title} (${days}): ${bill}`];
  return [
    '',
    `${title} (${days}): ${bill}, plimsoll ${dollars(of.recorded)}`,
    ...findings(of).flatMap(({ units, sentence }) => indented(`${signed(units).padEnd(14)}${sentence}`)),
    ...(of.coverage === null
      ? []
      : [`  coverage: ${(of.coverage * 100).toFixed(2)}% of the watched keys' list amount was seen here`]),
    ...of.controlFailures.flatMap(({ day, sums }) =>
      indented(`the report's rows of ${day} do not agree with its sums: ${sums.join(', ')}`),
    ),
  ];
}

function indented(text: string): readonly string[] {
  const [first = '', ...rest] = wrapped(text, 76);
  return [`  ${first}`, ...rest.map((line) => `${' '.repeat(16)}${line}`)];
}

interface Row {
  readonly name: string;
  readonly recorded: ExactUsd;
  readonly listed: ExactUsd;
  readonly billed: ExactUsd;
}

function rowsBy(lines: readonly Line[], by: View): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const line of lines) {
    const name = line[by] ?? 'none';
    const { recorded, listed, billed } = rows.get(name) ?? { recorded: 0n, listed: 0n, billed: 0n };
    rows.set(name, {
      name,
      recorded: recorded + line.recorded,
      listed: listed + line.listed,
      billed: billed + line.billed,
    });
  }
  return [...rows.values()].sort((a, b) => (by === 'day' ? (a.name < b.name ? -1 : 1) : b.listed > a.listed ? 1 : -1));
}

function tableLines({ lines }: Difference, by: View): readonly string[] {
  const cells = rowsBy(lines, by).map((row) => [
    row.name,
    dollars(row.recorded),
    dollars(row.listed),
    dollars(row.billed),
  ]);
  return [
    '',
    `${`By ${by}`.padEnd(34)}${['plimsoll', 'listed', 'billed'].map((name) => name.padStart(14)).join('')}`,
    ...cells.map(tableLine),
  ];
}

function tableLine([name = '', ...amounts]: readonly string[]): string {
  return `  ${printable(name).slice(0, 32).padEnd(32)}${amounts.map((amount) => amount.padStart(14)).join('')}`;
}

function creditLines({ credit }: OrganizationReport): readonly string[] {
  if (credit === null) return [];
  const { left, least, most, daysLeft } = credit;
  const lasts = daysLeft === null ? '' : `, ${daysLeft.toFixed(1)} days at the rate of the last week`;
  return ['', `Credit left: ${dollars(left)} (${dollars(least)} to ${dollars(most)})${lasts}`];
}

const TICKS: Readonly<Record<KeyFinding, string>> = {
  expired: 'expired: delete it',
  expires_soon: 'expires within 30 days: replace it',
  old: 'older than a year: replace it',
  unused: 'not used as far as the report was read: find out what it is for, or delete it',
  badly_named: 'not named env-service-role: rename it',
  not_watched: 'used by nobody that plimsoll knows: join it with an alias, or find out who uses it',
  no_workspace: 'of no workspace: it reaches all of them',
};

/** The keys as a list to tick: those with nothing to look at are done. */
function keyLines({ keys, lastUsed, fromDay, groups, readAtMs }: OrganizationReport): readonly string[] {
  if (keys.length === 0) return [];
  const lines = keys.flatMap((key) => {
    const used = lastUsed.get(key.id) ?? null;
    const facts = { nowMs: readAtMs, lastUsed: used, isWatched: groups.ofId(key.id) !== null };
    const found = auditedKey(key, facts);
    const last = used === null ? `not in the report since ${fromDay}` : `last used ${used}`;
    const head = `  [${found.length === 0 ? 'x' : ' '}] ${printable(key.name).slice(0, 28).padEnd(28)} ${key.status}, ${last}`;
    return [head, ...found.flatMap((finding) => wrapped(TICKS[finding], 70).map((line) => `        ${line}`))];
  });
  return ['', 'Keys', ...lines];
}

function limitLines({ limits, tierCapUsd }: OrganizationReport): readonly string[] {
  const cap =
    tierCapUsd === undefined
      ? []
      : [tierCapUsd === null ? 'The usage tier has no cap.' : `Cap of the usage tier: $${tierCapUsd} a month`];
  const groups = [...new Set(limits.map(({ group }) => group))].map((group) => {
    const own = limits.filter((limit) => limit.group === group);
    return `  ${group.padEnd(16)}${own.map(({ limiter, value }) => `${value.toLocaleString('en-US')} ${limiter.replaceAll('_', ' ')}`).join(', ')}`;
  });
  return [...(cap.length + groups.length === 0 ? [] : ['', 'Limits']), ...cap.map((line) => `  ${line}`), ...groups];
}

function doubtLines({ groups, unread }: OrganizationReport): readonly string[] {
  const doubts = [...groups.doubts, ...unread.map(({ what, outcome }) => `${what}: could not be read (${outcome}).`)];
  return doubts.length === 0 ? [] : ['', 'Not known', ...doubts.flatMap(indented)];
}

/** For programs: amounts in whole nano-dollars as text, for they may be larger than a double is exact. */
export function reportJson(report: OrganizationReport, by: View): string {
  const {
    windows,
    since,
    readAtMs,
    refreshedAtMs,
    source,
    keys,
    lastUsed,
    limits,
    credit,
    tierCapUsd = null,
    unread,
  } = report;
  const document = {
    ...{ readAtMs, refreshedAtMs, source },
    ...Object.fromEntries(WINDOWS.map((window) => [window, differenceJson(windows[window], by)])),
    since: since === null ? null : differenceJson(since, by),
    credit:
      credit === null
        ? null
        : {
            leftNanoUsd: nano(credit.left),
            leastNanoUsd: nano(credit.least),
            mostNanoUsd: nano(credit.most),
            daysLeft: credit.daysLeft,
          },
    keys: keys.map(({ hint: _hint, ...key }) => {
      const used = lastUsed.get(key.id) ?? null;
      const facts = { nowMs: readAtMs, lastUsed: used, isWatched: report.groups.ofId(key.id) !== null };
      return { ...key, lastUsed: used, findings: auditedKey({ ...key, hint: null }, facts) };
    }),
    ...{ limits, tierCapUsd, doubts: report.groups.doubts, unread },
  };
  return JSON.stringify(document, null, 2);
}

/** Rounded so that the recorded amount and all of them add up. */
function findingsJson(of: Difference): readonly object[] {
  const all = findings(of);
  const rounded = nanoUsdParts(
    of.recorded,
    all.map(({ units }) => units),
  );
  return all.map(({ cause, sentence }, index) => ({
    ...{ cause, group: CAUSE_GROUPS[cause], nanoUsd: String(rounded[index] ?? 0n), sentence },
  }));
}

function differenceJson(of: Difference, by: View): object {
  return {
    ...{ fromDay: of.fromDay, toDay: of.toDay, closedDays: of.closedDays, coverage: of.coverage },
    ...{ recordedNanoUsd: nano(of.recorded), listedNanoUsd: nano(of.listed), billedNanoUsd: nano(of.billed) },
    difference: findingsJson(of),
    [by]: rowsBy(of.lines, by).map(({ name, ...amounts }) => ({
      ...{ name, recordedNanoUsd: nano(amounts.recorded) },
      ...{ listedNanoUsd: nano(amounts.listed), billedNanoUsd: nano(amounts.billed) },
    })),
    controlFailures: of.controlFailures,
  };
}

function nano(units: ExactUsd): string {
  return String(nanoUsdOf(units));
}

/** `2026-11-30 14:05`, in UTC. */
function minute(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
}
