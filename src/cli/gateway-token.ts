import { didYouMean, unfit, type Problem } from '../errors.ts';
import { withDeclared } from '../gateway/access/declared-tokens.ts';
import { termsText } from '../gateway/access/member.ts';
import { declaration } from '../gateway/configuration/declared.ts';
import type { TokenPart } from '../gateway/configuration/file.ts';
import { TokenStoreError, issueToken, tokenParts, type TokenStore } from '../gateway/access/tokens.ts';
import { openStores } from '../gateway/configuration/places.ts';
import { wrongArguments } from './arguments.ts';
import { defineCommand, fail, print, wrapped, type CommandIo } from './command.ts';
import {
  actorOf,
  passedOverLines,
  settingsOf,
  storedOwner,
  usedLines,
  type NamedSettings,
} from './gateway-settings.ts';
import { strangerLines, tokenLines, tokensJson } from './gateway-token-list.ts';
import { TERM_OPTIONS, excessLines, termsIn, type GivenTerms } from './gateway-token-terms.ts';

const USAGE = [
  'plimsoll gateway token create CLIENT [options]   creates a token, shown once',
  '  --owner NAME        who has it: a member of the client, named in metrics,',
  '                      logs and `gateway usage`',
  '  --budget AMOUNT     what the owner may spend: 50/month, 2.50/day (dollars)',
  '  --rpm N             requests a minute of the owner',
  '  --itpm N, --otpm N  input and output tokens a minute',
  '  --parallel N        requests at the same time, on all replicas together',
  "  --models A,B        models, of the client's",
  '  --expires TIME      how long it is valid: 90d, 12h, 30m (until it is revoked)',
  '  --note TEXT         what it is for; shown by list',
  'plimsoll gateway token list [options]            lists tokens; times are in UTC',
  '  --owner NAME        only those of this owner',
  '  --minted            also list the tokens that clients minted for their users',
  '  --json              for programs: one object',
  'plimsoll gateway token revoke ID [options]       revokes a token, and the tokens',
  '                                                 that were minted with it',
  '  --owner NAME        all tokens of this owner, in place of ID',
  'plimsoll gateway token export [options]          lists the valid tokens by their',
  '                                                 hashes, for declaredTokens',
  '',
  "  --config FILE       the gateway's configuration. Without it, tokens are kept",
  '                      where PLIMSOLL_TOKENS says; the one client is `default`',
  '  --by NAME           who you are, for `gateway audit` (the user of the system)',
  '',
  'The gateway may be running. `create` writes only the token to stdout:',
  '  TOKEN=$(plimsoll gateway token create checkout --config gateway.yaml)',
];

const OPTIONS = {
  ...TERM_OPTIONS,
  client: { type: 'string' },
  config: { type: 'string' },
  expires: { type: 'string' },
  note: { type: 'string', default: '' },
  by: { type: 'string' },
  minted: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** `plimsoll gateway token`. */
export const command = defineCommand({
  name: 'gateway token',
  usage: USAGE,
  options: OPTIONS,
  actions: ['create', 'list', 'revoke', 'export'],
  async run({ values, positionals }, io) {
    const asked = askedIn(values, positionals);
    const settings = settingsOf(asked.config, io, partsOf(asked));
    if (asked.action === 'create' && !settings.clients.has(asked.what)) return failUnknown(asked.what, settings, io);
    const stores = openStores(settings.tokens, asked.action === 'create' ? 'create' : 'existing');
    try {
      return await ACTIONS[asked.action](asked, {
        store: withDeclared(stores.tokens, () => settings.declaredTokens),
        settings,
        io,
      });
    } catch (error) {
      if (!(error instanceof TokenStoreError)) throw error;
      return fail([error.message], io);
    } finally {
      await stores.close();
    }
  },
});

/** What must be right in a configuration: a token that leaked is revoked while the rest of the file is broken. */
function partsOf({ action, terms }: Asked): readonly TokenPart[] {
  return terms.owner === undefined ? PARTS[action] : [...PARTS[action], 'owners'];
}

const PARTS: Readonly<Record<TokenAction, readonly TokenPart[]>> = {
  create: ['tokens', 'clients', 'owners', 'usage', 'declaredTokens'],
  list: ['tokens'],
  revoke: ['tokens'],
  export: ['tokens', 'declaredTokens'],
};

interface Context {
  readonly store: TokenStore;
  readonly settings: NamedSettings;
  readonly io: CommandIo;
}

type Action = (asked: Asked, context: Context) => Promise<number>;

const ACTIONS: Readonly<Record<TokenAction, Action>> = {
  async create({ what, lifetimeMs, note, terms, by }, { store, settings, io }) {
    const member = termsIn(terms, settings);
    const excess = excessLines(member, what, settings);
    if (excess.length > 0) return fail(excess, io);
    const clock = { epochMs: () => io.now() };
    const actor = actorOf(by, io);
    const { token, record } = await issueToken(store, { client: what, lifetimeMs, note, member, actor, clock });
    io.reveal(token);
    const { id, expiresAtMs } = record;
    const until = expiresAtMs === null ? 'until it is revoked' : `until ${new Date(expiresAtMs).toISOString()}`;
    const whose = member?.owner ? ` for ${member.owner}` : '';
    wrapped(`Token ${id} of ${what}${whose} is valid ${until}.`, 80).forEach((line) => io.err(line));
    const own = member === null ? '' : termsText(member);
    if (own !== '') wrapped(`Its own limits: ${own}.`, 80).forEach((line) => io.err(line));
    io.err('It is shown only now: the gateway keeps nothing but a hash of it.');
    usedLines(settings).forEach((line) => io.err(line));
    return 0;
  },
  async list({ minted, json, terms }, { store, settings, io }) {
    const owner = terms.owner === undefined ? null : storedOwner(terms.owner, settings);
    const tokens = (await store.list()).filter(
      (token) => (minted || token.minted === null) && (owner === null || token.member?.owner === owner),
    );
    if (!settings.unread.has('clients')) strangerLines(tokens, settings, io.now()).forEach((line) => io.err(line));
    return print(json ? [tokensJson(tokens, io.now())] : tokenLines(tokens, io.now()), io);
  },
  async export(_asked, { store, io }) {
    const tokens = (await store.list()).filter(
      ({ minted, revokedAtMs, expiresAtMs }) =>
        minted === null && revokedAtMs === null && (expiresAtMs === null || expiresAtMs > io.now()),
    );
    return print([JSON.stringify({ tokens: tokens.map(declaration) }, null, 2)], io);
  },
  async revoke({ what, terms, by }, { store, settings, io }) {
    const actor = actorOf(by, io);
    if (terms.owner !== undefined) return revokeAll(storedOwner(terms.owner, settings), { store, settings, actor, io });
    if (await store.revoke(what, io.now(), actor))
      return print([`Token ${what} is revoked, and so are the tokens that it minted.`], io);
    return fail([`There is no token with the id ${what}.`, ...undeclaredLines(settings)], io);
  },
};

interface Revoking extends Context {
  readonly actor: string;
}

/** Revokes all tokens of an owner that were not. Those that they minted end with them. */
async function revokeAll(owner: string, { store, settings, actor, io }: Revoking): Promise<number> {
  const tokens = (await store.list()).filter(
    ({ member, minted, revokedAtMs }) => member?.owner === owner && minted === null && revokedAtMs === null,
  );
  const unread = undeclaredLines(settings);
  if (tokens.length === 0) return fail([`${owner} has no token that could be revoked.`, ...unread], io);
  for (const { id } of tokens) await store.revoke(id, io.now(), actor);
  const ids = tokens.map(({ id }) => id).join(', ');
  const which = unread.length === 0 ? 'All tokens' : 'Tokens';
  print(wrapped(`${which} of ${owner} are revoked: ${ids}. So are those that they minted.`, 80), io);
  return unread.length === 0 ? 0 : fail(unread, io);
}

/** Says that declared tokens were not looked at, if the configuration names a file that cannot be read. */
function undeclaredLines({ unread }: NamedSettings): readonly string[] {
  return unread.has('declaredTokens') ? ['Declared tokens were not looked at: declaredTokens has a problem.'] : [];
}

function failUnknown(name: string, { clients, configuration, passedOver }: NamedSettings, io: CommandIo): number {
  const names = [...clients.keys()];
  const advice = didYouMean(name, names) ?? `name one of ${names.join(', ')}.`;
  const problem = wrapped(`Expected a client of ${configuration}, got another: ${advice}`, 80);
  return fail([...problem, ...passedOverLines(passedOver)], io);
}

/** The word after `token`. */
type TokenAction = 'create' | 'list' | 'revoke' | 'export';

interface Asked {
  readonly action: TokenAction;
  /** The client, or the id; empty for a list. */
  readonly what: string;
  readonly config: string | undefined;
  /** `null` means that it does not expire. */
  readonly lifetimeMs: number | null;
  readonly note: string;
  readonly terms: GivenTerms;
  readonly by: string | undefined;
  readonly minted: boolean;
  readonly json: boolean;
}

const EXPECTED: Readonly<Record<TokenAction, string>> = {
  create: 'the name of one client',
  list: 'nothing after list',
  export: 'nothing after export',
  revoke: 'the id of one token, or --owner',
};

interface Given extends GivenTerms {
  readonly client?: string | undefined;
  readonly by?: string | undefined;
  readonly config?: string | undefined;
  readonly expires?: string | undefined;
  readonly note: string;
  readonly minted: boolean;
  readonly json: boolean;
}

/** Reads the options. Throws the first problem. */
function askedIn(
  { expires, config, by, client, note, minted, json, ...terms }: Given,
  words: readonly string[],
): Asked {
  const [action, named, ...others] = words;
  if (!isAction(action)) throw wrongArguments(unfit('token', action, { expected: 'create, list, revoke or export' }));
  const what = named ?? (action === 'create' ? (client ?? '') : '');
  const needsNone = NEEDS_NONE.has(action) || (action === 'revoke' && terms.owner !== undefined);
  const isOne = others.length === 0 && (what === '') === needsNone;
  const subject = action === 'revoke' ? idIn(what) : what;
  if (!isOne || (action === 'revoke' && !needsNone && !/^[0-9a-z]{1,20}$/.test(subject)))
    throw wrongArguments(wrongSubject(action, what));
  const lifetimeMs = lifetimeIn(expires);
  if (Number.isNaN(lifetimeMs))
    throw wrongArguments(unfit('--expires', expires, { expected: 'a time such as 90d, 12h or 30m' }));
  if (!/^[^\p{C}]{0,200}$/u.test(note))
    throw wrongArguments(unfit('--note', note, { expected: 'up to 200 characters in one line' }));
  return { action, what: subject, config, lifetimeMs, note, minted, json, by, terms };
}

const NEEDS_NONE: ReadonlySet<TokenAction> = new Set<TokenAction>(['list', 'export']);

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

/** `null` for a token that does not expire. */
function lifetimeIn(expires: string | undefined): number | null {
  return expires === undefined ? null : durationMs(expires);
}

/** Parses `90d`, `12h` or `30m` to milliseconds; `NaN` for anything else. */
function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  return Number(count || Number.NaN) * (UNITS_MS[unit] ?? Number.NaN);
}
