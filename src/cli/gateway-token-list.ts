import type { TokenRecord } from '../gateway/access/token-store.ts';

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
      spendUsd: token.minted.spendNanoUsd === null ? null : Number(token.minted.spendNanoUsd) / 1e9,
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
