import { adviceOn } from '../advice/advice.ts';
import type { Sample } from '../advice/samples.ts';
import { modelClass } from '../tier/tiers.ts';
import { cacheOf, chartsOf, counted, isOfEvery, labelOf, numbersOf, tableOf, type Pricing } from './counted.ts';
import type { Lowest } from './lowest.ts';
import { billOf, budgetsOf, creditOf, limitsOf, tierOf } from './standing.ts';
import type { Problems } from './problems.ts';
import { RANGES, type LastHour, type RangeSeconds } from './timeline.ts';
import type { PanelName, Query, Replica, View } from './view.ts';

/** What a view is made of. */
interface Shown {
  readonly name: string;
  readonly nowMs: number;
  readonly sinceMs: number;
  readonly source: View['source'];
  readonly hour: LastHour;
  readonly lowest: Lowest;
  readonly samples: readonly Sample[];
  readonly replicas: readonly Replica[];
  readonly problems: Problems | null;
  readonly pricing: Omit<Pricing, 'nowMs'>;
}

/** Labels of the metrics of attempts: panels that are made of them cannot follow a filter by another. */
const OF_ATTEMPTS: ReadonlySet<string> = new Set(['key', 'model']);

const PANELS_OF_ATTEMPTS: readonly PanelName[] = ['rateLimited', 'latency', 'firstToken', 'waits'];

/** Values of one label that can be chosen among. */
const MOST_VALUES = 200;

/** Answers one query. */
export function view(shown: Shown, query: Query): View {
  const { hour, nowMs, samples, source } = shown;
  const pricing: Pricing = { ...shown.pricing, nowMs };
  const rangeSeconds = query.rangeSeconds ?? rangeFor(nowMs - shown.sinceMs);
  const { filter } = query;
  const seen = counted(hour, { rangeSeconds, filter }, nowMs);
  const isNarrow = Object.keys(filter).some((name) => !OF_ATTEMPTS.has(name));
  const labels = labelsOf(hour, nowMs);
  const names = Object.keys(labels);
  const by =
    query.by !== undefined && names.includes(query.by)
      ? query.by
      : (names.find((name) => !OF_ATTEMPTS.has(name)) ?? 'model');
  const { key, model } = filter;
  return {
    ...{ name: shown.name, atMs: nowMs, rangeSeconds, sinceMs: shown.sinceMs, source },
    unfiltered: source === 'metrics' && isNarrow ? PANELS_OF_ATTEMPTS : [],
    labels,
    replicas: shown.replicas,
    advice: adviceOn(samples, pricing),
    numbers: numbersOf(seen, shown.sinceMs, nowMs),
    charts: chartsOf(seen),
    limits: limitsOf(samples, shown.lowest.since(nowMs - rangeSeconds * 1_000)).filter(
      (limit) =>
        (key === undefined || limit.key === key) && (model === undefined || modelClass(model) === limit.modelClass),
    ),
    budgets: budgetsOf(samples, nowMs),
    tier: tierOf(samples, nowMs),
    cache: cacheOf(seen, pricing),
    bill: billOf(samples),
    credit: creditOf(samples),
    table: tableOf(seen, { by, labels: names }, pricing),
    problems: shown.problems?.view({ rangeSeconds, filter }, nowMs) ?? [],
  };
}

/** The shortest range that holds what was observed. */
function rangeFor(observedMs: number): RangeSeconds {
  return RANGES.find((range) => range * 1_000 >= observedMs) ?? 3_600;
}

/** The labels of the calls of the last hour: attribution first, since it says whose they are. */
function labelsOf(hour: LastHour, nowMs: number): Readonly<Record<string, readonly string[]>> {
  const places = hour.labelsSince(nowMs - 3_600_000);
  const attributed = [...new Set(places.flatMap(({ attribution }) => Object.keys(attribution)))].sort();
  const valuesOf = (name: string): readonly string[] =>
    [...new Set(places.filter((place) => !isOfEvery(place, name)).map((place) => labelOf(place, name)))]
      .sort()
      .slice(0, MOST_VALUES);
  return Object.fromEntries([...attributed, 'key', 'model'].map((name) => [name, valuesOf(name)]));
}
