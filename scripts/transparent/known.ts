import { kindOf, type Difference } from './compare.ts';

/** A difference that stays, and the reason why. */
interface KnownDifference {
  /** As the report names it; the beginning of that where `adds` says the rest. */
  readonly kind: string;
  /** The words of the line that the decorated one has and the plain one has not: exactly these. */
  readonly adds?: readonly string[];
  readonly reason: string;
}

/**
 * Differences that cannot be avoided. A sequence that differs only in these ways is counted and printed as known, never
 * as equal. Each line here has one in the documentation, in what "the same client" means.
 */
const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    kind: 'call faces: [ → [',
    reason:
      'what reads a body is covered by a property of the response and a prototype of the body, which reflection shows',
  },
  {
    kind: 'look own keys',
    adds: ['fetchWithTimeout', 'backendMiddleware', 'withOptions', 'Symbol(plimsoll.instrumented)'],
    reason:
      'a client is observed at methods of its own in front of those of its class, where Reflect.ownKeys shows them',
  },
];

/** Finds why a difference stays; `undefined` where it must not. */
export function knownDifference(difference: Difference): KnownDifference | undefined {
  const found = kindOf(difference);
  return KNOWN_DIFFERENCES.find(({ kind, adds }) =>
    adds === undefined ? kind === found : found.startsWith(`${kind}: `) && isOnlyMore(difference, adds),
  );
}

function isOnlyMore({ plain, decorated }: Difference, adds: readonly string[]): boolean {
  const before = plain?.split(' ') ?? [];
  const after = decorated?.split(' ') ?? [];
  return [...before, ...adds].toSorted().join(' ') === after.toSorted().join(' ');
}
