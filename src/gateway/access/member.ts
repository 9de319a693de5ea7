import { hash as digest, createHmac } from 'node:crypto';
import { mayHoldSecret } from '../../errors.ts';
import { NANO_USD_PER_USD, nanoUsdOf } from '../../figures.ts';
import { isWithin } from './model-list.ts';

/** Limits of a client, or of one of its members. `null`: no limit. */
export interface Limits {
  readonly requestsPerMinute: number | null;
  /** Tokens that go into prompts, but for those that the API reads from its cache. */
  readonly inputTokensPerMinute: number | null;
  readonly outputTokensPerMinute: number | null;
  /** Requests in progress, on all replicas together. */
  readonly parallelRequests: number | null;
}

/** The names of the limits, as the configuration spells them. */
export const LIMIT_NAMES = [
  'requestsPerMinute',
  'inputTokensPerMinute',
  'outputTokensPerMinute',
  'parallelRequests',
] as const satisfies readonly (keyof Limits)[];

export type LimitName = (typeof LIMIT_NAMES)[number];

export const NO_LIMITS: Limits = {
  requestsPerMinute: null,
  inputTokensPerMinute: null,
  outputTokensPerMinute: null,
  parallelRequests: null,
};

/** What a member may spend in each UTC day or month. */
export interface MemberBudget {
  readonly nanoUsd: bigint;
  readonly period: 'day' | 'month';
}

/** Who has a token of a client, and what it may do within the client's own rules. */
export interface MemberTerms extends Limits {
  /** A person or program: the value of the label `owner`. `null` for nobody in particular. */
  readonly owner: string | null;
  /** `null`: those of the client. */
  readonly models: readonly string[] | null;
  readonly budget: MemberBudget | null;
}

/** The bounds of each member of a client. A token may be made with less, never with more. */
export interface MemberRules extends Limits {
  readonly budget: MemberBudget | null;
}

/** The label of a call for the owner of its token. */
export const OWNER_LABEL = 'owner';

/** The owner in place of those beyond a cap. */
export const OTHER_OWNERS = 'other';

/** The owner in place of one who was forgotten. */
export const FORGOTTEN_OWNER = 'forgotten';

/** Letters and digits of any language first: no table takes such a text for a formula, no file for a path. */
const OWNER = /^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}._@+-]| (?! )){0,62}[\p{L}\p{N}\p{M}._@+-]$|^[\p{L}\p{N}]$/u;

export const OWNER_EXPECTED = 'up to 64 letters, digits, single spaces, ".", "_", "@", "+" and "-"';

/** Returns the one spelling of an owner's name; `null` for a text that cannot be one. */
export function ownerOf(text: string): string | null {
  const name = text.normalize('NFC');
  const isReserved = name === OTHER_OWNERS || name === FORGOTTEN_OWNER;
  return OWNER.test(name) && !isReserved && !mayHoldSecret(name) && !name.startsWith('plk_') ? name : null;
}

/**
 * Hashes an owner with a key, HMAC-SHA-256, to 80 bits: who has the key finds out by trying names, nobody else can. The same
 * name and key always give the same text.
 */
export function hashedOwner(owner: string, key: string): string {
  return `h-${createHmac('sha256', digest('sha256', key, 'buffer'))
    .update(owner)
    .digest('hex')
    .slice(0, 20)}`;
}

export const BUDGET_EXPECTED = 'dollars for a UTC day or month, such as 50/month or 2.50/day';

/** Parses `50/month` or `2.50/day`; `null` for anything else. */
export function memberBudgetOf(text: unknown): MemberBudget | null {
  const [, usd, period] = (typeof text === 'string' ? /^\$?([\d.]{1,20})\/(day|month)$/.exec(text) : null) ?? [];
  const nanoUsd = nanoUsdOf(usd);
  return nanoUsd === null || nanoUsd === 0n ? null : { nanoUsd, period: period === 'day' ? 'day' : 'month' };
}

/** `$50/month`, exact to the nano-dollar. */
export function budgetText({ nanoUsd, period }: MemberBudget): string {
  return `$${exactUsd(nanoUsd)}/${period}`;
}

/** Dollars with every digit that they have: `50`, `2.5`, `0.000000001`. */
export function exactUsd(nanoUsd: bigint): string {
  const [unit, sign] = [BigInt(NANO_USD_PER_USD), nanoUsd < 0n ? '-' : ''];
  const amount = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const fraction = (amount % unit).toString().padStart(9, '0').replace(/0+$/, '');
  return `${sign}${amount / unit}${fraction === '' ? '' : `.${fraction}`}`;
}

/** `$50/month, 60 requests a minute, claude-haiku-5-5`; empty for no terms but those of the client. */
export function termsText(terms: MemberTerms): string {
  return [
    ...(terms.budget === null ? [] : [budgetText(terms.budget)]),
    ...LIMIT_NAMES.flatMap((name) => (terms[name] === null ? [] : [`${terms[name]} ${LIMIT_UNITS[name]}`])),
    ...(terms.models ?? []),
  ].join(', ');
}

/** The days of the longest month. */
const MONTH_DAYS = 31n;

/** What a client allows each of its members. */
export interface MemberBounds {
  /** `null`: any model. */
  readonly models: readonly string[] | null;
  readonly client: Limits;
  /** `null`: no bounds but the client's own. */
  readonly members: MemberRules | null;
  /** The budgets of the client that block, in whole nano-dollars. */
  readonly budgets: readonly (MemberBudget & { readonly name: string })[];
}

/** Says, with the figures, in what the terms of a token go beyond its client; empty if they do not. */
export function excesses(terms: MemberTerms, bounds: MemberBounds): readonly string[] {
  return [
    ...modelExcesses(terms, bounds),
    ...LIMIT_NAMES.flatMap((name) => limitExcesses(terms[name], name, bounds)),
    ...(terms.budget === null ? [] : budgetExcesses(terms.budget, bounds)),
  ];
}

function modelExcesses({ models }: MemberTerms, bounds: MemberBounds): readonly string[] {
  const beyond = (models ?? []).filter((model) => bounds.models !== null && !isWithin(model, bounds.models));
  return beyond.map((model) => `${model} is not among the models of the client: ${(bounds.models ?? []).join(', ')}.`);
}

const LIMIT_UNITS: Readonly<Record<LimitName, string>> = {
  requestsPerMinute: 'requests a minute',
  inputTokensPerMinute: 'input tokens a minute',
  outputTokensPerMinute: 'output tokens a minute',
  parallelRequests: 'requests at the same time',
};

function limitExcesses(asked: number | null, name: LimitName, { client, members }: MemberBounds): readonly string[] {
  return [
    { most: members?.[name] ?? null, whose: 'each member has' },
    { most: client[name], whose: 'the whole client has' },
  ].flatMap(({ most, whose }) =>
    asked === null || most === null || asked <= most
      ? []
      : [`${asked} ${LIMIT_UNITS[name]} are ${asked - most} more than the ${most} that ${whose}.`],
  );
}

function budgetExcesses(asked: MemberBudget, { members, budgets }: MemberBounds): readonly string[] {
  const limits = [
    ...(members?.budget ? [{ ...members.budget, whose: 'that each member has' }] : []),
    ...budgets.map((budget) => ({ ...budget, whose: `of the client's budget ${budget.name}` })),
  ];
  return limits.flatMap((limit) => {
    const [own, factor] = spentWithin(asked, limit.period);
    if (own <= limit.nanoUsd) return [];
    const sum = factor === 1n ? budgetText(asked) : `${budgetText(asked)} × ${factor} days = $${exactUsd(own)}, which`;
    return [`${sum} is $${exactUsd(own - limit.nanoUsd)} more than the ${budgetText(limit)} ${limit.whose}.`];
  });
}

/** The most that a budget lets through in a day or a month, and the days that it was multiplied by. */
function spentWithin({ nanoUsd, period }: MemberBudget, within: MemberBudget['period']): readonly [bigint, bigint] {
  const factor = period === 'day' && within === 'month' ? MONTH_DAYS : 1n;
  return [nanoUsd * factor, factor];
}

/** Names a member in ledgers and limits: all tokens of an owner are one, and a token without an owner is its own. */
export function memberName(client: string, owner: string | null, tokenId: string): string {
  return owner === null ? `${client}//${tokenId}` : `${client}/${owner}`;
}
