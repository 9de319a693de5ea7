import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { nearest } from '../environment/models.ts';
import { ConfigurationError, sentenceOf } from '../errors.ts';
import { usdOf } from '../figures.ts';
import {
  TokenStoreError,
  issueToken,
  tokenParts,
  type TokenRecord,
  type TokenStore,
} from '../gateway/access/tokens.ts';
import { tokensInEnvironment } from '../gateway/configuration/environment.ts';
import { tokenOfficeInFile, type TokenOffice } from '../gateway/configuration/file.ts';
import { ledgerAt, openStores } from '../gateway/configuration/places.ts';
import { argumentProblem, refused, shown, wrapped, type CommandIo } from './command.ts';

/** `plimsoll gateway token`. */
export async function tokenCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const asked = tokenArguments(args);
  if (asked === 'help') return shown(USAGE, io);
  if ('problem' in asked) return refused([asked.problem], USAGE, io);
  try {
    const office = officeOf(asked.config, io);
    if (asked.action === 'create' && !office.clients.includes(asked.what)) return unknownClient(asked.what, office, io);
    const stores = openStores(office.tokens, asked.action === 'create' ? 'create' : 'existing');
    try {
      return await ACTIONS[asked.action](asked, { store: stores.tokens, office, io });
    } finally {
      await stores.close();
    }
  } catch (error) {
    if (error instanceof ConfigurationError) error.problems.forEach((problem) => io.err(sentenceOf(problem)));
    else if (error instanceof TokenStoreError) io.err(error.message);
    else throw error;
    return 1;
  }
}

interface Desk {
  readonly store: TokenStore;
  readonly office: NamedOffice;
  readonly io: CommandIo;
}

type Action = (asked: TokenArguments, desk: Desk) => Promise<number>;

const ACTIONS: Readonly<Record<TokenAction, Action>> = {
  async create({ what, lifetimeMs, note }, { store, office, io }) {
    const clock = { epochMs: () => io.now() };
    const { token, record } = await issueToken(store, { client: what, lifetimeMs, note, clock });
    io.out(token);
    const { id, expiresAtMs } = record;
    const until = expiresAtMs === null ? 'until it is revoked' : `until ${new Date(expiresAtMs).toISOString()}`;
    wrapped(`Token ${id} of ${what} holds ${until}.`, 80).forEach((line) => io.err(line));
    io.err('It is not shown again: of it a hash is kept, and nothing else.');
    usedLines(office).forEach((line) => io.err(line));
    return 0;
  },
  async list({ minted, json }, { store, office, io }) {
    const tokens = (await store.list()).filter((token) => minted || token.minted === null);
    strangerLines(tokens, office, io.now()).forEach((line) => io.err(line));
    return shown(json ? [tokensJson(tokens, io.now())] : tokenLines(tokens, io.now()), io);
  },
  async revoke({ what }, { store, io }) {
    if (await store.revoke(what, io.now())) return shown([`Token ${what} is revoked, and what it minted.`], io);
    io.err(`Expected the id of a token, got ${what}, which is none.`);
    return 1;
  },
};

function unknownClient(name: string, { clients, configuration, passedOver }: NamedOffice, io: CommandIo): number {
  const near = nearest(name.slice(0, 64), clients);
  const advice = near === null ? `name one of ${clients.join(', ')}.` : `did you mean ${near}?`;
  wrapped(`Expected a client of ${configuration}, got another: ${advice}`, 80).forEach((line) => io.err(line));
  passedOverLines(passedOver).forEach((line) => io.err(line));
  return 1;
}

/** What `plimsoll gateway token --help` teaches. */
export const USAGE = [
  'plimsoll gateway token create CLIENT [options]   a token, shown once',
  '  --expires TIME      how long it holds: 90d, 12h, 30m; else until it is revoked',
  '  --note TEXT         what it is for; stands in lists',
  'plimsoll gateway token list [options]            who has tokens; do they hold?',
  '                      (times are UTC)',
  '  --minted            also those that clients minted for their users',
  '  --json              for programs: one object',
  'plimsoll gateway token revoke ID [options]       at once, with what it minted',
  '',
  '  --config FILE       the configuration of the gateway; without it, where',
  '                      PLIMSOLL_TOKENS says, and the one client is default',
  '',
  'The gateway may run meanwhile. `create` writes the token alone to stdout:',
  '  TOKEN=$(plimsoll gateway token create checkout --config gateway.yaml)',
];

const OPTIONS = {
  config: { type: 'string' },
  expires: { type: 'string' },
  note: { type: 'string', default: '' },
  minted: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** The word after `token`. */
export type TokenAction = 'create' | 'list' | 'revoke';

/** The arguments of `plimsoll gateway token`. */
export interface TokenArguments {
  readonly action: TokenAction;
  /** The client, or the id; empty for a list. */
  readonly what: string;
  readonly config: string | undefined;
  /** `null`: without an end. */
  readonly lifetimeMs: number | null;
  readonly note: string;
  readonly minted: boolean;
  readonly json: boolean;
}

/** What is asked for, or the first thing that is wrong with it. */
export function tokenArguments(args: readonly string[]): TokenArguments | 'help' | { readonly problem: string } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help) return 'help';
    const [action = '', what = '', ...others] = positionals;
    if (!isAction(action)) return { problem: `Expected create, list or revoke, got ${action || 'nothing'}.` };
    const lifetimeMs = values.expires === undefined ? null : durationMs(values.expires);
    const problem =
      subjectProblem(action, [what, ...others]) ?? optionProblem(values.note, { lifetimeMs, expires: values.expires });
    if (problem !== null) return { problem };
    const { config, note, minted, json } = values;
    return { action, what: action === 'revoke' ? idIn(what) : what, config, lifetimeMs, note, minted, json };
  } catch (error) {
    return { problem: argumentProblem(error) };
  }
}

const EXPECTED: Readonly<Record<TokenAction, string>> = {
  create: 'the name of one client',
  list: 'nothing after list',
  revoke: 'the id of one token',
};

function isAction(text: string): text is TokenAction {
  return Object.hasOwn(EXPECTED, text);
}

function subjectProblem(action: TokenAction, [what = '', ...others]: readonly string[]): string | null {
  const isOne = others.length === 0 && (what === '') === (action === 'list');
  if (!isOne) return `Expected ${EXPECTED[action]}, got ${what === '' ? 'nothing' : 'something else'}.`;
  const isId = action !== 'revoke' || /^[0-9a-z]{1,20}$/.test(idIn(what));
  return isId ? null : `Expected ${EXPECTED.revoke}, got something else.`;
}

/** Whoever has but the token itself may revoke it by that. */
function idIn(text: string): string {
  return tokenParts(text)?.id ?? text;
}

function optionProblem(
  note: string,
  { lifetimeMs, expires }: { readonly lifetimeMs: number | null; readonly expires: string | undefined },
): string | null {
  if (Number.isNaN(lifetimeMs)) return `--expires: expected a time such as 90d, 12h or 30m, got ${expires}.`;
  return /^[^\p{C}]{0,200}$/u.test(note) ? null : '--note: expected up to 200 characters in one line.';
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `NaN` for what is no time. */
function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  return Number(count || Number.NaN) * (UNITS_MS[unit] ?? Number.NaN);
}

const CLIENT_WIDTH = 18;

const COLUMNS = 80;

const DAY_MS = 86_400_000;

/**
 * Tokens for people: one line each, none wider than 80 characters. Days and times are UTC; where a token lives for less
 * than a day, its times stand in the place of the years.
 */
export function tokenLines(tokens: readonly TokenRecord[], nowMs: number): readonly string[] {
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

/** Tokens for programs: times as ISO 8601, `null` where there is none; nothing of the secret, not even its hash. */
export function tokensJson(tokens: readonly TokenRecord[], nowMs: number): string {
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
  return expiresAtMs !== null && expiresAtMs <= nowMs ? 'expired' : 'holds';
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

/** Where tokens are made, and by which configuration, which stands in what is said of them. */
export interface NamedOffice extends TokenOffice {
  /** `gateway.yaml`, or that there is no file. */
  readonly configuration: string;
  /** A file of the folder that is a gateway's by its name, and was not asked for; `null` where there is none. */
  readonly passedOver: string | null;
}

const NAMES = ['gateway.yaml', 'gateway.yml', 'gateway.json'];

/** Of the file, or of the environment where none is named. Throws a `ConfigurationError`. */
export function officeOf(config: string | undefined, { env }: CommandIo): NamedOffice {
  if (config !== undefined) return { ...tokenOfficeInFile(config, env), configuration: config, passedOver: null };
  return {
    tokens: tokensInEnvironment(env, process.cwd()),
    clients: ['default'],
    configuration: 'the environment alone',
    passedOver: NAMES.find((name) => existsSync(name)) ?? null,
  };
}

/** Which configuration it was: a gateway that runs with another one knows neither the client nor, maybe, the token. */
export function usedLines({ configuration, tokens, passedOver }: NamedOffice): readonly string[] {
  const used = `Made for a gateway with ${configuration}, whose tokens are in ${ledgerAt(tokens).shown}.`;
  return [used, ...passedOverLines(passedOver)].flatMap((line) => wrapped(line, 80));
}

/** What may have been meant; nothing where there is no such file. */
export function passedOverLines(passedOver: string | null): readonly string[] {
  if (passedOver === null) return [];
  return wrapped(`${passedOver} of this folder was not read: for a gateway with it, add --config ${passedOver}.`, 80);
}

/** Of tokens that hold while no client of theirs is there: the gateway refuses them. */
export function strangerLines(tokens: readonly TokenRecord[], office: NamedOffice, nowMs: number): readonly string[] {
  const holding = tokens.filter(
    ({ revokedAtMs, expiresAtMs }) => revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs),
  );
  const strangers = [...new Set(holding.map(({ client }) => client))].filter((name) => !office.clients.includes(name));
  if (strangers.length === 0) return [];
  const which = `No client of ${office.configuration}: ${strangers.join(', ')}.`;
  const lines = [`${which} A gateway with that configuration refuses such tokens.`];
  return [...lines.flatMap((line) => wrapped(line, 80)), ...passedOverLines(office.passedOver)];
}
