import type { KeyAccount, KeyUse } from './key-account.ts';
import { wrapped } from './wrapped.ts';

/** The keys for people: each on two lines or more, and at the end those that were not used. */
export function keyLines(keys: readonly KeyAccount[], sinceMs: number | null): readonly string[] {
  const unused = keys.filter(({ use }) => use !== null && use.calls === 0);
  const since = sinceMs === null ? 'since its process began' : `since ${instant(sinceMs)}`;
  return [
    ...keys.flatMap(accountLines),
    ...(keys.some(({ use }) => use !== null) ? ['', `Counted ${since}, by this page alone.`] : []),
    ...(unused.length === 0 ? [] : ['Not used in that time:', ...unused.map(({ alias }) => `  ${alias}`)]),
  ];
}

function accountLines({ alias, environment, service, role, problems, use }: KeyAccount): readonly string[] {
  const reading = [environment, service, role].map((part) => part ?? '?').join(' / ');
  return [
    `${problems.length === 0 ? 'ok   ' : 'BAD  '} ${alias}`,
    `      ${reading}`,
    ...problems.flatMap((problem) => wrapped(problem, 74).map((line) => `      ${line}`)),
    ...(use === null ? [] : useLines(use).map((line) => `      ${line}`)),
  ];
}

function useLines({ calls, tokens, costUsd, unpricedCalls, lastSeenAtMs }: KeyUse): readonly string[] {
  if (calls === 0) return ['no calls'];
  const cost = `${costUsd.toFixed(6)} USD${unpricedCalls === 0 ? '' : `, without ${unpricedCalls} unpriced calls`}`;
  return [
    `${calls} calls, ${tokens} tokens, ${cost}`,
    ...(lastSeenAtMs === null ? [] : [`last answered at ${instant(lastSeenAtMs)}`]),
  ];
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
