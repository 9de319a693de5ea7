import { applyFieldOverrides, createTheme, FieldType, Registry, toDataFrame } from '@grafana/data';
import { filled, preview, type Answer, type PanelAnswers } from './page';

export const theme = createTheme({ colors: { mode: 'dark' } });

const STANDARD = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'color'];
const OF_LINES = ['lineWidth', 'fillOpacity', 'showPoints', 'spanNulls', 'stacking', 'thresholdsStyle', 'axisSoftMax'];

/** The properties that these panels set; the rest of Grafana's registry is in its core, which is not published. */
const PROPERTIES = new Registry<any>(() => [
  ...STANDARD.map((id) => ({ ...property(id), isCustom: false })),
  ...OF_LINES.map((path) => ({ ...property(`custom.${path}`), path, isCustom: true })),
]);

function property(id: string) {
  return { id, path: id, name: id, process: (value: unknown) => value, shouldApply: () => true };
}

/** Turns a panel's query results into Grafana's frames, with the panel's units, colors and thresholds. */
export function framesOf({ panel, answers }: PanelAnswers) {
  const data = answers.flatMap((samples, index) => samples.map((answer) => frame(answer, panel.targets[index])));
  const color = { mode: panel.type === 'timeseries' ? 'palette-classic' : 'thresholds' };
  const { links: _links, ...defaults } = panel.fieldConfig.defaults;
  return applyFieldOverrides({
    data,
    fieldConfig: { defaults: { color, ...defaults }, overrides: panel.fieldConfig.overrides ?? [] },
    replaceVariables: filled,
    theme,
    timeZone: 'utc',
    fieldConfigRegistry: PROPERTIES,
  } as any);
}

function frame({ labels, points: given }: Answer, { legendFormat, refId, instant }: any) {
  const name = filled(legendFormat).replace(/\{\{(\w+)\}\}/g, (_: string, label: string) => labels[label] ?? '');
  const points = instant ? given : withGaps(given);
  return toDataFrame({
    name,
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: points.map(([at]) => at * 1_000), config: {} },
      {
        name: 'Value',
        type: FieldType.number,
        labels,
        values: points.map(([, value]) => value),
        config: { displayNameFromDS: name },
      },
    ],
  });
}

/** As Grafana's panel does, so that a line breaks where Prometheus has no answer. */
function withGaps(points: Answer['points']): readonly (readonly [number, number | null])[] {
  const { from, to, stepSeconds } = preview;
  const values = new Map(points);
  const steps = Array.from({ length: (to - from) / stepSeconds + 1 }, (_, step) => from + step * stepSeconds);
  return steps.map((at) => [at, values.get(at) ?? null]);
}
