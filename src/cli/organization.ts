import { ConfigurationError, unfit, type Problem } from '../errors.ts';
import { readFileSync } from 'node:fs';
import { ledgerPlace } from '../environment/ledger-place.ts';
import { textOf, type Env } from '../environment/credential.ts';
import { adminKeyProblem } from '../keys/secrets.ts';
import { outcomeOf, type ReadOutcome } from '../organization/admin-client.ts';
import { hintOf } from '../organization/key-audit.ts';
import { readOrganization } from '../organization/organization.ts';
import type { TotalsStore } from '../totals/day-totals.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, wrapped } from './command.ts';
import { VIEWS, reportJson, reportLines } from './organization-text.ts';

const USAGE = [
  'plimsoll organization [options]       the bill, beside what plimsoll saw',
  '  --since DAY         compares from this UTC day on too, YYYY-MM-DD',
  '  --by NAME           key, model or day: the table below the difference (key)',
  '  --totals PLACE      where daily totals are kept: an SQLite file or the URL of a',
  '                      Redis (PLIMSOLL_LEDGER). Without it the report stands alone',
  '  --key ALIAS=ID      the id of the key behind an alias; may be repeated. That of the',
  '                      environment is found by itself, if PLIMSOLL_KEY names it',
  '  --balance USD@DAY   the prepaid balance at the beginning of a day; shows what',
  '                      is left',
  '  --credit USD@DAY    what was added since; may be repeated',
  '  --base-url URL      another API, such as plimsoll simulate (ANTHROPIC_BASE_URL)',
  '  --json              for programs: one object',
  '',
  'Reads the reports, keys and limits of the organization with an admin key, which',
  'comes from ANTHROPIC_ADMIN_KEY or the file that ANTHROPIC_ADMIN_KEY_FILE names.',
  'It changes nothing. Amounts of days for which the report is not complete are not',
  'compared. Exit code: 0 read, 1 could not be read, 2 wrong arguments.',
];

const OPTIONS = {
  since: { type: 'string' },
  by: { type: 'string', default: 'key' },
  totals: { type: 'string' },
  key: { type: 'string', multiple: true },
  balance: { type: 'string' },
  credit: { type: 'string', multiple: true },
  'base-url': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** `plimsoll organization`. Reads; changes nothing. */
export const command = defineCommand({
  usage: USAGE,
  options: OPTIONS,
  async run({ values }, io) {
    const by = VIEWS.find((view) => view === values.by);
    if (by === undefined) throw wrongArguments(unfit('--by', values.by, { expected: VIEWS.join(', ') }));
    const sinceDay = values.since === undefined ? null : dayIn('--since', values.since);
    const ids = idsIn(values.key ?? []);
    const balance = values.balance === undefined ? undefined : amountIn('--balance', values.balance);
    const credit = (values.credit ?? []).map((text) => amountIn('--credit', text));
    const hints = hintsOf(io.env);
    const adminKey = adminKeyOf(io.env);
    const store = storeOf(values.totals ?? textOf(io.env, 'PLIMSOLL_LEDGER'));
    const baseUrl = values['base-url'] ?? (textOf(io.env, 'ANTHROPIC_BASE_URL') || undefined);
    try {
      const report = await readOrganization(
        {
          ...{ adminKey, baseUrl, ids, hints, aliases: [...Object.keys(ids), ...hints.keys()], now: () => io.now() },
          ...(store !== null && { totals: store }),
          ...(balance !== undefined && { credit: { balance, credit } }),
        },
        sinceDay,
      );
      return print(values.json ? [reportJson(report, by)] : reportLines(report, { by, hasTotals: store !== null }), io);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      return fail(wrapped(`The organization cannot be read: ${ADVICE[outcomeOf(error)]}.`, 78), io);
    } finally {
      await store?.close();
    }
  },
});

/** What to do about a reading that failed, by its outcome. */
const ADVICE: Readonly<Record<Exclude<ReadOutcome, 'ok'>, string>> = {
  unauthorized: 'the admin key is refused. Create one at https://platform.claude.com/settings/admin-keys',
  forbidden:
    'this key has no access to the Admin API. An individual account has none: create an organization, and an admin key in it',
  not_available: 'this API has no Admin API. Check ANTHROPIC_BASE_URL',
  rate_limited: 'it is read too often. Try again in a minute',
  invalid: 'the API refuses the question. Try a later --since',
  server_error: 'the API has an error of its own. Try again later',
  connection_error: 'the API cannot be reached. plimsoll check says why',
  malformed: 'the report is not what it is documented to be. Update plimsoll',
};

const DAY = /^\d{4}-\d{2}-\d{2}$/;

function dayIn(field: string, text: string): string {
  if (DAY.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw wrongArguments(unfit(field, text, { expected: 'a UTC day, YYYY-MM-DD' }));
}

function amountIn(field: string, text: string): { readonly usd: number; readonly at: string } {
  const [, usd = '', day = ''] = /^(\d+(?:\.\d+)?)@(.+)$/.exec(text) ?? [];
  if (usd === '') throw wrongArguments(unfit(field, text, { expected: 'an amount and a day, such as 500@2026-11-01' }));
  return { usd: Number(usd), at: dayIn(field, day) };
}

function idsIn(pairs: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const ids: Record<string, readonly string[]> = {};
  for (const pair of pairs) {
    const [alias = '', id = ''] = pair.split('=');
    if (!/^apikey_\w+$/.test(id))
      throw wrongArguments(unfit('--key', pair, { expected: 'an alias and an id, such as prod-shop-api=apikey_01Ab' }));
    ids[alias] = [...(ids[alias] ?? []), id];
  }
  return ids;
}

/** The key of the environment is known by its hint, under its alias. */
function hintsOf(env: Env): ReadonlyMap<string, string> {
  const [alias, secret] = [
    textOf(env, 'PLIMSOLL_KEY'),
    textOf(env, 'ANTHROPIC_AUTH_TOKEN') || textOf(env, 'ANTHROPIC_API_KEY'),
  ];
  const hint = hintOf(secret);
  return new Map(alias === '' || hint === null ? [] : [[alias, hint]]);
}

const INVALID = 'PLIMSOLL_ORGANIZATION_INVALID';

/** Reads the admin key of the environment, or of a file. Throws a `ConfigurationError` where there is none, or another key. */
function adminKeyOf(env: Env): () => string {
  const file = textOf(env, 'ANTHROPIC_ADMIN_KEY_FILE');
  const field = file === '' ? 'ANTHROPIC_ADMIN_KEY' : 'ANTHROPIC_ADMIN_KEY_FILE';
  const value = file === '' ? textOf(env, field) : contentOf(file, field);
  const problem = adminKeyProblem(value);
  if (problem !== null) throw new ConfigurationError(INVALID, [{ field, ...problem }]);
  return () => value;
}

function contentOf(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    const problem: Problem = {
      kind: 'unreadable',
      field,
      expected: 'a file with the admin key',
      got: 'one that cannot be read',
      advice: 'check the path and who may read it',
    };
    throw new ConfigurationError(INVALID, [problem]);
  }
}

function storeOf(text: string): TotalsStore | null {
  if (text === '') return null;
  const place = ledgerPlace(text);
  if ('problem' in place) throw new ConfigurationError(INVALID, [{ field: '--totals', ...place.problem }]);
  return place.openTotals();
}
