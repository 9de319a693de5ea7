import { ledgerPlace, type LedgerPlace } from '../environment/ledger-place.ts';
import { textOf } from '../environment/credential.ts';
import { ConfigurationError, unfit, unlisted } from '../errors.ts';
import { READ_ADVICE, outcomeOf } from '../organization/admin-client.ts';
import type { DayReport } from '../organization/report.ts';
import { KeptDays } from '../organization/kept-days.ts';
import type { CreditOptions } from '../organization/credit.ts';
import { readOrganization, type OrganizationOptions, type OwnTotals } from '../organization/organization.ts';
import { PrometheusError, prometheusTotals } from '../organization/prometheus-totals.ts';
import { VIEWS, type View } from '../organization/views.ts';
import { defaultPrices, loadPrices } from '../pricing/prices.ts';
import type { TotalsStore } from '../totals/day-totals.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, wrapped, type CommandIo } from './command.ts';
import { ORGANIZATION_INVALID, adminKeyOf, hintsOf, idsIn } from './organization-access.ts';
import { reportJson } from './organization-json.ts';
import { reportLines } from './organization-text.ts';

const USAGE = [
  'plimsoll organization [options]       the bill, beside what plimsoll saw',
  '  --since DAY         compares from this UTC day on too, YYYY-MM-DD',
  '  --by NAME           key, workspace, model or day: one table, whole, in place',
  '                      of the largest rows of the usual ones',
  '  --totals PLACE      where daily totals are kept: an SQLite file or the URL of',
  '                      a Redis (PLIMSOLL_LEDGER). Without it the report stands',
  '                      alone',
  '  --prometheus URL    where no totals are kept: a Prometheus that scrapes',
  '                      plimsoll. It is about right, and tells fewer causes',
  '  --key ALIAS=ID      the id of the key behind an alias; may be repeated. That',
  '                      of the environment is found by itself, if PLIMSOLL_KEY',
  '                      names it',
  '  --balance USD@DAY   the prepaid balance at the beginning of a day; shows what',
  '                      is left',
  '  --credit USD@DAY    what was added since; may be repeated',
  '  --base-url URL      another API, such as a simulator (ANTHROPIC_BASE_URL)',
  '  --json              for programs: one object',
  '  --serve             keeps on reading, and serves the bill as metrics, on',
  '                      --host ADDRESS (127.0.0.1) and --port N (9464). Reports',
  '                      are kept beside the totals; of many such processes, one',
  '                      reads',
  '',
  'Reads the reports, keys and limits of the organization with an admin key, which',
  'comes from ANTHROPIC_ADMIN_KEY or the file that ANTHROPIC_ADMIN_KEY_FILE names.',
  'It changes nothing. Amounts of days for which the report is not complete are not',
  'compared. Exit code: 0 read, 1 could not be read, 2 wrong arguments.',
];

const OPTIONS = {
  since: { type: 'string' },
  by: { type: 'string' },
  totals: { type: 'string' },
  prometheus: { type: 'string' },
  key: { type: 'string', multiple: true },
  balance: { type: 'string' },
  credit: { type: 'string', multiple: true },
  'base-url': { type: 'string' },
  json: { type: 'boolean', default: false },
  serve: { type: 'boolean', default: false },
  host: { type: 'string' },
  port: { type: 'string' },
} as const;

/** `plimsoll organization`. Reads; changes nothing. */
export const command = defineCommand({
  name: 'organization',
  usage: USAGE,
  options: OPTIONS,
  choices: { by: VIEWS },
  async run({ values }, io) {
    const by = viewIn(values.by);
    const sinceDay = values.since === undefined ? null : dayIn('--since', values.since, io.now());
    const asked = { ...askedOf(values, io), credit: creditIn(values, io.now()) };
    const totals = ownTotals(values, io);
    try {
      if (values.serve) {
        // Loaded here, because a page of text needs no metrics registry.
        const { serveOrganization } = await import('./organization-serve.ts');
        if (totals?.kind === 'prometheus')
          throw wrongArguments(unfit('--prometheus', values.prometheus, { expected: 'none with --serve: --totals' }));
        const place = values.totals ?? textOf(io.env, 'PLIMSOLL_LEDGER');
        const watched = { ...asked, ...(totals !== null && { totals: totals.read }) };
        return await serveOrganization(watched, { ...values, place }, io);
      }
      const reading = { ...asked, signal: io.signal, ...(totals !== null && { totals: totals.read }) };
      const report = await readOrganization(reading, sinceDay);
      const shown = { by, totals: totals?.kind ?? 'none' } as const;
      return print(values.json ? [reportJson(report)] : reportLines(report, shown), io);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      return fail(wrapped(whyUnread(error, io), 78), io);
    } finally {
      await totals?.close();
    }
  },
});

function whyUnread(error: unknown, { signal }: CommandIo): string {
  if (signal.aborted) return 'The reading was stopped.';
  if (error instanceof PrometheusError) return error.message;
  return `The organization cannot be read: ${READ_ADVICE[outcomeOf(error)]}.`;
}

interface Values {
  readonly key?: readonly string[];
  readonly balance?: string;
  readonly credit?: readonly string[];
  readonly totals?: string;
  readonly prometheus?: string;
  readonly 'base-url'?: string;
}

/** Whom to ask, as whom, and which keys are known by which alias. */
function askedOf(values: Values, io: CommandIo): OrganizationOptions {
  const { env } = io;
  const ids = idsIn(values.key ?? []);
  const hints = hintsOf(env);
  const pricesPath = textOf(env, 'PLIMSOLL_PRICES');
  return {
    ...{ adminKey: adminKeyOf(env), ids, hints, aliases: [...Object.keys(ids), ...hints.keys()], now: () => io.now() },
    baseUrl: values['base-url'] ?? (textOf(env, 'ANTHROPIC_BASE_URL') || undefined),
    prices: pricesPath === '' ? defaultPrices() : loadPrices(pricesPath),
  };
}

function creditIn({ balance, credit = [] }: Values, nowMs: number): CreditOptions | undefined {
  const added = credit.map((text) => amountIn('--credit', text, nowMs));
  if (balance !== undefined) return { balance: amountIn('--balance', balance, nowMs), credit: added };
  if (added.length === 0) return undefined;
  throw wrongArguments(unfit('--balance', undefined, { expected: 'what the account had before --credit' }));
}

function viewIn(text: string | undefined): View | null {
  const view = VIEWS.find((each) => each === text) ?? null;
  if (text !== undefined && view === null) throw wrongArguments(unlisted('--by', text, VIEWS));
  return view;
}

/** What plimsoll saw, and where it was kept. */
interface Totals {
  readonly kind: 'kept' | 'prometheus';
  readonly read: OwnTotals;
  close(): Promise<void>;
}

/** Totals that are kept win over a Prometheus: they are exact. `null` where neither is named. */
function ownTotals({ totals, prometheus }: Values, io: CommandIo): Totals | null {
  const kept = totals ?? (prometheus === undefined ? textOf(io.env, 'PLIMSOLL_LEDGER') : '');
  if (kept !== '') {
    const { store, place } = storeOf(kept);
    if (store === null) return null;
    const read: OwnTotals = {
      read: (fromDay, toDay) => store.read(fromDay, toDay),
      firsts: (fromDay, toDay) => firstsIn(place, { fromDay, toDay }),
    };
    return { kind: 'kept', read, close: async () => store.close() };
  }
  if (prometheus === undefined) return null;
  if (!/^https?:\/\/./.test(prometheus))
    throw wrongArguments(unfit('--prometheus', prometheus, { expected: 'the URL of a Prometheus' }));
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(LONGEST_WAIT_MS)]);
  const read = prometheusTotals({ url: prometheus, signal, now: () => io.now() });
  return { kind: 'prometheus', read, close: async () => undefined };
}

const LONGEST_WAIT_MS = 60_000;

const DAY = /^\d{4}-\d{2}-\d{2}$/;

function dayIn(field: string, text: string, nowMs: number): string {
  const isDay = DAY.test(text) && !Number.isNaN(Date.parse(text));
  if (isDay && Date.parse(text) <= nowMs) return text;
  throw wrongArguments(unfit(field, text, { expected: 'a UTC day that has begun, YYYY-MM-DD' }));
}

function amountIn(field: string, text: string, nowMs: number): { readonly usd: number; readonly at: string } {
  const [, usd = '', day = ''] = /^(\d+(?:\.\d+)?)@(.+)$/.exec(text) ?? [];
  if (usd === '') throw wrongArguments(unfit(field, text, { expected: 'an amount and a day, such as 500@2026-11-01' }));
  return { usd: Number(usd), at: dayIn(field, day, nowMs) };
}

/** The file or Redis of daily totals, which has to be there; `null` for totals in memory, which are another process's. */
function storeOf(text: string): { readonly place: LedgerPlace; readonly store: TotalsStore | null } {
  const place = ledgerPlace(text);
  if ('problem' in place) throw new ConfigurationError(ORGANIZATION_INVALID, [{ field: '--totals', ...place.problem }]);
  return { place, store: place.openTotals({ open: 'existing' }) };
}

/** Days as a process that watches the organization first read them, where the report was corrected since. */
async function firstsIn(
  place: LedgerPlace,
  range: { readonly fromDay: string; readonly toDay: string },
): Promise<readonly DayReport[]> {
  const reports = place.openReports();
  if (reports === null) return [];
  try {
    return new KeptDays(await reports.read('days')).of(range).firsts;
  } finally {
    await reports.close();
  }
}
