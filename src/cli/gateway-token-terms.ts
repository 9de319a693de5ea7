import { unfit } from '../errors.ts';
import {
  BUDGET_EXPECTED,
  excesses,
  memberBudgetOf,
  type MemberBounds,
  type MemberTerms,
} from '../gateway/access/member.ts';
import { CLIENT_LABEL } from '../gateway/configuration/clients.ts';
import type { TokenSettings } from '../gateway/configuration/file.ts';
import { wrongArguments } from './arguments.ts';
import { wrapped } from './command.ts';
import { storedOwner, type NamedSettings } from './gateway-settings.ts';

/** The options of a token's owner and own limits. */
export const TERM_OPTIONS = {
  owner: { type: 'string' },
  budget: { type: 'string' },
  rpm: { type: 'string' },
  itpm: { type: 'string' },
  otpm: { type: 'string' },
  parallel: { type: 'string' },
  models: { type: 'string' },
} as const;

export type GivenTerms = { readonly [Name in keyof typeof TERM_OPTIONS]?: string | undefined };

/** Reads the terms of a new token; `null` for none. Throws `wrongArguments` with every problem but the owner's. */
export function termsIn(given: GivenTerms, settings: Pick<TokenSettings, 'ownerKey'>): MemberTerms | null {
  if (Object.values(given).every((text) => text === undefined)) return null;
  const budget = memberBudgetOf(given.budget);
  const models = given.models?.split(',').map((model) => model.trim()) ?? null;
  const numbers = (['rpm', 'itpm', 'otpm', 'parallel'] as const).filter((name) => Number.isNaN(wholeOf(given[name])));
  const problems = [
    ...(given.budget !== undefined && budget === null
      ? [unfit('--budget', given.budget, { expected: BUDGET_EXPECTED })]
      : []),
    ...numbers.map((name) => unfit(`--${name}`, given[name], { expected: 'a whole number from 1 to 1000000000' })),
    ...(models?.every((model) => /^[\w.:@*/-]{1,128}$/.test(model)) === false
      ? [unfit('--models', given.models, { expected: 'ids of models with commas between them' })]
      : []),
  ];
  if (problems.length > 0) throw wrongArguments(...problems);
  return {
    owner: given.owner === undefined ? null : storedOwner(given.owner, settings),
    models,
    budget,
    requestsPerMinute: wholeOf(given.rpm),
    inputTokensPerMinute: wholeOf(given.itpm),
    outputTokensPerMinute: wholeOf(given.otpm),
    parallelRequests: wholeOf(given.parallel),
  };
}

/** `null` for nothing, `NaN` for what is no whole number. */
function wholeOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : Number.NaN;
}

/** Says why a token would go beyond its client, in lines of 80 characters; none if it would not. */
export function excessLines(terms: MemberTerms | null, client: string, settings: NamedSettings): readonly string[] {
  if (terms === null) return [];
  const bounds = boundsOf(client, settings);
  if (bounds.members === null && terms.owner !== null) {
    const advice = `Add members: {} to the client ${client} in ${settings.configuration}: then its calls have the label owner.`;
    return wrapped(`The client ${client} has no members. ${advice} A running gateway reads it within 5 seconds.`, 80);
  }
  const found = excesses(terms, bounds);
  if (found.length === 0) return [];
  const lines = [`Not created: a token cannot go beyond its client ${client} in ${settings.configuration}.`, ...found];
  return lines.flatMap((line) => wrapped(line, 80));
}

function boundsOf(name: string, { clients, budgets }: NamedSettings): MemberBounds {
  const client = clients.get(name);
  if (client === undefined) throw new TypeError('expected a client that was looked up before');
  return {
    models: client.models,
    client,
    members: client.members,
    budgets: budgets.flatMap(({ name: budget, scope, period, limitNanoUsd, mode }) => {
      const isIts = scope.kind === 'label' && scope.label === CLIENT_LABEL && scope.value === name;
      if (mode !== 'block' || period.kind === 'rolling' || !(isIts || scope.kind === 'all')) return [];
      return [{ name: budget, nanoUsd: limitNanoUsd, period: period.kind }];
    }),
  };
}
