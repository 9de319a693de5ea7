import { ConfigurationError } from '../configuration-error.ts';
import { nearest } from '../environment/nearest.ts';
import { issueToken } from '../gateway/access/issue.ts';
import { TokenStoreError, type TokenStore } from '../gateway/access/token-store.ts';
import { openAccess } from '../gateway/configuration/open-access.ts';
import type { CommandIo } from './command.ts';
import { tokenArguments, USAGE, type TokenAction, type TokenArguments } from './gateway-token-arguments.ts';
import { tokenLines, tokensJson } from './gateway-token-list.ts';
import { officeOf, passedOverLines, strangerLines, usedLines, type NamedOffice } from './gateway-token-office.ts';
import { wrapped } from './wrapped.ts';
import { refused, shown } from './replies.ts';

/** `plimsoll gateway token`. */
export async function tokenCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const asked = tokenArguments(args);
  if (asked === 'help') return shown(USAGE, io);
  if ('problem' in asked) return refused([asked.problem], USAGE, io);
  try {
    const office = officeOf(asked.config, io);
    if (asked.action === 'create' && !office.clients.includes(asked.what)) return unknownClient(asked.what, office, io);
    const access = await openAccess(office.tokens, asked.action === 'create' ? 'create' : 'existing');
    try {
      return await ACTIONS[asked.action](asked, { store: access.store, office, io });
    } finally {
      await access.close();
    }
  } catch (error) {
    if (error instanceof ConfigurationError) error.problems.forEach((problem) => io.err(problem));
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
