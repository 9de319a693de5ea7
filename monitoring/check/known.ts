import { CATALOGUE } from '../../src/record/metrics/catalogue.ts';
import { recordedLabels } from '../../src/rules/recording.ts';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { DEFAULT_SETTINGS } from '../../src/rules/settings.ts';

/** Metrics of Prometheus itself. */
const OF_PROMETHEUS = ['up', 'ALERTS', 'ALERTS_FOR_STATE'];

/** The labels that every recorded series keeps. */
export const GROUP = ['job', ...DEFAULT_SETTINGS.groupBy];
const TARGET_LABELS = [...GROUP, 'instance'];
/** A user declares attribution labels; these are the demo's, and the counters marked `attributed` may have them. */
const ATTRIBUTION = ['route', 'client', 'tenant'];

/** Names of what recording rules keep. */
export const RECORDED_NAMES: ReadonlySet<string> = new Set(
  ruleFiles().flatMap(({ groups }) =>
    groups.flatMap(({ rules }) => rules.flatMap((rule) => ('record' in rule ? [rule.record] : []))),
  ),
);

const RECORDED_LABELS = recordedLabels(DEFAULT_SETTINGS);

/** The labels that a sample of the name can have; `null` where nothing has the name. */
export function labelsOf(name: string): ReadonlySet<string> | null {
  if (OF_PROMETHEUS.includes(name))
    return new Set([...TARGET_LABELS, 'alertname', 'alertstate', 'severity', 'model', 'key', 'budget']);
  if (RECORDED_NAMES.has(name)) return new Set([...GROUP, ...(RECORDED_LABELS.get(name) ?? [])]);
  const metric = CATALOGUE.find((each) => each.name === name || sampleNames(each).includes(name));
  if (metric === undefined) return null;
  const attribution = 'attributed' in metric ? ATTRIBUTION : [];
  return new Set([...TARGET_LABELS, ...metric.labels, ...attribution, ...(name.endsWith('_bucket') ? ['le'] : [])]);
}

/** Names of the samples of a histogram; the histogram's own name is no sample's. */
function sampleNames({ name, type }: (typeof CATALOGUE)[number]): readonly string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [];
}

export function isCounter(name: string): boolean {
  if (/_(bucket|sum|count)$/.test(name)) return labelsOf(name) !== null && !RECORDED_NAMES.has(name);
  return CATALOGUE.some((metric) => metric.name === name && metric.type === 'counter');
}

export function isGauge(name: string): boolean {
  return CATALOGUE.some((metric) => metric.name === name && metric.type === 'gauge');
}

/** Aggregations that turn the replicas' values of a gauge into one. */
export function aggregatorOf(name: string): string | null {
  return CATALOGUE.find((metric) => metric.name === name)?.aggregator ?? null;
}
