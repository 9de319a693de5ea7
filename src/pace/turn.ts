import type { PaceCause } from './ask.ts';
import type { Amounts, Charge, Lane } from './pace-state.ts';

/** A call that wants to be sent. */
export interface Turn {
  readonly lane: Lane;
  readonly amounts: Amounts;
  readonly maxTokens: number;
  readonly leeway: number;
  /** Calls of one flow share its weight: a flow of weight 2 sends twice as much as one of weight 1. */
  readonly flow: string;
  readonly weight: number;
  /** How long it may wait from now on. */
  readonly maxWaitMs: number;
  /** How long it may wait for a store that does not answer, if that is longer. */
  readonly storeWaitMs: number;
  /** Its place in its lane, from its previous turn; `null` for a new call. */
  readonly place: number | null;
  readonly signal: AbortSignal | null;
  /** Called once, perhaps before `enter` returns. */
  readonly over: (end: TurnEnd) => void;
}

/**
 * How a turn ends. `go`: with its charge. `unpaced`: the store did not answer, or not in time. `given_up`: by its signal. The
 * others: the call is not to be sent.
 */
export type TurnEnd = {
  /** How long the call waited. */
  readonly waitedMs: number;
  /** What it waited for last; `null` where it did not wait. */
  readonly cause: PaceCause | null;
  readonly isAvoided: boolean;
  readonly place: number;
} & TurnEnding;

/** The part of its end that decides what becomes of the call. */
export type TurnEnding =
  | { readonly kind: 'go'; readonly charge: Charge }
  | { readonly kind: 'unpaced' | 'given_up' | 'max_wait' | 'queue_full' }
  | { readonly kind: 'never_fits'; readonly limit: number };

/** How turns end, in metrics. `at_once`, `waited`: the call was sent. */
export const TURN_ENDS = [
  'at_once',
  'waited',
  'unpaced',
  'given_up',
  'never_fits',
  'max_wait',
  'queue_full',
] as const satisfies readonly ('at_once' | 'waited' | Exclude<TurnEnd['kind'], 'go'>)[];

/** One of `TURN_ENDS`. */
export type TurnEndName = (typeof TURN_ENDS)[number];
