import { brandedCause } from '../branded-cause.ts';
import { REFUSAL } from '../vocabulary.ts';

/** Marks the error in every copy of the package. */
const BRAND = Symbol.for('plimsoll.route-error');

/** What a refusal says. */
export interface RouteErrorDetails {
  readonly route: string;
  /** As the call asked for it. */
  readonly maxTokens: number;
  /** What the route allows. */
  readonly ceiling: number;
}

/**
 * A call asked for more tokens than its route allows, and the routes reject that. Nothing was sent, and the SDK does not
 * retry it. The message is fixed, since the SDK takes an error for a timeout when its text looks like one.
 */
export class RouteError extends Error implements RouteErrorDetails {
  readonly code = 'PLIMSOLL_MAX_TOKENS_ABOVE_CEILING';
  readonly route: string;
  readonly maxTokens: number;
  readonly ceiling: number;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor({ route, maxTokens, ceiling }: RouteErrorDetails) {
    super(
      'Not sent: max_tokens is above the ceiling of the route. The fields of this error say which, and by how much.',
    );
    this.name = 'RouteError';
    this.route = route;
    this.maxTokens = maxTokens;
    this.ceiling = ceiling;
  }
}

/** Whether the error is a route's refusal, or has one among its causes: helpers of the SDK wrap what they catch. */
export function isRouteError(error: unknown): boolean {
  return brandedCause(error, BRAND) !== null;
}
