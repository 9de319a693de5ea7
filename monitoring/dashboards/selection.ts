import { CATALOGUE, type HistogramName, type MetricName } from '../../src/record/metrics/catalogue.ts';
import { grew, growthOf, type GrowthName } from '../../src/rules/growth.ts';
import { RECORDED, recordedLabels, type PacedHistogram } from '../../src/rules/recording.ts';
import { DEFAULT_SETTINGS } from '../../src/rules/settings.ts';

type Sample = Exclude<MetricName, HistogramName> | `${HistogramName}_${'bucket' | 'sum' | 'count'}`;

/** What tells teams and stages apart. An export with other labels writes those in their place. */
export const GROUP: readonly string[] = ['job', ...DEFAULT_SETTINGS.groupBy];

/** The attribution label that the viewer chose. */
export const ATTRIBUTION = '${attribution}';

/** Names the series without a value of that label, which Grafana would call "Value". */
export function attributed(expr: string): string {
  return `label_replace(${expr}, "${ATTRIBUTION}", "(none)", "${ATTRIBUTION}", "")`;
}

/** The variables of every dashboard that narrow queries, by the label that each narrows. */
const NARROWED = [...GROUP, 'model', 'key'];

/** Alerts of the chosen jobs. */
export const FIRING = narrowed('ALERTS', GROUP, 'alertname=~"Plimsoll.+", alertstate="firing"');

/** When each firing alert of the chosen jobs began, in seconds. */
export const FIRING_SINCE = `${narrowed('ALERTS_FOR_STATE', GROUP, 'alertname=~"Plimsoll.+"')} and ignoring (alertstate) ${FIRING}`;

/** Versions of the chosen services in the minutes after they came up: none is marked again after a failed scrape. */
export const DEPLOYED = `${narrowed(RECORDED.versions, GROUP, '')} unless last_over_time(${narrowed(RECORDED.versions, GROUP, '')}[10m] offset 5m)`;

const DATA_LABELS: ReadonlyMap<string, readonly string[]> = new Map(
  CATALOGUE.map(({ name, labels }) => [name, labels]),
);

const RECORDED_LABELS = recordedLabels(DEFAULT_SETTINGS);

/**
 * Series of the catalogue, narrowed by every variable whose label the metric has; more matchers may be added. For gauges,
 * and for what is drawn once: counters of a fleet are read as they are recorded.
 */
export function selected(name: Sample, matchers = ''): string {
  const labels = DATA_LABELS.get(name) ?? DATA_LABELS.get(name.replace(/_(bucket|sum|count)$/, '')) ?? [];
  return narrowed(name, [...GROUP, ...labels], matchers);
}

/** A recorded series, narrowed in the same way. */
export function recorded(name: string, matchers = ''): string {
  return narrowed(name, [...GROUP, ...(RECORDED_LABELS.get(name) ?? [])], matchers);
}

function narrowed(name: string, labels: readonly string[], matchers: string): string {
  const all = NARROWED.filter((label) => labels.includes(label)).map((label) => `${label}=~"$${label}"`);
  if (matchers !== '') all.push(matchers);
  return all.length === 0 ? name : `${name}{${all.join(', ')}}`;
}

/** A recorded counter per second, over each step of the panel: steps leave nothing out and count nothing twice. */
export function rate(name: GrowthName, matchers = ''): string {
  return `${recently(name, matchers)} * 1000 / $__interval_ms`;
}

/** The growth of a recorded counter over each step of the panel; for quotients. */
export function recently(name: GrowthName, matchers = ''): string {
  return `sum_over_time(${recorded(growthOf(name), matchers)}[$__interval])`;
}

/** The growth of a recorded counter in the dashboard's time range. */
export function inRange(name: GrowthName, matchers = ''): string {
  return `sum_over_time(${recorded(growthOf(name), matchers)}[$__range])`;
}

/** The growth of a recorded counter in a window of its own. */
export function inWindow(name: GrowthName, window: string): string {
  return grew(name, window).replace(growthOf(name), recorded(growthOf(name)));
}

/** Largest first, for panels that show one moment. */
export function descending(expression: string): string {
  return `sort_desc(${expression})`;
}

export function sumBy(labels: string, expression: string): string {
  return labels === '' ? `sum(${expression})` : `sum by (${labels}) (${expression})`;
}

/** Divides. The result is absent, not NaN, if the divisor is 0. */
export function share(dividend: string, divisor: string): string {
  return `${dividend} / (${divisor} > 0)`;
}

interface QuantileOptions {
  readonly by?: string;
  /** The window, for panels that show one figure, and for what few responses would make jump. */
  readonly over?: '$__range' | '30m';
  /** Shows the traces of single observations, which only the series of the processes themselves have. */
  readonly exemplars?: true;
}

/** Quantile of a histogram, split by `by`. Absent, not NaN, if nothing was observed. */
export function quantile(part: number, of: PacedHistogram, { by = '', over, exemplars }: QuantileOptions = {}): string {
  const buckets = recorded(RECORDED.buckets(of));
  const seen = over === undefined ? buckets : `avg_over_time(${buckets}[${over}])`;
  const found = `histogram_quantile(${part}, ${sumBy(by === '' ? 'le' : `le, ${by}`, seen)}) >= 0`;
  // Nothing was scraped in 1970, so this takes nothing away; but Prometheus looks for the exemplars of what a query names.
  return exemplars === undefined ? found : `${found} unless on () (${selected(`${of}_bucket`)} @ 0)`;
}
