import { gotName, mayHoldSecret, nearest, type ValueProblem } from '../../errors.ts';
import { nanoUsdOf } from '../../figures.ts';
import {
  LONGEST_MINTED_SECONDS,
  MINTED_AT_ONCE,
  MINTED_BODY_BYTES,
  type GatewayClient,
  type MintRules,
} from '../access/client.ts';
import {
  BUDGET_EXPECTED,
  LIMIT_NAMES,
  OWNER_LABEL,
  memberBudgetOf,
  type Limits,
  type MemberRules,
} from '../access/member.ts';
import { LANES } from '../../pace/pace-state.ts';
import { UNBOUNDED } from '../body-names.ts';
import { ENDPOINT_GROUPS } from '../endpoints.ts';
import type { MaxTokensCeiling } from '../grant.ts';
import { fallbacksOf } from './pools.ts';
import { Reader, isObject } from './reader.ts';

/** The label for the client of a call; its values are the names of the clients. */
export const CLIENT_LABEL = 'client';

const CLIENT_FIELDS = Object.keys({
  key: true,
  labels: true,
  models: true,
  maxTokens: true,
  endpoints: true,
  requestsPerMinute: true,
  inputTokensPerMinute: true,
  outputTokensPerMinute: true,
  parallelRequests: true,
  tokenCounts: true,
  members: true,
  origins: true,
  mints: true,
  bodyBytes: true,
  requestsAtOnce: true,
  billTo: true,
  budgets: true,
  fallback: true,
  credential: true,
  pace: true,
} satisfies Readonly<Record<Exclude<keyof GatewayClient, 'name'> | 'budgets', true>>);

const NAME = { pattern: /^[a-zA-Z0-9][\w.-]{0,63}$/, expected: 'up to 64 letters, digits, ".", "_" and "-"' };

export const LABEL_NAME = {
  pattern: /^(?!__|constructor$)[a-z_][a-z0-9_]{0,63}$/,
  expected: 'a label name of lowercase letters, digits and _, other than constructor',
};

const LABEL_VALUE = { pattern: /^(?!.*(?:sk-ant-|plk_))[^\p{C}]{1,128}$/u, expected: 'a text of 1 to 128 characters' };

const MODEL = {
  pattern: /^[\w.:@/*-]{1,128}$/,
  expected: 'the id of a model, a family such as haiku, or a pattern such as claude-haiku-*',
};

const RATE = { least: 1, most: 1_000_000, expected: 'whole requests from 1 to 1000000' };

const BODY_BYTES = { least: 1_024, most: 536_870_912, expected: 'whole bytes from 1024 to 536870912' };

const AT_ONCE = { least: 1, most: 1_000_000, expected: 'whole requests from 1 to 1000000' };

const TOKENS = { least: 1, most: 1_000_000_000, expected: 'whole tokens from 1 to 1000000000' };

/** A web origin as browsers send it. */
export const ORIGIN = {
  pattern: /^https?:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?$/,
  expected: 'a web origin in lowercase and without a path, such as https://app.example.com',
};

/** Reads the field `clients`, at least one, by name. `aliases` are those of keys, and names of pools. */
export function clientsOf(read: Reader, aliases: readonly string[]): ReadonlyMap<string, GatewayClient> {
  const clients = read.within('clients', 'names of clients, each with what its tokens may do');
  const names = clients.names();
  if (names.length === 0) {
    const advice = 'add one by the name of the service that calls, such as checkout: {}';
    read.note('clients', { kind: 'missing', expected: 'a client', got: 'none', advice });
  }
  const fit = names.filter((name) => {
    const isFit = NAME.pattern.test(name) && !mayHoldSecret(name);
    if (!isFit) clients.note(gotName(name), misnamed(NAME.expected));
    return isFit;
  });
  return new Map(fit.map((name) => [name, clientOf(clients, name, aliases)]));
}

function clientOf(clients: Reader, name: string, aliases: readonly string[]): GatewayClient {
  const read = clients.within(name, 'what the tokens of the client may do');
  read.only(CLIENT_FIELDS);
  const credential = credentialOf(read);
  const pace = read.choice('pace', LANES);
  const key = credential === 'client' ? OWN_CREDENTIAL : aliasOf(read, aliases);
  const models = read.texts('models', MODEL) ?? null;
  const fallback = fallbacksOf(read, aliases, models);
  return {
    name,
    key,
    labels: { ...labelsOf(read), [CLIENT_LABEL]: name },
    models,
    maxTokens: ceilingOf(read),
    endpoints: endpointsOf(read),
    ...limitsOf(read),
    tokenCounts: read.choice('tokenCounts', ['limited', 'free'] as const) ?? 'free',
    members: membersOf(read),
    origins: read.texts('origins', ORIGIN) ?? null,
    mints: mintsOf(read),
    bodyBytes: read.integer('bodyBytes', BODY_BYTES) ?? null,
    requestsAtOnce: read.integer('requestsAtOnce', AT_ONCE) ?? null,
    billTo: read.choice('billTo', ['self', 'any'] as const) ?? null,
    ...(fallback.length > 0 && { fallback }),
    ...(credential === 'client' && { credential }),
    ...(pace !== undefined && { pace }),
  };
}

/** The key's name in metrics for calls with logins of subscribers. */
export const OWN_CREDENTIAL = 'own-credential';

/** `client` excludes what is for the gateway's own keys: another key, minted tokens, files that others can read. */
function credentialOf(read: Reader): 'key' | 'client' {
  const credential = read.choice('credential', ['key', 'client'] as const) ?? 'key';
  if (credential === 'key') return credential;
  for (const field of ['key', 'mints', 'fallback']) {
    if (read.value(field) === undefined) continue;
    read.note(field, {
      kind: 'conflict',
      expected: 'none beside credential: client',
      got: 'one',
      advice: 'leave it out',
    });
  }
  return credential;
}

/** Tells whether subscribers may call, and whether they alone may. */
export function loginsOf(read: Reader): 'none' | 'some' | 'all' {
  const clients = read.within('clients', '');
  const isOwn = clients.names().map((name) => {
    const client = clients.value(name);
    return isObject(client) && client['credential'] === 'client';
  });
  if (!isOwn.includes(true)) return 'none';
  return isOwn.includes(false) ? 'some' : 'all';
}

/** Returns the alias of the client's key, which need not be set if there is only one. */
function aliasOf(read: Reader, aliases: readonly string[]): string {
  const [only = '', ...others] = aliases;
  const alias = read.value('key');
  if (alias === undefined && others.length === 0) return only;
  if (typeof alias === 'string' && aliases.includes(alias)) return alias;
  const shown = showableAliases(aliases);
  const near = typeof alias === 'string' ? nearest(alias.slice(0, 64), shown) : null;
  const advice = near === null ? 'name one of them' : `did you mean ${near}?`;
  // Keys that could not be read have problems of their own.
  if (only !== '') read.problem('key', `one of the aliases in keys or pools (${shown.join(', ')})`, advice);
  return '';
}

const GROUP = {
  pattern: new RegExp(`^(?:${ENDPOINT_GROUPS.join('|')})$`),
  expected: `one of ${ENDPOINT_GROUPS.join(', ')}`,
};

/** Reads one word for usual groups, or a list of groups. */
function endpointsOf(read: Reader): GatewayClient['endpoints'] {
  if (!Array.isArray(read.value('endpoints')))
    return read.choice('endpoints', ['standard', 'messages', 'all'] as const) ?? 'standard';
  const named = new Set(read.texts('endpoints', GROUP) ?? []);
  return ENDPOINT_GROUPS.filter((group) => named.has(group));
}

function labelsOf(read: Reader): Readonly<Record<string, string>> {
  const labels = read.within('labels', 'names of labels with their values');
  const pairs = labels.names().flatMap((name) => {
    const isReserved = name === CLIENT_LABEL || name === OWNER_LABEL;
    if (isReserved) labels.note(name, name === CLIENT_LABEL ? RESERVED : RESERVED_FOR_OWNERS);
    const isName = LABEL_NAME.pattern.test(name);
    if (!isName) labels.note(gotName(name), misnamed(LABEL_NAME.expected));
    const value = labels.text(name, LABEL_VALUE);
    return isReserved || !isName || value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(pairs);
}

const RESERVED: ValueProblem = {
  kind: 'conflict',
  expected: 'another name',
  got: "the label for the client's name",
  advice: 'leave it out',
};

const RESERVED_FOR_OWNERS: ValueProblem = { ...RESERVED, got: 'the label for the owner of a token' };

/** The problem of a name, which its place shows unless it may be a key. */
function misnamed(expected: string): ValueProblem {
  return { kind: 'invalid', expected, got: 'another name', advice: 'rename it' };
}

function ceilingOf(read: Reader): MaxTokensCeiling | null {
  if (read.value('maxTokens') === undefined) return null;
  const ceiling = read.within('maxTokens', '{ tokens: 1024, above: reject } or above: clamp');
  ceiling.only(['tokens', 'above']);
  const bounds = { least: 1, most: 10_000_000, expected: 'whole tokens from 1 up' };
  const tokens = ceiling.integer('tokens', bounds);
  if (ceiling.value('tokens') === undefined) ceiling.problem('tokens', bounds.expected, 'say how many');
  return { tokens: tokens ?? 1, above: ceiling.choice('above', ['reject', 'clamp'] as const) ?? 'reject' };
}

/** Reads the limits of a client, or those of each of its members. */
function limitsOf(read: Reader): Limits {
  return {
    requestsPerMinute: read.integer('requestsPerMinute', RATE) ?? null,
    inputTokensPerMinute: read.integer('inputTokensPerMinute', TOKENS) ?? null,
    outputTokensPerMinute: read.integer('outputTokensPerMinute', TOKENS) ?? null,
    parallelRequests: read.integer('parallelRequests', AT_ONCE) ?? null,
  };
}

function membersOf(read: Reader): MemberRules | null {
  if (read.value('members') === undefined) return null;
  const members = read.within('members', 'what each owner of a token may do');
  members.only([...LIMIT_NAMES, 'budget']);
  const budget = memberBudgetOf(members.value('budget'));
  if (members.value('budget') !== undefined && budget === null) members.problem('budget', BUDGET_EXPECTED, 'change it');
  return { ...limitsOf(members), budget };
}

const LIFETIME = {
  least: 1,
  most: LONGEST_MINTED_SECONDS,
  expected: `whole seconds from 1 to ${LONGEST_MINTED_SECONDS}`,
};

const MINT_FIELDS = Object.keys({
  spendUsd: true,
  requestsPerMinute: true,
  lifetimeSeconds: true,
  subjectLabel: true,
  bodyBytes: true,
  requestsAtOnce: true,
  unbounded: true,
} satisfies Readonly<Record<'spendUsd' | Exclude<keyof MintRules, 'spendNanoUsd'>, true>>);

function mintsOf(read: Reader): MintRules | null {
  const given = read.value('mints');
  if (given === undefined || given === false) return null;
  const mints = given === true ? new Reader({}, '', []) : read.within('mints', 'true, or what minted tokens may do');
  mints.only(MINT_FIELDS);
  const spendNanoUsd = nanoUsdOf(mints.value('spendUsd'));
  if (mints.value('spendUsd') !== undefined && (spendNanoUsd === null || spendNanoUsd === 0n)) {
    mints.problem(
      'spendUsd',
      'an amount above 0 of at most 9 digits on either side of the point',
      'write dollars, as 0.25',
    );
  }
  return {
    spendNanoUsd,
    requestsPerMinute: mints.integer('requestsPerMinute', RATE) ?? null,
    lifetimeSeconds: mints.integer('lifetimeSeconds', LIFETIME) ?? LONGEST_MINTED_SECONDS,
    subjectLabel: mints.text('subjectLabel', LABEL_NAME) ?? null,
    bodyBytes: mints.integer('bodyBytes', BODY_BYTES) ?? MINTED_BODY_BYTES,
    requestsAtOnce: mints.integer('requestsAtOnce', AT_ONCE) ?? MINTED_AT_ONCE,
    unbounded: unboundedOf(mints),
  };
}

const UNBOUNDED_PART = {
  pattern: new RegExp(`^(?:${UNBOUNDED.join('|')})$`),
  expected: `one of ${UNBOUNDED.join(', ')}`,
};

function unboundedOf(mints: Reader): NonNullable<MintRules['unbounded']> {
  const named = new Set(mints.texts('unbounded', UNBOUNDED_PART) ?? []);
  return UNBOUNDED.filter((part) => named.has(part));
}

/** Filters the aliases that a message may show, because an alias may be a key, written there by mistake. */
export function showableAliases(names: readonly string[]): readonly string[] {
  return names.filter((name) => /^[\w.-]{1,64}$/.test(name) && !mayHoldSecret(name));
}
