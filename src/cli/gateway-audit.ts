import { unfit } from '../errors.ts';
import type { AuditEntry } from '../gateway/access/audit.ts';
import { TokenStoreError } from '../gateway/access/tokens.ts';
import { openStores, openUsage } from '../gateway/configuration/places.ts';
import { dayStartMs } from '../totals/day-totals.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, wrapped, type CommandIo } from './command.ts';
import { actorOf, settingsOf, storedOwner, type NamedSettings } from './gateway-settings.ts';

const USAGE = [
  'plimsoll gateway audit [options]      who made and revoked which token; UTC',
  '  --owner NAME        only about this owner',
  '  --json              for programs: one object',
  "  --config FILE       the gateway's configuration",
];

const OPTIONS = {
  owner: { type: 'string' },
  json: { type: 'boolean', default: false },
  config: { type: 'string' },
} as const;

/** `plimsoll gateway audit`. Changes nothing. */
export const audit = defineCommand({
  name: 'gateway audit',
  usage: USAGE,
  options: OPTIONS,
  run: ({ values }, io) =>
    answering(io, async () => {
      const settings = settingsOf(values.config, io, values.owner === undefined ? ['tokens'] : ['tokens', 'owners']);
      const owner = values.owner === undefined ? null : storedOwner(values.owner, settings);
      const entries = await withTokens(settings, (tokens) => tokens.audit());
      const shown = entries.filter((entry) => owner === null || entry.owner === owner);
      if (values.json) return print([JSON.stringify({ entries: shown.map(entryJson) }, null, 2)], io);
      return print(shown.length === 0 ? ['There are no entries.'] : shown.flatMap(entryLines), io);
    }),
});

const FORGET_USAGE = [
  'plimsoll gateway forget [options]     forgets an owner, or what is old',
  '  --owner NAME        counts the usage of this owner for `forgotten`, and takes',
  '                      the name out of the audit log and of revoked tokens',
  '  --before DAY        deletes usage and entries before this UTC day',
  '  --by NAME           who you are, for the audit log',
  "  --config FILE       the gateway's configuration",
  '',
  'Revoke the tokens of an owner first: token revoke --owner NAME.',
];

const FORGET_OPTIONS = {
  owner: { type: 'string' },
  before: { type: 'string' },
  by: { type: 'string' },
  config: { type: 'string' },
} as const;

/** `plimsoll gateway forget`. */
export const forget = defineCommand({
  name: 'gateway forget',
  usage: FORGET_USAGE,
  options: FORGET_OPTIONS,
  run: ({ values: { owner: named, before, by, config } }, io) =>
    answering(io, async () => {
      if ((named === undefined) === (before === undefined))
        throw wrongArguments(unfit('forget', undefined, { expected: 'either --owner or --before' }));
      if (before !== undefined && !(/^\d{4}-\d\d-\d\d$/.test(before) && dayStartMs(before) <= io.now()))
        throw wrongArguments(unfit('--before', before, { expected: 'a UTC day of the past, such as 2026-01-01' }));
      const settings = settingsOf(config, io, ['tokens', 'usage', 'owners']);
      const owner = named === undefined ? null : storedOwner(named, settings);
      const valid = owner === null ? [] : await validTokens(settings, { owner, nowMs: io.now() });
      if (owner !== null && valid.length > 0) {
        const which = `${owner} has valid tokens: ${valid.join(', ')}.`;
        return fail(wrapped(`${which} Revoke them first: plimsoll gateway token revoke --owner NAME.`, 80), io);
      }
      const rows = await forgetUsage(settings, { owner, beforeDay: before ?? null });
      const detail = owner === null ? `usage and entries before ${before ?? ''}` : 'an owner';
      const about = { token: '', client: '', owner: null, detail };
      const entry: AuditEntry = { atMs: io.now(), action: 'forgotten', actor: actorOf(by, io), ...about };
      const beforeMs = before === undefined ? null : dayStartMs(before);
      const entries = await withTokens(settings, (tokens) => tokens.forget({ owner, beforeMs }, entry));
      const done = owner === null ? 'Deleted' : 'Forgot the owner in';
      return print([`${done} ${rows} rows of usage and ${entries} entries of the audit log.`], io);
    }),
});

async function forgetUsage(
  { usage, usageDays }: NamedSettings,
  what: { readonly owner: string | null; readonly beforeDay: string | null },
): Promise<number> {
  const store = openUsage(usage, usageDays);
  try {
    return await store.forget(what);
  } finally {
    await store.close();
  }
}

async function validTokens(
  settings: NamedSettings,
  { owner, nowMs }: { readonly owner: string; readonly nowMs: number },
): Promise<readonly string[]> {
  const tokens = await withTokens(settings, (store) => store.list());
  return tokens
    .filter(({ member, revokedAtMs }) => member?.owner === owner && revokedAtMs === null)
    .filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs)
    .map(({ id }) => id);
}

async function withTokens<T>(
  { tokens }: NamedSettings,
  use: (store: ReturnType<typeof openStores>['tokens']) => Promise<T>,
): Promise<T> {
  const stores = openStores(tokens, 'existing');
  try {
    return await use(stores.tokens);
  } finally {
    await stores.close();
  }
}

async function answering(io: CommandIo, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof TokenStoreError)) throw error;
    return fail([error.message], io);
  }
}

function entryJson({ atMs, ...entry }: AuditEntry): object {
  return { at: new Date(atMs).toISOString(), ...entry };
}

/** `2026-11-24 12:00:05  eve created abc of platform for ada: $50/month` */
function entryLines({ atMs, action, actor, token, client, owner, detail }: AuditEntry): readonly string[] {
  const at = new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
  const what = token === '' ? '' : ` ${token} of ${client}${owner === null ? '' : ` for ${owner}`}`;
  const [first = '', ...rest] = wrapped(`${actor} ${action}${what}${detail === '' ? '' : `: ${detail}`}`, 59);
  return [`${at}  ${first}`, ...rest.map((line) => `${' '.repeat(21)}${line}`)];
}
