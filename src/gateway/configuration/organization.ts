import { systemClock } from '../../clock.ts';
import type { Notice, ValueProblem } from '../../errors.ts';
import { adminKeyProblem } from '../../keys/secrets.ts';
import type { CreditOptions } from '../../organization/credit.ts';
import { hintOf } from '../../organization/key-audit.ts';
import { dayStartMs } from '../../pricing/price-file.ts';
import { currentKey, secretOf, type RealKeys, type SecretSources } from './keys.ts';
import { isObject, type Reader } from './reader.ts';

/** The organization whose books the gateway reads, and shows as metrics. */
export interface OrganizationSettings {
  /** The admin key; a new one in its file is used without a restart. */
  readonly adminKey: () => string;
  /** Ids of keys in the organization by alias. */
  readonly ids: Readonly<Record<string, readonly string[]>>;
  /** The parts of the gateway's keys that the Console shows, by alias. */
  readonly hints: ReadonlyMap<string, string>;
  /** For prepaid accounts. */
  readonly credit: CreditOptions | undefined;
  readonly everyMs: number | undefined;
  /** `undefined` for Anthropic's own: an admin key is not sent to another upstream unless this names it. */
  readonly baseUrl: string | undefined;
}

const FIELDS = ['adminKey', 'ids', 'balance', 'credit', 'everyMinutes', 'baseUrl'];

const KEY_ID = { pattern: /^apikey_\w{1,64}$/, expected: 'the id of a key, such as apikey_01Ab' };

const EVERY = { least: 5, most: 1_440, expected: 'whole minutes from 5 to 1440' };

const URL_FORM = { pattern: /^https?:\/\/[^/\s]/i, expected: 'the address of an Admin API' };

interface OrganizationContext {
  readonly keys: RealKeys;
  readonly sources: SecretSources;
  readonly notices: Notice[];
}

const WITHOUT_LEDGER: Notice = {
  field: 'organization',
  text: 'without a ledger there are no daily totals to compare the bill with, and each replica reads it by itself: set ledger',
};

/** Reads the field `organization`; `null` if it is absent, or has no admin key that can be used. */
export function organizationOf(
  read: Reader,
  { keys, sources, notices }: OrganizationContext,
): OrganizationSettings | null {
  if (read.value('organization') === undefined) return null;
  const organization = read.within('organization', '{ adminKey: { env: ANTHROPIC_ADMIN_KEY } }');
  organization.only(FIELDS);
  if ((read.value('ledger') ?? 'memory') === 'memory') notices.push(WITHOUT_LEDGER);
  const everyMinutes = organization.integer('everyMinutes', EVERY);
  const settings = {
    ids: idsOf(organization, read.within('keys', '').names()),
    hints: hintsOf(keys),
    credit: creditOf(organization),
    everyMs: everyMinutes === undefined ? undefined : everyMinutes * 60_000,
    baseUrl: organization.text('baseUrl', URL_FORM),
  };
  const secret = secretOf(organization, 'adminKey', sources);
  if (secret === null) return null;
  const problem = adminKeyProblem(secret.text);
  if (problem !== null) organization.note('adminKey', problem);
  const adminKey = currentKey(secret, systemClock, (text) => adminKeyProblem(text) === null);
  return problem === null ? { ...settings, adminKey } : null;
}

function idsOf(organization: Reader, aliases: readonly string[]): OrganizationSettings['ids'] {
  const ids = organization.within('ids', 'ids by alias, such as prod-api-key: [apikey_01Ab]');
  for (const alias of ids.names()) {
    if (aliases.includes(alias)) continue;
    ids.note(alias, { kind: 'invalid', expected: 'an alias of `keys`', got: 'another name', advice: 'correct it' });
  }
  return Object.fromEntries(ids.names().map((alias) => [alias, ids.texts(alias, KEY_ID) ?? []]));
}

function hintsOf(keys: RealKeys): ReadonlyMap<string, string> {
  const hints = [...keys].map(([alias, text]) => [alias, hintOf(text())] as const);
  return new Map(hints.flatMap(([alias, hint]) => (hint === null ? [] : [[alias, hint] as const])));
}

function creditOf(organization: Reader): CreditOptions | undefined {
  const [balance, credit] = [organization.value('balance'), organization.value('credit') ?? []];
  if (balance !== undefined && !isAmount(balance)) organization.note('balance', amountProblem(balance));
  const isList = Array.isArray(credit) && credit.every(isAmount);
  if (!isList)
    organization.note('credit', { ...amountProblem(credit), expected: 'a list of { usd: 200, at: 2026-11-15 }' });
  if (balance === undefined && isList && credit.length > 0)
    organization.note('balance', {
      kind: 'missing',
      expected: AMOUNT,
      got: 'none',
      advice: 'say what there was before',
    });
  return isAmount(balance) && isList ? { balance, credit } : undefined;
}

const AMOUNT = '{ usd: 500, at: 2026-11-01 }';

function amountProblem(value: unknown): ValueProblem {
  const kind = isObject(value) || Array.isArray(value) ? 'fields that do not fit' : typeof value;
  return { kind: 'invalid', expected: AMOUNT, got: kind, advice: 'write dollars and a UTC day' };
}

function isAmount(value: unknown): value is CreditOptions['balance'] {
  if (!isObject(value) || Object.keys(value).length !== 2) return false;
  const { usd, at } = value;
  return typeof usd === 'number' && usd >= 0 && usd < 1e9 && typeof at === 'string' && dayStartMs(at) !== null;
}
