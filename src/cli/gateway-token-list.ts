import { usdOf } from '../figures.ts';
import { budgetText } from '../gateway/access/member.ts';
import type { TokenRecord } from '../gateway/access/tokens.ts';
import { passedOverLines, type NamedSettings } from './gateway-settings.ts';
import { wrapped } from './command.ts';

const CLIENT_WIDTH = 18;

const COLUMNS = 80;

const DAY_MS = 86_400_000;

/**
 * Lists tokens for people: one line each, none wider than 80 characters. Days and times are UTC; a token that lasts
 * less than a day shows times instead of years.
 */
export function tokenLines(tokens: readonly TokenRecord[], nowMs: number): readonly string[] {
  if (tokens.length === 0) return ['There are no tokens.'];
  return [
    line(['id', 'client', 'created', 'expires', 'state', 'owner, note']),
    ...tokens.map((token) => {
      const { id, client, createdAtMs, expiresAtMs } = token;
      const isShort = expiresAtMs !== null && expiresAtMs - createdAtMs < DAY_MS;
      const shown = isShort ? minute : date;
      const expires = expiresAtMs === null ? 'never' : shown(expiresAtMs);
      return line([id, client, shown(createdAtMs), expires, stateOf(token, nowMs), aboutOf(token)]);
    }),
  ];
}

/** Lists tokens for programs: times as ISO 8601, `null` for none; nothing of the secret, not even its hash. */
export function tokensJson(tokens: readonly TokenRecord[], nowMs: number): string {
  const rows = tokens.map((token) => ({
    id: token.id,
    client: token.client,
    state: stateOf(token, nowMs),
    createdAt: iso(token.createdAtMs),
    expiresAt: token.expiresAtMs === null ? null : iso(token.expiresAtMs),
    revokedAt: token.revokedAtMs === null ? null : iso(token.revokedAtMs),
    note: token.note,
    owner: token.member?.owner ?? null,
    limits: token.member && {
      ...token.member,
      owner: undefined,
      budget: token.member.budget && budgetText(token.member.budget),
    },
    minted: token.minted && {
      ...token.minted,
      spendNanoUsd: undefined,
      spendUsd: token.minted.spendNanoUsd === null ? null : usdOf(token.minted.spendNanoUsd),
    },
  }));
  return JSON.stringify({ tokens: rows }, null, 2);
}

/** The subject of a minted token; else its owner, and its note. */
function aboutOf({ note, minted, member }: TokenRecord): string {
  if (minted !== null) return minted.subject;
  return [member?.owner ?? '', note].filter((text) => text !== '').join(', ');
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

/** Names the clients of valid tokens that the configuration does not have: the gateway refuses those tokens. */
export function strangerLines(
  tokens: readonly TokenRecord[],
  settings: NamedSettings,
  nowMs: number,
): readonly string[] {
  const holding = tokens.filter(
    ({ revokedAtMs, expiresAtMs }) => revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs),
  );
  const strangers = [...new Set(holding.map(({ client }) => client))].filter((name) => !settings.clients.has(name));
  if (strangers.length === 0) return [];
  const which = `Tokens of clients that are not in ${settings.configuration}: ${strangers.join(', ')}.`;
  const lines = [`${which} A gateway with that configuration refuses them.`];
  return [...lines.flatMap((line) => wrapped(line, 80)), ...passedOverLines(settings.passedOver)];
}
