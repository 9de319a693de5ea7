/** `plimsoll/pace`: waiting for room in the rate limits, its stores, and the error of a call that cannot wait. */
export { pace } from './pace.ts';
export type { Pace, PaceHost, PaceLimits, PaceOptions } from './pace.ts';
export { memoryPace } from './pace-store.ts';
export type { PaceStore, PaceStoreKind } from './pace-store.ts';
export { sqlitePace } from './sqlite-pace.ts';
export type { SqlitePaceOptions } from './sqlite-pace.ts';
export { PaceRefusedError, paceRefused } from './pace-refused.ts';
export type { PaceRefusalReason, PaceRefusedDetails } from './pace-refused.ts';
export type { PaceListener } from './pace-guard.ts';
export type { TurnEnd } from './turn.ts';
export type { Answer, Asked, PaceCause } from './ask.ts';
export type { Amounts, Charge, Lane, PaceDimension } from './pace-state.ts';
export type { PaceRefusal, SeenLimit, Settled, Settlement } from './settle.ts';
