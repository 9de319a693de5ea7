/** The pieces of Prometheus text 0.0.4 and OpenMetrics 1.0 that samples are written in. */
import type { LabelPairs } from './series.ts';

/** Prometheus text 0.0.4, or OpenMetrics 1.0, which has exemplars. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** `{a="1",b="2"}`, or nothing where there is no label. */
export function labelText(labels: LabelPairs): string {
  let text = '';
  for (const [name, value] of labels) text += `${text === '' ? '' : ','}${name}="${quotable(value)}"`;
  return text === '' ? '' : `{${text}}`;
}

/** The labels, and those of the registry that they do not have themselves. */
export function withDefaults(labels: LabelPairs, defaultLabels: LabelPairs): LabelPairs {
  if (defaultLabels.length === 0) return labels;
  const own = new Set(labels.map(([name]) => name));
  return [...labels, ...defaultLabels.filter(([name]) => !own.has(name))];
}

/** A number as both formats spell it. */
export function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return `${value}`;
}

/** An exemplar behind a sample, which only OpenMetrics has. */
export function exemplarText(labels: LabelPairs, value: number, timestampSeconds: number): string {
  return ` # ${labelText(labels)} ${numberText(value)} ${numberText(timestampSeconds)}`;
}

/** The lines before the samples of a metric. OpenMetrics names a counter without its `_total`. */
export function headText(metric: { name: string; help: string; type: string }, format: ExpositionFormat): string {
  const name = format === 'openmetrics' ? familyName(metric) : metric.name;
  const help = format === 'openmetrics' ? quotable(metric.help) : unbroken(metric.help);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${metric.type}\n`;
}

/** The name of a metric in OpenMetrics: a counter's without `_total`, which its samples have. */
export function familyName({ name, type }: { name: string; type: string }): string {
  return type === 'counter' ? name.replace(/_total$/, '') : name;
}

/** Nearly no value has anything to escape, and a test is cheaper than a replacement that finds nothing. */
function quotable(text: string): string {
  return /["\\\n]/.test(text) ? unbroken(text).replaceAll('"', '\\"') : text;
}

function unbroken(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
