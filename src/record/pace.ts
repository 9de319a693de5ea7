import type { Pace } from '../pace/pace.ts';
import type { PaceListener } from '../pace/pace-guard.ts';
import { LANES, PACE_DIMENSIONS, type Lane } from '../pace/pace-state.ts';
import { TURN_ENDS, type TurnEndName } from '../pace/turn.ts';
import type { Store } from './metrics/store.ts';

const shown = new WeakMap<Store, WeakMap<Pace, PaceListener>>();

/** The classes of models that get a place of their own: as many as models do. */
const MOST_CLASSES = 50;

/**
 * Shows a pace in the store: what waits is computed at each scrape, and the returned listener counts the rest. The same store
 * gets the same listener, so clients that share a pace and a registry show it once.
 */
export function recordPace(store: Store, pace: Pace): PaceListener {
  const ofStore = shown.get(store) ?? new WeakMap<Pace, PaceListener>();
  shown.set(store, ofStore);
  const listener = ofStore.get(pace) ?? newListener(store, pace);
  ofStore.set(pace, listener);
  return listener;
}

function newListener(store: Store, pace: Pace): PaceListener {
  const { families } = store;
  const { name } = pace;
  for (const lane of LANES) showLane(store, pace, lane);
  families.anthropic_pace_store_up
    .series({ pace: name, store: pace.store.kind })
    .computeBy(() => Number(pace.store.up));
  const classes = store.boundedLabel('model_class', { reserved: [], cap: MOST_CLASSES });
  return {
    ended(end, { lane }) {
      families.anthropic_pace_turns_total.series({ pace: name, lane, end: nameOf(end) }).add(1);
      if (end.isAvoided) families.anthropic_pace_avoided_total.series({ pace: name, lane }).add(1);
      if (end.kind === 'go' && end.cause !== null)
        families.anthropic_pace_wait_seconds
          .series({ pace: name, lane, cause: end.cause })
          .observe(end.waitedMs / 1_000);
      store.watcher?.pacedTurn(lane, end);
    },
    used(modelClass, amounts) {
      for (const [at, dimension] of PACE_DIMENSIONS.entries()) {
        const labels = { pace: name, model_class: classes.counted(modelClass), dimension };
        families.anthropic_pace_used_total.series(labels).add(amounts[at] ?? 0);
      }
    },
    surprised: (modelClass) =>
      families.anthropic_pace_surprises_total.series({ pace: name, model_class: classes.value(modelClass) }).add(1),
    failed: () => store.errors('pace'),
  };
}

function nameOf({ kind, cause }: Parameters<PaceListener['ended']>[0]): TurnEndName {
  return kind === 'go' ? (cause === null ? 'at_once' : 'waited') : kind;
}

/** Shows the counters at zero, so that `increase()` sees the first event. */
function showLane({ families }: Store, pace: Pace, lane: Lane): void {
  const labels = { pace: pace.name, lane };
  families.anthropic_pace_waiting.series(labels).computeBy(() => pace.waiting(lane).calls);
  families.anthropic_pace_longest_wait_seconds.series(labels).computeBy(() => pace.waiting(lane).longestMs / 1_000);
  families.anthropic_pace_avoided_total.series(labels).showAtZero();
  for (const end of TURN_ENDS) families.anthropic_pace_turns_total.series({ ...labels, end }).showAtZero();
}
