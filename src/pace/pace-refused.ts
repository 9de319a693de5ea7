import { REFUSAL } from '../decisions.ts';
import { brandedCause } from '../errors.ts';
import type { Lane } from './pace-state.ts';

/** Marks the error in every copy of the package. */
const BRAND = Symbol.for('plimsoll.pace-refused');

/**
 * Why a call was not sent: its prompt is larger than a whole minute's limit (`never_fits`), it has waited as long as it may
 * (`max_wait`), or too many wait already (`queue_full`).
 */
export type PaceRefusalReason = 'never_fits' | 'max_wait' | 'queue_full';

/** The SDK retries an error whose text looks like one of time. So these sentences are fixed, and none of them does. */
const MESSAGES: Readonly<Record<PaceRefusalReason, string>> = {
  never_fits: "Not sent: the prompt is estimated to be larger than a whole minute's limit of input tokens.",
  max_wait: 'Not sent: the rate limits have had no room for the call for as long as it may wait.',
  queue_full: 'Not sent: as many calls wait for room in the rate limits as may wait.',
};

/** The fields of a refusal. */
export interface PaceRefusedDetails {
  readonly reason: PaceRefusalReason;
  readonly lane: Lane;
  /** How long the call has waited, in milliseconds. */
  readonly waitedMs: number;
  /** Of `never_fits`: the input tokens that the call was estimated at, and those that a minute allows; else `null`. */
  readonly inputTokens: number | null;
  readonly limit: number | null;
}

/** A pace refused the call. Nothing was sent, and the SDK does not retry it. */
export class PaceRefusedError extends Error implements PaceRefusedDetails {
  readonly code = 'PLIMSOLL_PACE_REFUSED';
  readonly reason: PaceRefusalReason;
  readonly lane: Lane;
  readonly waitedMs: number;
  readonly inputTokens: number | null;
  readonly limit: number | null;
  readonly [REFUSAL] = true;
  readonly [BRAND] = true;

  constructor(details: PaceRefusedDetails) {
    super(MESSAGES[details.reason]);
    this.name = 'PaceRefusedError';
    this.reason = details.reason;
    this.lane = details.lane;
    this.waitedMs = details.waitedMs;
    this.inputTokens = details.inputTokens;
    this.limit = details.limit;
  }
}

/** Finds the refusal of a pace among the causes of the error, by whichever copy of the package; `null` if there is none. */
export function paceRefused(error: unknown): PaceRefusedError | null {
  return brandedCause(error, BRAND) as PaceRefusedError | null;
}
