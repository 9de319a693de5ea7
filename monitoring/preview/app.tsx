import {
  applyFieldOverrides,
  createTheme,
  dateTime,
  FieldType,
  getFieldDisplayValues,
  Registry,
  ThemeContext,
  toDataFrame,
  VizOrientation,
} from '@grafana/data';
import {
  BarGauge,
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  PanelChrome,
  TimeSeries,
} from '@grafana/ui';
import { Component, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';

/** Put into the page by scripts/preview.ts: a dashboard's panels, each with what Prometheus answered to its queries. */
interface Preview {
  readonly from: number;
  readonly to: number;
  readonly panels: readonly { readonly panel: any; readonly answers: readonly (readonly Answer[])[] }[];
}

interface Answer {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

const { from, to, panels } = (window as any).preview as Preview;
const theme = createTheme({ colors: { mode: 'dark' } });
const COLUMN = 54;
const LINE = 34;

/** The properties that these panels set; the rest of Grafana's registry is in its core, which is not published. */
const PROPERTIES = new Registry<any>(() =>
  ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'color'].map((id) => ({
    id,
    path: id,
    name: id,
    isCustom: false,
    process: (value: unknown) => value,
    shouldApply: () => true,
  })),
);

function legendOf(format: string, labels: Readonly<Record<string, string>>): string {
  return format.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? '');
}

function framesOf(panel: any, answers: readonly (readonly Answer[])[]) {
  const data = answers.flatMap((samples, index) =>
    samples.map(({ labels, points }) => {
      const name = legendOf(panel.targets[index].legendFormat, labels);
      const config = { displayNameFromDS: name };
      return toDataFrame({
        name,
        refId: panel.targets[index].refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: points.map(([at]) => at * 1000), config: {} },
          { name: 'Value', type: FieldType.number, labels, values: points.map(([, value]) => value), config },
        ],
      });
    }),
  );
  const color = { mode: panel.type === 'timeseries' ? 'palette-classic' : 'thresholds' };
  const { links: _links, ...defaults } = panel.fieldConfig.defaults;
  return applyFieldOverrides({
    data,
    fieldConfig: { defaults: { color, ...defaults }, overrides: panel.fieldConfig.overrides ?? [] },
    replaceVariables: (text: string) => text,
    theme,
    timeZone: 'utc',
    fieldConfigRegistry: PROPERTIES,
  } as any);
}

interface Drawn {
  readonly panel: any;
  readonly answers: readonly (readonly Answer[])[];
  readonly width: number;
  readonly height: number;
}

function Chart({ panel, answers, width, height }: Drawn) {
  const data = framesOf(panel, answers);
  if (data.length === 0)
    return <p style={{ textAlign: 'center', opacity: 0.7 }}>{panel.fieldConfig.defaults.noValue}</p>;
  if (panel.type === 'heatmap') return <Heatmap answers={answers[0] ?? []} width={width} height={height} />;
  if (panel.type === 'table') return <Columns panel={panel} answers={answers} data={data} />;
  if (panel.type === 'timeseries') {
    const range = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: 'now-8h', to: 'now' } };
    const legend = { showLegend: true, displayMode: LegendDisplayMode.List, placement: 'bottom', calcs: [] };
    return (
      <TimeSeries
        {...({
          frames: data,
          structureRev: 1,
          width,
          height,
          timeRange: range,
          timeZone: 'utc',
          legend,
          options: {},
        } as any)}
      />
    );
  }
  const values = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: { calcs: ['lastNotNull'] },
    replaceVariables: (text: string) => text,
    theme,
    data,
    timeZone: 'utc',
  } as any);
  const share = panel.type === 'stat' ? 1 / values.length : 1;
  return (
    <div style={{ display: panel.type === 'stat' ? 'flex' : 'block' }}>
      {values.map((value, index) =>
        panel.type === 'stat' ? (
          <BigValue
            key={index}
            {...({
              value: value.display,
              theme,
              width: width * share,
              height,
              colorMode: BigValueColorMode.Value,
              graphMode: BigValueGraphMode.None,
            } as any)}
          />
        ) : (
          <BarGauge
            key={index}
            {...({
              value: value.display,
              field: value.field,
              theme,
              width,
              height: Math.max(24, height / values.length - 4),
              orientation: VizOrientation.Horizontal,
              itemSpacing: 4,
            } as any)}
          />
        ),
      )}
    </div>
  );
}

/** Grafana's table is in its core: queries joined by their labels, drawn plainly. */
function Columns({ panel, answers, data }: { panel: any; answers: readonly (readonly Answer[])[]; data: any[] }) {
  const labels = [...new Set(answers.flat().flatMap((answer) => Object.keys(answer.labels)))].filter(
    (label) => label !== '__name__',
  );
  const rows = new Map<string, { labels: Record<string, string>; cells: string[] }>();
  let frame = 0;
  answers.forEach((samples, column) =>
    samples.forEach((sample) => {
      const key = labels.map((label) => sample.labels[label] ?? '').join(' ');
      const row = rows.get(key) ?? { labels: { ...sample.labels }, cells: [] };
      const field = data[frame++].fields[1];
      const unit = (panel.fieldConfig.overrides ?? []).find(
        (each: any) => each.matcher.options === panel.targets[column].legendFormat,
      );
      const shown = unit ? reformatted(field, unit.properties[0].value) : field.display(field.values[0]);
      row.cells[column] = `${shown.prefix ?? ''}${shown.text}${shown.suffix ?? ''}`;
      rows.set(key, row);
    }),
  );
  const cell = {
    padding: '3px 8px',
    borderBottom: `1px solid ${theme.colors.border.weak}`,
    textAlign: 'left' as const,
  };
  return (
    <table style={{ width: '100%', borderCollapse: 'collapse', fontSize: 12 }}>
      <thead>
        <tr>
          {[...labels, ...panel.targets.map((target: any) => target.legendFormat)].map((name) => (
            <th key={name} style={cell}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {[...rows.entries()].map(([key, row]) => (
          <tr key={key}>
            {labels.map((label) => (
              <td key={label} style={cell}>
                {row.labels[label]}
              </td>
            ))}
            {panel.targets.map((_: any, column: number) => (
              <td key={column} style={cell}>
                {row.cells[column] ?? ''}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function reformatted(field: any, unit: string) {
  const frame = toDataFrame({
    fields: [{ name: 'Value', type: FieldType.number, values: [...field.values], config: { unit } }],
  });
  const [formatted] = applyFieldOverrides({
    data: [frame],
    fieldConfig: { defaults: {}, overrides: [] },
    replaceVariables: (text: string) => text,
    theme,
    timeZone: 'utc',
    fieldConfigRegistry: PROPERTIES,
  } as any);
  const [value] = formatted!.fields;
  return value!.display!(value!.values[0]);
}

/** Grafana's heatmap is in its core: cells of what each bucket counted beyond the one below it. */
function Heatmap({ answers, width, height }: { answers: readonly Answer[]; width: number; height: number }) {
  const edge = ({ labels }: Answer): number => (labels['le'] === '+Inf' ? Infinity : Number(labels['le']));
  const rows = [...answers].sort((left, right) => edge(left) - edge(right));
  const counts = rows.map((row, index) =>
    row.points.map(([, value], at) => Math.max(0, value - (rows[index - 1]?.points[at]?.[1] ?? 0))),
  );
  const most = Math.max(...counts.flat(), 1e-9);
  const left = 42;
  return (
    <svg width={width} height={height}>
      {rows.map((row, index) => {
        const y = height - ((index + 1) * height) / rows.length;
        const step = (width - left) / Math.max(1, row.points.length);
        return (
          <g key={index}>
            <text x={0} y={y + 11} fontSize={10} fill={theme.colors.text.secondary}>{`${row.labels['le']} s`}</text>
            {counts[index]!.map((count, at) => (
              <rect
                key={at}
                x={left + at * step}
                y={y}
                width={step}
                height={height / rows.length - 1}
                fill="#ff9830"
                opacity={Math.sqrt(count / most)}
              />
            ))}
          </g>
        );
      })}
    </svg>
  );
}

class Guarded extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    const error = this.state.error as Error | null;
    return error === null ? (
      this.props.children
    ) : (
      <pre className="failed" style={{ color: 'red' }}>
        {error.stack?.slice(0, 300)}
      </pre>
    );
  }
}

function Dashboard() {
  const height = Math.max(...panels.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h)) * LINE;
  return (
    <ThemeContext.Provider value={theme}>
      <div
        style={{
          position: 'relative',
          width: 24 * COLUMN,
          height,
          background: theme.colors.background.canvas,
          color: theme.colors.text.primary,
          fontFamily: theme.typography.fontFamily,
        }}
      >
        {panels.map(({ panel, answers }) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { position: 'absolute' as const, left: x * COLUMN, top: y * LINE };
          const width = w * COLUMN - 8;
          if (panel.type === 'row')
            return (
              <b key={panel.id} style={{ ...place, padding: 8 }}>
                {panel.title}
              </b>
            );
          return (
            <div key={panel.id} style={place}>
              <Guarded>
                <PanelChrome title={panel.title} width={width} height={h * LINE - 8}>
                  {(innerWidth: number, innerHeight: number) => (
                    <Guarded>
                      <div style={{ width: innerWidth, height: innerHeight, overflow: 'hidden' }}>
                        <Chart panel={panel} answers={answers} width={innerWidth} height={innerHeight} />
                      </div>
                    </Guarded>
                  )}
                </PanelChrome>
              </Guarded>
            </div>
          );
        })}
      </div>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById('root')!).render(<Dashboard />);
