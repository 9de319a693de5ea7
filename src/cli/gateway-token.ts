import { existsSync } from 'node:fs';
import { nearest, unfit, type Problem } from '../errors.ts';
import { usdOf } from '../figures.ts';
import {
  TokenStoreError,
  issueToken,
  tokenParts,
  type TokenRecord,
  type TokenStore,
} from '../gateway/access/tokens.ts';
import { tokensInEnvironment } from '../gateway/configuration/environment.ts';
import { tokenSettingsInFile, type TokenSettings } from '../gateway/configuration/file.ts';
import { ledgerAt, openStores } from '../gateway/configuration/places.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, wrapped, type CommandIo } from './command.ts';

const USAGE = [
  'plimsoll gateway token create CLIENT [options]   creates a token, shown once',
  '  --expires TIME      how long it is valid: 90d, 12h, 30m (until it is revoked)',
  '  --note TEXT         what it is for; shown by list',
  'plimsoll gateway token list [options]            lists tokens; times are in UTC',
  '  --minted            also list the tokens that clients minted for their users',
  '  --json              for programs: one object',
  'plimsoll gateway token revoke ID [options]       revokes a token, and the tokens',
  '                                                 that were minted with it',
  '',
  "  --config FILE       the gateway's configuration. Without it, tokens are kept",
  '                      where PLIMSOLL_TOKENS says; the one client is `default`',
  '',
  'The gateway may be running. `create` writes only the token to stdout:',
  '  TOKEN=$(plimsoll gateway token create checkout --config gateway.yaml)',
];

const OPTIONS = {
  config: { type: 'string' },
  expires: { type: 'string' },
  note: { type: 'string', default: '' },
  minted: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** `plimsoll gateway token`. */
export const command = defineCommand({
  usage: USAGE,
  options: OPTIONS,
  takesArguments: true,
  async run({ values, positionals }, io) {
    const asked = askedIn(values, positionals);
    const settings = settingsOf(asked.config, io);
    if (asked.action === 'create' && !settings.clients.includes(asked.what))
      return failUnknown(asked.what, settings, io);
    const stores = openStores(settings.tokens, asked.action === 'create' ? 'create' : 'existing');
    try {
      return await ACTIONS[asked.action](asked, { store: stores.tokens, settings, io });
    } catch (error) {
      if (!(error instanceof TokenStoreError)) throw error;
      return fail([error.message], io);
    } finally {
      await stores.close();
    }
  },
});

interface Context {
  readonly store: TokenStore;
  readonly settings: NamedSettings;
  readonly io: CommandIo;
}

type Action = (asked: Asked, context: Context) => Promise<number>;

const ACTIONS: Readonly<Record<TokenAction, Action>> = {
  async create({ what, lifetimeMs, note }, { store, settings, io }) {
    const clock = { epochMs: () => io.now() };
    const { token, record } = await issueToken(store, { client: what, lifetimeMs, note, clock });
    io.reveal(token);
    const { id, expiresAtMs } = record;
    const until = expiresAtMs === null ? 'until it is revoked' : `until ${new Date(expiresAtMs).toISOString()}`;
    wrapped(`Token ${id} of ${what} is valid ${until}.`, 80).forEach((line) => io.err(line));
    io.err('It is shown only now: the gateway keeps nothing but a hash of it.');
    usedLines(settings).forEach((line) => io.err(line));
    return 0;
  },
  async list({ minted, json }, { store, settings, io }) {
    const tokens = (await store.list()).filter((token) => minted || token.minted === null);
    strangerLines(tokens, settings, io.now()).forEach((line) => io.err(line));
    return print(json ? [tokensJson(tokens, io.now())] : tokenLines(tokens, io.now()), io);
  },
  async revoke({ what }, { store, io }) {
    if (await store.revoke(what, io.now()))
      return print([`Token ${what} is revoked, and so are the tokens that it minted.`], io);
    return fail([`There is no token with the id ${what}.`], io);
  },
};

function failUnknown(name: string, { clients, configuration, passedOver }: NamedSettings, io: CommandIo): number {
  const near = nearest(name.slice(0, 64), clients);
  const advice = near === null ? `name one of ${clients.join(', ')}.` : `did you mean ${near}?`;
  const problem = wrapped(`Expected a client of ${configuration}, got another: ${advice}`, 80);
  return fail([...problem, ...passedOverLines(passedOver)], io);
}

/** The word after `token`. */
type TokenAction = 'create' | 'list' | 'revoke';

interface Asked {
  readonly action: TokenAction;
  /** The client, or the id; empty for a list. */
  readonly what: string;
  readonly config: string | undefined;
  /** `null` means that it does not expire. */
  readonly lifetimeMs: number | null;
  readonly note: string;
  readonly minted: boolean;
  readonly json: boolean;
}

const EXPECTED: Readonly<Record<TokenAction, string>> = {
  create: 'the name of one client',
  list: 'nothing after list',
  revoke: 'the id of one token',
};

interface Given {
  readonly config?: string | undefined;
  readonly expires?: string | undefined;
  readonly note: string;
  readonly minted: boolean;
  readonly json: boolean;
}

/** Reads the options. Throws the first problem. */
function askedIn({ expires, config, ...given }: Given, words: readonly string[]): Asked {
  const [action, what = '', ...others] = words;
  if (!isAction(action)) throw wrongArguments(unfit('token', action, { expected: 'create, list or revoke' }));
  const isOne = others.length === 0 && (what === '') === (action === 'list');
  const subject = action === 'revoke' ? idIn(what) : what;
  if (!isOne || (action === 'revoke' && !/^[0-9a-z]{1,20}$/.test(subject)))
    throw wrongArguments(wrongSubject(action, what));
  const lifetimeMs = expires === undefined ? null : durationMs(expires);
  if (Number.isNaN(lifetimeMs))
    throw wrongArguments(unfit('--expires', expires, { expected: 'a time such as 90d, 12h or 30m' }));
  if (!/^[^\p{C}]{0,200}$/u.test(given.note))
    throw wrongArguments(unfit('--note', given.note, { expected: 'up to 200 characters in one line' }));
  return { action, what: subject, config, lifetimeMs, ...given };
}

function isAction(text: string | undefined): text is TokenAction {
  return text !== undefined && Object.hasOwn(EXPECTED, text);
}

/** The problem of a wrong client or id. The value is not shown, because it may be a token. */
function wrongSubject(action: TokenAction, what: string): Problem {
  const got = what === '' ? 'nothing' : 'something else';
  return { kind: what === '' ? 'missing' : 'invalid', field: action, expected: EXPECTED[action], got, advice: null };
}

/** Returns the id in a token, so that a token can be revoked by itself. */
function idIn(text: string): string {
  return tokenParts(text)?.id ?? text;
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `90d`, `12h` or `30m` to milliseconds; `NaN` for anything else. */
function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  return Number(count || Number.NaN) * (UNITS_MS[unit] ?? Number.NaN);
}

const CLIENT_WIDTH = 18;

const COLUMNS = 80;

const DAY_MS = 86_400_000;

/**
 * Lists tokens for people: one line each, none wider than 80 characters. Days and times are UTC; a token that lasts
 * less than a day shows times instead of years.
 */
function tokenLines(tokens: readonly TokenRecord[], nowMs: number): readonly string[] {
  if (tokens.length === 0) return ['There are no tokens.'];
  return [
    line(['id', 'client', 'created', 'expires', 'state', 'note']),
    ...tokens.map((token) => {
      const { id, client, createdAtMs, expiresAtMs, note, minted } = token;
      const isShort = expiresAtMs !== null && expiresAtMs - createdAtMs < DAY_MS;
      const shown = isShort ? minute : date;
      const expires = expiresAtMs === null ? 'never' : shown(expiresAtMs);
      return line([id, client, shown(createdAtMs), expires, stateOf(token, nowMs), minted?.subject ?? note]);
    }),
  ];
}

/** Lists tokens for programs: times as ISO 8601, `null` for none; nothing of the secret, not even its hash. */
function tokensJson(tokens: readonly TokenRecord[], nowMs: number): string {
  const rows = tokens.map((token) => ({
    id: token.id,
    client: token.client,
    state: stateOf(token, nowMs),
    createdAt: iso(token.createdAtMs),
    expiresAt: token.expiresAtMs === null ? null : iso(token.expiresAtMs),
    revokedAt: token.revokedAtMs === null ? null : iso(token.revokedAtMs),
    note: token.note,
    minted: token.minted && {
      ...token.minted,
      spendNanoUsd: undefined,
      spendUsd: token.minted.spendNanoUsd === null ? null : usdOf(token.minted.spendNanoUsd),
    },
  }));
  return JSON.stringify({ tokens: rows }, null, 2);
}

function stateOf({ revokedAtMs, expiresAtMs }: TokenRecord, nowMs: number): string {
  if (revokedAtMs !== null) return 'revoked';
  return expiresAtMs !== null && expiresAtMs <= nowMs ? 'expired' : 'valid';
}

function line([id = '', client = '', created = '', expires = '', state = '', note = '']: readonly string[]): string {
  const cells = [id.padEnd(12), fitted(client, CLIENT_WIDTH), created.padEnd(11), expires.padEnd(11), state.padEnd(7)];
  const before = cells.join('  ');
  return `${before}  ${fitted(note, COLUMNS - before.length - 2)}`.trimEnd();
}

function fitted(text: string, width: number): string {
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}…`;
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

function date(atMs: number): string {
  return iso(atMs).slice(0, 10);
}

/** `11-24 12:30` */
function minute(atMs: number): string {
  return iso(atMs).slice(5, 16).replace('T', ' ');
}

/** The store and the clients of tokens, with the name of the configuration. */
interface NamedSettings extends TokenSettings {
  /** `gateway.yaml`, or words for the absence of a file. */
  readonly configuration: string;
  /** A file in this folder that looks like a gateway configuration but was not named; `null` if there is none. */
  readonly passedOver: string | null;
}

const NAMES = ['gateway.yaml', 'gateway.yml', 'gateway.json'];

/** Reads the file, or the environment if none is named. Throws a `ConfigurationError`. */
function settingsOf(config: string | undefined, { env }: CommandIo): NamedSettings {
  if (config !== undefined) return { ...tokenSettingsInFile(config, env), configuration: config, passedOver: null };
  return {
    tokens: tokensInEnvironment(env, process.cwd()),
    clients: ['default'],
    configuration: 'the environment (no configuration file)',
    passedOver: NAMES.find((name) => existsSync(name)) ?? null,
  };
}

/** Names the configuration: a gateway with another one may know neither the client nor the token. */
function usedLines({ configuration, tokens, passedOver }: NamedSettings): readonly string[] {
  const used = `Created for a gateway with ${configuration}, which keeps its tokens in ${ledgerAt(tokens).shown}.`;
  return [used, ...passedOverLines(passedOver)].flatMap((line) => wrapped(line, 80));
}

/** Names the file that may have been meant; no line if there is none. */
function passedOverLines(passedOver: string | null): readonly string[] {
  if (passedOver === null) return [];
  return wrapped(
    `${passedOver} in this folder was not read. For a gateway that uses it, add --config ${passedOver}.`,
    80,
  );
}

/** Names the clients of valid tokens that the configuration does not have: the gateway refuses those tokens. */
function strangerLines(tokens: readonly TokenRecord[], settings: NamedSettings, nowMs: number): readonly string[] {
  const holding = tokens.filter(
    ({ revokedAtMs, expiresAtMs }) => revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs),
  );
  const strangers = [...new Set(holding.map(({ client }) => client))].filter(
    (name) => !settings.clients.includes(name),
  );
  if (strangers.length === 0) return [];
  const which = `Tokens of clients that are not in ${settings.configuration}: ${strangers.join(', ')}.`;
  const lines = [`${which} A gateway with that configuration refuses them.`];
  return [...lines.flatMap((line) => wrapped(line, 80)), ...passedOverLines(settings.passedOver)];
}
