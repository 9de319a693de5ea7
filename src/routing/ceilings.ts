import type { Admission, Call, Guard, GuardedRequest } from '../vocabulary.ts';
import { RouteError } from './route-error.ts';

/** What happens to a call that asks for more tokens than its route allows. */
export const CEILING_MODES = ['warn', 'clamp', 'reject'] as const;
export type CeilingMode = (typeof CEILING_MODES)[number];

/** What was done about the `max_tokens` of a call; of one within its ceiling there is nothing to tell. */
export type CeilingDecision = 'filled' | 'warned' | 'clamped' | 'rejected';

export interface CeilingOptions {
  readonly mode: CeilingMode;
  /** The ceiling of a route; `undefined` for a route that is not in the table. */
  readonly ceilingOf: (route: string) => number | undefined;
  /** For calls without a route of the table. */
  readonly fill: number;
  /** Told once per call at the most; `route` is empty for none of the table. */
  readonly decided: (route: string, decision: CeilingDecision) => void;
}

const WITH_MAX_TOKENS: ReadonlySet<string> = new Set(['messages.create', 'messages.stream']);

/**
 * A guard that keeps `max_tokens` at what the route of a call allows. One that is missing is filled, in every mode. In
 * mode `reject` it throws a `RouteError` for one that is above. Batches, and what is no message, it lets pass.
 */
export function ceilings({ mode, ceilingOf, fill, decided }: CeilingOptions): Guard {
  return {
    admit(call: Call, { body }: GuardedRequest): Admission {
      if (body === null || !WITH_MAX_TOKENS.has(call.operation)) return undefined;
      const named = call.attribution['route'] ?? '';
      const ceiling = ceilingOf(named);
      const route = ceiling === undefined ? '' : named;
      const asked = body['max_tokens'];
      if (asked === undefined || asked === null) {
        decided(route, 'filled');
        return { maxTokens: ceiling ?? fill };
      }
      if (ceiling === undefined || typeof asked !== 'number' || asked <= ceiling) return undefined;
      decided(route, DECISIONS[mode]);
      if (mode === 'reject') throw new RouteError({ route, maxTokens: asked, ceiling });
      return mode === 'clamp' ? { maxTokens: ceiling } : undefined;
    },
  };
}

const DECISIONS: Readonly<Record<CeilingMode, CeilingDecision>> = {
  warn: 'warned',
  clamp: 'clamped',
  reject: 'rejected',
};
