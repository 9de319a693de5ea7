import { READ_ADVICE } from '../organization/admin-client.ts';
import type { Difference } from '../organization/difference.ts';
import { UNITS_PER_CENT, roundedIn, roundedParts, type ExactUsd } from '../organization/exact-usd.ts';
import { auditedKey, type KeyFinding } from '../organization/key-audit.ts';
import { WINDOWS, type OrganizationReport, type Window } from '../organization/organization.ts';
import { dollars, findings, signed, type Finding } from '../organization/sentences.ts';
import { keyName, viewRows, type View, type ViewRow } from '../organization/views.ts';
import { printable, wrapped } from './command.ts';

interface Shown {
  /** The one table to show, whole; `null` for the largest rows of the usual ones. */
  readonly by: View | null;
  /** Where plimsoll's own totals are from; `none` where nobody keeps any. */
  readonly totals: 'none' | 'kept' | 'prometheus';
}

const TITLES: Readonly<Record<Window, string>> = {
  month: 'Month to date',
  yesterday: 'Yesterday',
  last_7_days: 'Last 7 days',
};

const WIDTH = 80;

/** The page for people: the bill first, then the difference, the tables, credit, keys and limits. */
export function reportLines(report: OrganizationReport, shown: Shown): readonly string[] {
  const { windows, since } = report;
  const named: readonly (readonly [string, Difference])[] = [
    ...(since === null ? [] : [[`Since ${since.fromDay}`, since] as const]),
    ...WINDOWS.map((window) => [TITLES[window], windows[window]] as const),
  ];
  // On the first of a month there is no complete day in it.
  const tabled = named.find(([, of]) => of.closedDays.length > 0) ?? named[0];
  const isCompared = shown.totals !== 'none';
  return [
    ...headLines(report, shown),
    ...summaryLines(named, isCompared),
    ...(isCompared ? named.flatMap(([title, of]) => differenceLines(title, of, report)) : []),
    ...(isCompared ? adviceLines(named.flatMap(([, of]) => findings(of))) : []),
    ...(tabled === undefined ? [] : tableLines(tabled, report, shown)),
    ...creditLines(report),
    ...keyLines(report),
    ...limitLines(report),
    ...doubtLines(report, tabled?.[1]),
  ];
}

function headLines({ readAtMs, refreshedAtMs, source }: OrganizationReport, { totals }: Shown): readonly string[] {
  const report = source === 'analytics' ? '/analytics' : 'the older reports, which have no list prices';
  const fresh =
    refreshedAtMs === null
      ? 'nothing has landed yet: unknown, not zero'
      : `complete to ${minute(refreshedAtMs)} UTC, ${age(readAtMs - refreshedAtMs)} ago`;
  return [
    `The bill beside what plimsoll saw, ${minute(readAtMs)} UTC`,
    ...wrapped(`From ${report}; ${fresh}. Days are UTC; only complete ones are compared.`, WIDTH),
    ...wrapped(ABOUT_TOTALS[totals], WIDTH).filter((line) => line !== ''),
  ];
}

const ABOUT_TOTALS: Readonly<Record<Shown['totals'], string>> = {
  none: 'No daily totals are kept, so there is nothing to compare with: name them with --totals or PLIMSOLL_LEDGER, or a Prometheus with --prometheus.',
  kept: '',
  prometheus:
    'What plimsoll saw is read from a Prometheus, which estimates: it may be off by some percent, and does not tell causes on watched keys apart.',
};

const AMOUNT_WIDTH = 13;

/** A name, and amounts below each other. */
function amountsLine(name: string, amounts: readonly string[]): string {
  const room = WIDTH - AMOUNT_WIDTH * 4 - 2;
  const shown = printable(name);
  const fitting = shown.length <= room ? shown : `${shown.slice(0, room - 1)}…`;
  return `  ${fitting.padEnd(room)}${amounts.map((amount) => amount.padStart(AMOUNT_WIDTH)).join('')}`;
}

/** The names of amounts, above them. */
function headOf(title: string, columns: readonly string[]): string {
  return `${title.padEnd(WIDTH - AMOUNT_WIDTH * 4)}${columns.map((name) => name.padStart(AMOUNT_WIDTH)).join('')}`;
}

function columnsOf(isCompared: boolean): readonly string[] {
  return isCompared ? ['plimsoll', 'listed', 'billed', 'difference'] : ['listed', 'billed'];
}

function amountsOf({ recorded, listed, billed }: Omit<ViewRow, 'name'>, isCompared: boolean): readonly string[] {
  const bill = [dollars(listed), dollars(billed)];
  if (!isCompared) return bill;
  const cents = roundedIn(UNITS_PER_CENT, billed) - roundedIn(UNITS_PER_CENT, recorded);
  return [dollars(recorded), ...bill, signed(cents * UNITS_PER_CENT)];
}

/** Without a complete day nothing is known, which is not zero. */
const UNKNOWN = '–';

function summaryLines(named: readonly (readonly [string, Difference])[], isCompared: boolean): readonly string[] {
  return [
    '',
    headOf('', columnsOf(isCompared)),
    ...named.map(([title, of]) => {
      const days = of.closedDays.length;
      const name = `${title} (${days === 1 ? '1 day' : `${days} days`})`;
      const amounts = days === 0 ? columnsOf(isCompared).map(() => UNKNOWN) : amountsOf(of, isCompared);
      return amountsLine(title === TITLES.yesterday ? title : name, amounts);
    }),
  ];
}

/** The way from plimsoll's number to the bill. Amounts are rounded so that they add up. */
function differenceLines(title: string, of: Difference, report: OrganizationReport): readonly string[] {
  const all = findings(of, (key) => keyName(key, report)).filter(({ cause }) => cause !== 'open');
  if (all.length === 0 && of.billed === 0n && of.open.recorded === 0n) return [];
  const agree = all.length === 0 && of.closedDays.length > 0 ? ': they agree' : '';
  return [
    '',
    `${title}: bill ${dollars(of.billed)}, plimsoll ${dollars(of.recorded)}${agree}`,
    ...causeLines(all, of.recorded),
    ...coverageLines(of),
  ];
}

/** Causes of less than a cent are not worth a line each. */
function causeLines(all: readonly Finding[], recorded: ExactUsd): readonly string[] {
  const isSmall = ({ units }: Finding): boolean => units > -UNITS_PER_CENT && units < UNITS_PER_CENT;
  const small = all.filter(isSmall);
  const lines = [
    ...all.filter((each) => !isSmall(each)),
    ...(small.length === 0
      ? []
      : [
          {
            units: small.reduce((sum, { units }) => sum + units, 0n),
            sentence: `each under a cent: ${small.map(({ sentence }) => sentence).join('; ')}`,
          },
        ]),
  ];
  const cents = roundedParts(
    UNITS_PER_CENT,
    recorded,
    lines.map(({ units }) => units),
  );
  return lines.flatMap(({ sentence }, index) => partLines(signed((cents[index] ?? 0n) * UNITS_PER_CENT), sentence));
}

function coverageLines({ coverage, open, controlFailures }: Difference): readonly string[] {
  const isOpen = open.recorded !== 0n || open.billed !== 0n;
  const share = ((coverage ?? 0) * 100).toFixed(2);
  const late = `plimsoll ${dollars(open.recorded)}, of which the report has ${dollars(open.billed)} so far`;
  return [
    ...(coverage === null ? [] : partLines('', `${share}% of what the watched keys cost was seen here`)),
    ...(isOpen ? partLines('', `not comparable yet: ${late}`) : []),
    ...controlFailures.flatMap(({ day, sums }) =>
      partLines('', `the report's rows of ${day} do not agree with its sums: ${sums.join(', ')}`),
    ),
  ];
}

function partLines(amount: string, sentence: string): readonly string[] {
  return wrapped(printable(sentence), WIDTH - AMOUNT_WIDTH - 4).map(
    (line, index) => `  ${(index === 0 ? amount : '').padStart(AMOUNT_WIDTH - 2)}  ${line}`,
  );
}

/** What to do, once for each cause. */
function adviceLines(all: readonly Finding[]): readonly string[] {
  const advice = [...new Set(all.map((finding) => finding.advice).filter((text) => text !== null))];
  return advice.length === 0 ? [] : ['', 'What to do', ...advice.flatMap(itemLines)];
}

function itemLines(text: string): readonly string[] {
  return wrapped(printable(text), WIDTH - 4).map((line, index) => `${index === 0 ? '  - ' : '    '}${line}`);
}

const USUAL_VIEWS = ['key', 'workspace', 'model'] as const;

/** Rows of a table that is not asked for by name. */
const FEW_ROWS = 8;

function tableLines(
  [title, of]: readonly [string, Difference],
  report: OrganizationReport,
  { by, totals }: Shown,
): readonly string[] {
  const isCompared = totals !== 'none';
  return (by === null ? USUAL_VIEWS : [by]).flatMap((view) => {
    const all = viewRows(of, view, report);
    const cut = by === null && all.length > FEW_ROWS ? FEW_ROWS - 1 : all.length;
    const [shown, rest] = [all.slice(0, cut), all.slice(cut)];
    if (rest.length > 0) shown.push(sumOfRows(`${rest.length} more: --by ${view}`, rest));
    const total = all.length > 1 ? [sumOfRows('all', all)] : [];
    const rows = [...shown, ...total].map((row) => amountsLine(row.name, amountsOf(row, isCompared)));
    return ['', headOf(`${title}, by ${view}`, columnsOf(isCompared)), ...(rows.length === 0 ? [noRows(of)] : rows)];
  });
}

/** No rows of complete days are no use; without a complete day nothing is known. */
function noRows({ closedDays }: Difference): string {
  return closedDays.length === 0 ? '  no complete day yet' : '  no usage in these days';
}

function sumOfRows(name: string, rows: readonly ViewRow[]): ViewRow {
  const sum = (of: (row: ViewRow) => ExactUsd): ExactUsd => rows.reduce((all, row) => all + of(row), 0n);
  return {
    name,
    recorded: sum(({ recorded }) => recorded),
    listed: sum(({ listed }) => listed),
    billed: sum(({ billed }) => billed),
  };
}

function creditLines({ credit }: OrganizationReport): readonly string[] {
  if (credit === null) return [];
  const { left, least, most, daysLeft } = credit;
  const amount = (units: ExactUsd): string => (units < 0n ? signed(units) : dollars(units));
  const lasts = daysLeft === null ? '' : `; ${daysLeft.toFixed(1)} days at the rate of the last week`;
  const bounds = least === most ? '' : `, between ${amount(least)} and ${amount(most)}`;
  return [
    '',
    ...wrapped(`Credit left: ${amount(left)}${bounds}${lasts}`, WIDTH),
    ...(left < 0n ? ['  Less than nothing: a payment is missing in --credit.'] : []),
  ];
}

const SHORT: Readonly<Record<KeyFinding, string | null>> = {
  expired: 'expired',
  expires_soon: 'expires soon',
  old: 'old',
  unused: null,
  badly_named: 'badly named',
  not_watched: 'not watched',
  no_workspace: 'of no workspace',
  other_hint: 'another key than the one in use',
};

/** The keys with what there is to look at; `plimsoll keys` says what to do. */
function keyLines({ keys, lastUsed, fromDay, groups, readAtMs }: OrganizationReport): readonly string[] {
  if (keys.length === 0) return [];
  const lines = keys.flatMap((key) => {
    const used = lastUsed.get(key.id) ?? null;
    const found = auditedKey(key, { nowMs: readAtMs, lastUsed: used, isWatched: groups.ofId(key.id) !== null });
    const last = used === null ? `no use since ${fromDay}` : `used ${used}`;
    const facts = [key.status, last, ...found.map((finding) => SHORT[finding])].filter((fact) => fact !== null);
    const name = printable(key.name).slice(0, 26).padEnd(26);
    return wrapped(facts.join(', '), WIDTH - 30).map(
      (line, index) => `  ${index === 0 ? name : ' '.repeat(26)}  ${line}`,
    );
  });
  return ['', 'Keys (plimsoll keys says what to do about them)', ...lines];
}

/** Models with the same limits are told together. */
function limitLines({ limits, tierCapUsd }: OrganizationReport): readonly string[] {
  const cap =
    tierCapUsd === undefined
      ? []
      : [
          tierCapUsd === null
            ? 'The usage tier has no cap.'
            : `Cap of the usage tier: $${tierCapUsd.toLocaleString('en-US')} a month`,
        ];
  const groupsBy = new Map<string, string[]>();
  for (const group of new Set(limits.map((limit) => limit.group))) {
    const own = limits.filter((limit) => limit.group === group);
    const text = own.map(({ limiter, value }) => `${value.toLocaleString('en-US')} ${limiterName(limiter)}`).join(', ');
    groupsBy.set(text, [...(groupsBy.get(text) ?? []), group]);
  }
  const groups = [...groupsBy].flatMap(([text, names]) => [
    ...wrapped(printable(names.join(', ')), WIDTH - 2).map((line) => `  ${line}`),
    ...wrapped(printable(text), WIDTH - 4).map((line) => `    ${line}`),
  ]);
  return [...(cap.length + groups.length === 0 ? [] : ['', 'Limits']), ...cap.map((line) => `  ${line}`), ...groups];
}

function limiterName(limiter: string): string {
  return limiter
    .replace(/_cache_aware$/, '_without_cache_reads')
    .replaceAll('_', ' ')
    .replace(/^(.*) per minute(.*)$/, '$1$2 a minute');
}

function doubtLines({ groups, unread }: OrganizationReport, of: Difference | undefined): readonly string[] {
  const hasFolded = of?.lines.some(({ model, recorded }) => model === 'other' && recorded > 0n) === true;
  const doubts = [
    ...groups.doubts,
    ...unread.map(({ what, outcome }) => `${what} cannot be read: ${READ_ADVICE[outcome]}.`),
    ...(hasFolded
      ? ['other: the models that plimsoll counted together, beyond 5,000 lines a day; the report has them by name.']
      : []),
  ];
  return doubts.length === 0 ? [] : ['', 'Not known', ...doubts.flatMap(itemLines)];
}

/** `2026-11-30 14:05`, in UTC. */
function minute(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
}

function age(ms: number): string {
  const hours = Math.max(0, Math.floor(ms / 3_600_000));
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours === 1 ? '1 hour' : `${hours} hours`;
}
