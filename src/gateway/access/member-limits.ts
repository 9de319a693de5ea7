import type { LimitScope } from './client-limits.ts';
import type { AuthenticatedToken } from './client.ts';
import { memberName, type LimitName, type Limits, type MemberBudget } from './member.ts';
import type { RateBucket } from './rate-limiter.ts';

/** Those of a minted token and of a member come first, so that their refusals take nothing from the client's bucket. */
export function rateBuckets({ client, record }: AuthenticatedToken): readonly RateBucket[] | null {
  const perToken = record.minted === null ? null : (client.mints?.requestsPerMinute ?? null);
  const perMember = memberOf({ client, record })?.limits.requestsPerMinute ?? null;
  const perClient = client.requestsPerMinute;
  const ofMinted = record.minted === null ? 'free' : 'apart';
  const tokenCounts = client.tokenCounts === 'limited' ? 'counted' : ofMinted;
  const buckets: readonly Omit<RateBucket, 'tokenCounts'>[] = [
    ...(perToken === null ? [] : [{ holder: 'token', name: record.id, perMinute: perToken } as const]),
    ...(perMember === null
      ? []
      : [{ holder: 'member', name: nameOf({ client, record }), perMinute: perMember } as const]),
    ...(perClient === null ? [] : [{ holder: 'client', name: client.name, perMinute: perClient } as const]),
  ];
  return buckets.length === 0 ? null : buckets.map((bucket) => ({ ...bucket, tokenCounts }));
}

/** The limits on tokens and requests in progress of a token: its member's, and its client's. */
export function limitScopes(token: AuthenticatedToken): readonly LimitScope[] {
  const member = memberOf(token);
  return [
    ...(member === null ? [] : [{ holder: 'member', name: member.name, limits: member.limits } as const]),
    { holder: 'client', name: token.client.name, limits: token.client },
  ];
}

/** A member of a client, with the bounds of all its tokens together. */
interface Member {
  /** In ledgers and limits. */
  readonly name: string;
  readonly limits: Limits;
  readonly budget: MemberBudget | null;
}

/** The member that a token belongs to; `null` where neither the token nor its client bounds it. */
export function memberOf({ client, record }: AuthenticatedToken): Member | null {
  const { member: terms } = record;
  const { members: rules } = client;
  if (terms === null && rules === null) return null;
  const most = (name: LimitName): number | null => least(terms?.[name] ?? null, rules?.[name] ?? null);
  const limits = {
    requestsPerMinute: most('requestsPerMinute'),
    inputTokensPerMinute: most('inputTokensPerMinute'),
    outputTokensPerMinute: most('outputTokensPerMinute'),
    parallelRequests: most('parallelRequests'),
  };
  return { name: nameOf({ client, record }), limits, budget: terms?.budget ?? rules?.budget ?? null };
}

/** A minted token is its parent's, whose name is the token's where nobody owns it. */
function nameOf({ client, record: { id, member, minted } }: AuthenticatedToken): string {
  return memberName(client.name, member?.owner ?? null, minted?.parent ?? id);
}

/** The least of the bounds that there are; `null` for none. */
export function least(...bounds: readonly (number | null)[]): number | null {
  const set = bounds.filter((bound) => bound !== null);
  return set.length === 0 ? null : Math.min(...set);
}
