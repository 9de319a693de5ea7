/** A difference that stays, and the reason why. */
export interface KnownDifference {
  /** As the report names it. */
  readonly kind: string;
  readonly reason: string;
}

/**
 * Differences that cannot be avoided. A sequence that differs only in these ways is counted and printed as known, never
 * as equal. Each line here has one in the documentation, in what "the same client" means.
 */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    kind: 'call faces: [ → [',
    reason:
      'methods that read a body are covered on the response and the body themselves, where Reflect.ownKeys shows them',
  },
];
