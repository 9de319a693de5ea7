import type { Sample } from '../advice/samples.ts';
import { HistogramSeries } from '../record/metrics/series.ts';
import type { Store } from '../record/metrics/store.ts';
import { LiveCalls } from './live-calls.ts';

const following = new WeakMap<Store, LiveCalls>();

/** Follows the calls that are counted in a store, from the first time it is asked for. */
export function liveCallsOf(store: Store, now: () => number): LiveCalls {
  const known = following.get(store);
  if (known !== undefined) return known;
  const made = new LiveCalls(now);
  following.set(store, made);
  store.watcher = made;
  return made;
}

/** The counters and gauges of a store as a scrape would show them. Histograms are left out. */
export function samplesOfStore(store: Store): readonly Sample[] {
  return store.all().flatMap((family) =>
    family.all().flatMap((series): readonly Sample[] => {
      const value = series instanceof HistogramSeries ? null : series.value();
      if (value === null) return [];
      return [{ name: family.declaration.name, labels: Object.fromEntries(series.labels), value }];
    }),
  );
}
