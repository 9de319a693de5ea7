import { resolve } from 'node:path';
import { inside } from '../../errors.ts';
import { structuredFile } from '../../structured-file.ts';
import {
  BUDGET_EXPECTED,
  budgetText,
  memberBudgetOf,
  ownerOf,
  OWNER_EXPECTED,
  type MemberTerms,
} from '../access/member.ts';
import type { TokenRecord } from '../access/tokens.ts';
import { Files } from './files.ts';
import type { SecretSources } from './keys.ts';
import { Reader, isObject } from './reader.ts';

const PATH = { pattern: /^[^\0]{1,4096}$/, expected: 'the path of a file' };
const ID = { pattern: /^[0-9a-z]{12}$/, expected: 'the id of a token' };
const HASH = { pattern: /^[0-9a-f]{64}$/, expected: 'the hash of a token, as token export writes it' };
const CLIENT = { pattern: /^[\w.-]{1,64}$/, expected: 'the name of a client' };
const NOTE = { pattern: /^[^\p{C}]{0,200}$/u, expected: 'up to 200 characters' };
const MODEL = { pattern: /^[\w.:@*/-]{1,128}$/, expected: 'a model' };
const NUMBER = { least: 1, most: 1_000_000_000, expected: 'a whole number from 1 to 1000000000' };

const FIELDS = [
  ...['id', 'hash', 'client', 'owner', 'note', 'created', 'expires', 'revoked', 'models', 'budget'],
  ...['requestsPerMinute', 'inputTokensPerMinute', 'outputTokensPerMinute', 'parallelRequests'],
];

/** Reads the tokens in the file that `declaredTokens` names: their hashes, not the tokens. None if it is absent. */
export function declaredTokensOf(
  read: Reader,
  { folder, files = new Files() }: SecretSources,
): ReadonlyMap<string, TokenRecord> {
  const named = read.text('declaredTokens', PATH);
  if (named === undefined) return new Map();
  const file = structuredFile(resolve(folder, named), (path) => files.text('declaredTokens', path) ?? '');
  if ('problem' in file) {
    read.note('declaredTokens', file.problem);
    return new Map();
  }
  const list = isObject(file.value) ? file.value['tokens'] : undefined;
  if (!Array.isArray(list)) {
    const advice = 'write it with plimsoll gateway token export';
    read.note('declaredTokens', { kind: 'invalid', expected: 'a file with tokens', got: 'another', advice });
    return new Map();
  }
  const problems: Parameters<typeof inside>[1][number][] = [];
  const records = list.map((entry: unknown, index) => recordOf(new Reader(entry, `tokens[${index}]`, problems)));
  for (const problem of inside('declaredTokens', problems)) read.note(problem.field, problem);
  return new Map(records.map((record) => [record.id, record]));
}

function recordOf(read: Reader): TokenRecord {
  read.only(FIELDS);
  for (const field of ['id', 'hash', 'client'])
    if (read.value(field) === undefined) read.problem(field, 'a token with id, hash and client', 'add it');
  return {
    id: read.text('id', ID) ?? '',
    hash: read.text('hash', HASH) ?? '0'.repeat(64),
    client: read.text('client', CLIENT) ?? '',
    createdAtMs: timeOf(read, 'created') ?? 0,
    expiresAtMs: timeOf(read, 'expires'),
    revokedAtMs: timeOf(read, 'revoked'),
    note: read.text('note', NOTE) ?? '',
    minted: null,
    member: memberOf(read),
  };
}

function memberOf(read: Reader): MemberTerms | null {
  const owner = read.value('owner');
  const name = typeof owner === 'string' ? ownerOf(owner) : null;
  if (owner !== undefined && name === null) read.problem('owner', OWNER_EXPECTED, 'change it');
  const budget = memberBudgetOf(read.value('budget'));
  if (read.value('budget') !== undefined && budget === null) read.problem('budget', BUDGET_EXPECTED, 'change it');
  const terms = {
    owner: name,
    budget,
    models: read.texts('models', MODEL) ?? null,
    requestsPerMinute: read.integer('requestsPerMinute', NUMBER) ?? null,
    inputTokensPerMinute: read.integer('inputTokensPerMinute', NUMBER) ?? null,
    outputTokensPerMinute: read.integer('outputTokensPerMinute', NUMBER) ?? null,
    parallelRequests: read.integer('parallelRequests', NUMBER) ?? null,
  };
  return Object.values(terms).every((value) => value === null) ? null : terms;
}

/** A time as ISO 8601; YAML reads one without quotes as a date. */
function timeOf(read: Reader, name: string): number | null {
  const value = read.value(name);
  if (value === undefined) return null;
  const atMs = value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isFinite(atMs)) return atMs;
  read.problem(name, 'a time such as 2026-11-24T12:00:00.000Z', 'change it');
  return null;
}

/** Writes a token for such a file. */
export function declaration({ id, hash, client, note, member, ...times }: TokenRecord): object {
  const { createdAtMs, expiresAtMs, revokedAtMs } = times;
  const time = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString());
  const budget = member?.budget ?? null;
  const fields = {
    ...{ id, hash, client, note: note === '' ? null : note },
    ...{ created: time(createdAtMs), expires: time(expiresAtMs), revoked: time(revokedAtMs), ...member },
    budget: budget === null ? null : budgetText(budget).slice(1),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
