import type { Eventually } from '../budget/ledger.ts';
import { askAll, type Answer, type Asked } from './ask.ts';
import { newClass, type ClassState } from './pace-state.ts';
import { settle, type Settled, type Settlement } from './settle.ts';

/** Where a pace keeps what its processes share. */
export type PaceStoreKind = 'memory' | 'sqlite' | 'redis';

/**
 * Keeps what is known of the limits, for one process or for all that share it. Each method is one atomic step, throws or
 * rejects where the store does not answer, and may have done the step even then: a call that is charged and not settled
 * counts as its estimate. A store with a clock of its own goes by that and not by `nowMs`.
 */
export interface PaceStore {
  readonly kind: PaceStoreKind;
  /**
   * Decides which calls of that class may be sent now, and charges them. They are of one lane and in order:
   * each gets an answer, up to the first that has to wait.
   */
  ask(modelClass: string, asked: readonly Asked[]): Eventually<readonly Answer[]>;
  /** Learns from an answer. `id` names the settlement: one that is repeated counts once. */
  settle(modelClass: string, settlement: Settlement, id: string): Eventually<Settled>;
  /** Closes what the store opened. */
  close(): Eventually<void>;
}

/** More than the classes of an organization; a store forgets the one that was used least recently. */
export const MOST_CLASSES = 200;

/** Keeps the limits in this process. Other processes with the same limits are strangers to it. */
export function memoryPace(): PaceStore {
  const classes = new Map<string, ClassState>();
  const stateOf = (modelClass: string, nowMs: number): ClassState => {
    const known = classes.get(modelClass);
    // The one used last stands last.
    if (known !== undefined) classes.delete(modelClass);
    else if (classes.size >= MOST_CLASSES) {
      const [oldest] = classes.keys();
      if (oldest !== undefined) classes.delete(oldest);
    }
    const state = known ?? newClass(nowMs);
    classes.set(modelClass, state);
    return state;
  };
  return {
    kind: 'memory',
    ask: (modelClass, asked) => askAll(stateOf(modelClass, asked[0]?.nowMs ?? 0), asked),
    settle: (modelClass, settlement) => settle(stateOf(modelClass, settlement.nowMs), settlement),
    close: () => undefined,
  };
}
