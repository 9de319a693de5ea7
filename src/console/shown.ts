import { adviceOn } from '../advice/advice.ts';
import type { Sample } from '../advice/samples.ts';
import { modelClass } from '../tier/tiers.ts';
import { cacheOf, chartsOf, counted, isOfEvery, labelOf, numbersOf, tableOf, type Pricing } from './counted.ts';
import { groupedBy, type History, type Past } from './history.ts';
import type { Lowest } from './lowest.ts';
import { paceOf, type Paced } from './paced.ts';
import { PrometheusSilent } from './prometheus.ts';
import { billOf, budgetsOf, creditOf, limitsOf, tierOf } from './standing.ts';
import type { Problems } from './problems.ts';
import { RANGES, type LastHour, type RangeSeconds } from './timeline.ts';
import type { PanelName, Query, Replica, ShownSeconds, View } from './view.ts';

/** What a view is made of. */
interface Shown {
  readonly name: string;
  readonly nowMs: number;
  readonly sinceMs: number;
  readonly source: View['source'];
  readonly hour: LastHour;
  readonly lowest: Lowest;
  readonly paced: Paced;
  readonly samples: readonly Sample[];
  readonly replicas: readonly Replica[];
  readonly forgottenSeries: number;
  readonly problems: Problems | null;
  readonly pricing: Omit<Pricing, 'nowMs'>;
}

/** Labels of the metrics of attempts: panels that are made of them cannot follow a filter by another. */
const OF_ATTEMPTS: ReadonlySet<string> = new Set(['key', 'model']);

const PANELS_OF_ATTEMPTS: readonly PanelName[] = ['rateLimited', 'latency', 'firstToken', 'waits'];

/** Values of one label that can be chosen among. */
const MOST_VALUES = 200;

/** Answers one query, from Prometheus where the memory does not reach. */
export async function viewOf(shown: Shown, query: Query, history: History | null): Promise<View> {
  const span = spanOf(shown, query, history !== null);
  const place = history === null ? null : { host: history.prometheus.host, trouble: null };
  if (history === null || span.from === 'memory') return viewWith(shown, query, { ...span, prometheus: place });
  const by = groupedBy(query.by ?? byOf(Object.keys(labelsOf(shown.hour, shown.nowMs))));
  try {
    const past = await history.read({ ...span, filter: query.filter, by });
    return viewWith(shown, { ...query, by }, { ...span, past, prometheus: place });
  } catch (error) {
    if (!(error instanceof PrometheusSilent)) throw error;
    const prometheus = { host: history.prometheus.host, trouble: error.trouble };
    return viewWith(shown, query, { ...spanOf(shown, query, false), prometheus });
  }
}

/** Where the figures of a view come from. */
interface SpanShown extends Pick<View, 'from' | 'pinned'> {
  readonly rangeSeconds: ShownSeconds;
  readonly endMs: number;
}

const HOUR_SECONDS = 3_600;

/** The range that shows what is asked for: of the memory if it reaches, else of Prometheus if there is one. */
function spanOf({ nowMs, sinceMs }: Shown, { rangeSeconds, pinnedMs }: Query, hasHistory: boolean): SpanShown {
  const asked = rangeSeconds ?? rangeFor(nowMs - sinceMs);
  const oldestMs = Math.max(sinceMs, nowMs - HOUR_SECONDS * 1_000);
  const isOlder = pinnedMs !== undefined && pinnedMs < Math.floor(oldestMs / 60_000) * 60_000;
  if (isOlder && hasHistory) {
    const wide = asked < HOUR_SECONDS ? HOUR_SECONDS : asked;
    const endMs = Math.min(nowMs, pinnedMs + wide * 500);
    return { rangeSeconds: wide, endMs, from: 'prometheus', pinned: 'shown' };
  }
  const pinned = pinnedMs === undefined ? null : isOlder ? 'unknown' : 'shown';
  if (asked > HOUR_SECONDS && hasHistory) return { rangeSeconds: asked, endMs: nowMs, from: 'prometheus', pinned };
  const holding = pinned === 'shown' ? rangeFor(nowMs - (pinnedMs ?? nowMs)) : 0;
  const inMemory = Math.max(Math.min(asked, HOUR_SECONDS), holding);
  return { rangeSeconds: rangeFor(inMemory * 1_000), endMs: nowMs, from: 'memory', pinned };
}

type Sources = SpanShown & Pick<View, 'prometheus'> & { readonly past?: Past };

function viewWith(shown: Shown, query: Query, sources: Sources): View {
  const { hour, nowMs, samples, source } = shown;
  const { rangeSeconds, from, pinned, prometheus, past } = sources;
  const pricing: Pricing = { ...shown.pricing, nowMs };
  const { filter } = query;
  const inMemory = rangeFor(rangeSeconds * 1_000);
  const seen = past?.seen ?? counted(hour, { rangeSeconds: inMemory, filter }, nowMs);
  const isNarrow = Object.keys(filter).some((name) => !OF_ATTEMPTS.has(name));
  const labels = labelsOf(hour, nowMs);
  const names = [...new Set([...Object.keys(labels), ...(past === undefined ? [] : [query.by ?? 'model'])])];
  const by = query.by !== undefined && names.includes(query.by) ? query.by : byOf(names);
  const { key, model } = filter;
  const lowest = shown.lowest.since(past === undefined ? nowMs - rangeSeconds * 1_000 : Infinity);
  return {
    ...{ name: shown.name, atMs: nowMs, rangeSeconds, sinceMs: shown.sinceMs, source, from, pinned, prometheus },
    unfiltered: (source === 'metrics' || past !== undefined) && isNarrow ? PANELS_OF_ATTEMPTS : [],
    labels,
    replicas: shown.replicas,
    forgottenSeries: shown.forgottenSeries,
    advice: adviceOn(samples, pricing),
    numbers: past === undefined ? numbersOf(seen, shown.sinceMs, nowMs) : pastNumbers(past, sources.endMs),
    charts: { ...chartsOf(seen), ...past?.rows },
    limits: limitsOf(samples, lowest).filter(
      (limit) =>
        (key === undefined || limit.key === key) && (model === undefined || modelClass(model) === limit.modelClass),
    ),
    budgets: budgetsOf(samples, nowMs),
    tier: tierOf(samples, nowMs),
    pace: paceOf(samples, shown.paced, nowMs - inMemory * 1_000),
    cache: cacheOf(seen, pricing),
    bill: billOf(samples),
    credit: creditOf(samples),
    table: tableOf(seen, { by, labels: names }, pricing),
    problems: shown.problems?.view({ rangeSeconds: inMemory, filter }, nowMs) ?? [],
  };
}

function pastNumbers({ seen, sinceMs, quantiles }: Past, endMs: number): View['numbers'] {
  return { ...numbersOf(seen, sinceMs ?? endMs, endMs), ...quantiles, lastMinute: null };
}

/** The label of the table's rows where none is chosen: attribution, since it says whose calls they are. */
function byOf(names: readonly string[]): string {
  return names.find((name) => !OF_ATTEMPTS.has(name)) ?? 'model';
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
