import type { Room } from './drawn';
import { theme } from './frames';
import type { Answer, PanelAnswers } from './page';

const cell = { padding: '3px 8px', borderBottom: `1px solid ${theme.colors.border.weak}`, textAlign: 'left' as const };

/**
 * Grafana's table is in its core: queries merged by all their labels, the name of the metric too, and the columns as
 * `organize` says.
 */
export function Columns({ panel, answers, data }: PanelAnswers & { readonly data: readonly any[] }) {
  const [sortBy] = panel.options.sortBy ?? [];
  const { excludeByName, indexByName, renameByName } = panel.transformations[1].options;
  const valueColumn = (query: number): string =>
    panel.targets.length === 1 ? 'Value' : `Value #${panel.targets[query].refId}`;
  const rows = new Map<string, Record<string, string>>();
  const weights = new Map<string, number>();
  let frame = 0;
  answers.forEach((samples, query) =>
    samples.forEach(({ labels }) => {
      const key = JSON.stringify(Object.entries(labels).sort());
      const [, field] = data[frame++].fields;
      const { prefix = '', text, suffix = '' } = field.display(field.values[0]);
      if (renameByName[valueColumn(query)] === sortBy?.displayName) weights.set(key, field.values[0]);
      rows.set(key, { ...labels, ...rows.get(key), [valueColumn(query)]: `${prefix}${text}${suffix}` });
    }),
  );
  const names = [...new Set([...rows.values()].flatMap(Object.keys))].filter((name) => !excludeByName[name]);
  names.sort((left, right) => (indexByName[left] ?? 99) - (indexByName[right] ?? 99));
  const weight = (key: string): number => (weights.get(key) ?? 0) * (sortBy?.desc === true ? -1 : 1);
  const label = names.find((name) => renameByName[name] === sortBy?.displayName) ?? '';
  const ordered = [...rows.entries()].sort(
    ([left, one], [right, other]) =>
      weight(left) - weight(right) || (weights.size > 0 ? 0 : (one[label] ?? '').localeCompare(other[label] ?? '')),
  );
  return (
    <table style={{ width: '100%', borderCollapse: 'collapse', fontSize: 13 }}>
      <thead>
        <tr>
          {names.map((name) => (
            <th key={name} style={cell}>
              {renameByName[name] ?? name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {ordered.map(([key, row]) => (
          <tr key={key}>
            {names.map((name) => (
              <td key={name} style={{ ...cell, color: textColor(panel, renameByName[name], row[name]) }}>
                {row[name] ?? ''}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The color that an override gives a text of a column. */
function textColor(panel: any, column: string | undefined, text: string | undefined): string | undefined {
  const own = panel.fieldConfig.overrides.find(({ matcher }: any) => matcher.options === column);
  const mapped = own?.properties.find(({ id }: any) => id === 'mappings')?.value[0].options[text ?? ''];
  return mapped === undefined ? undefined : theme.visualization.getColorByName(mapped.color);
}

const EDGE = 42;

/** Grafana's heatmap is in its core: cells of what each bucket counted beyond the one below it. */
export function Heatmap({ answers, width, height }: Room & { readonly answers: readonly Answer[] }) {
  const edge = ({ labels }: Answer): number => (labels['le'] === '+Inf' ? Infinity : Number(labels['le']));
  const rows = [...answers].sort((left, right) => edge(left) - edge(right));
  const counts = rows.map((row, index) =>
    row.points.map(([, value], at) => Math.max(0, value - (rows[index - 1]?.points[at]?.[1] ?? 0))),
  );
  const most = Math.max(...counts.flat(), 1e-9);
  return (
    <svg width={width} height={height}>
      {rows.map((row, index) => {
        const y = height - ((index + 1) * height) / rows.length;
        const step = (width - EDGE) / Math.max(1, row.points.length);
        return (
          <g key={index}>
            <text x={0} y={y + 11} fontSize={10} fill={theme.colors.text.secondary}>{`${row.labels['le']} s`}</text>
            {counts[index]!.map((count, at) => (
              <rect
                key={at}
                {...{ x: EDGE + at * step, y, width: step, height: height / rows.length - 1, fill: '#ff9830' }}
                opacity={Math.sqrt(count / most)}
              />
            ))}
          </g>
        );
      })}
    </svg>
  );
}

/** Grafana's gauge is in its core: the half of a ring, with one value in it. */
export function Ring({ values, width, height }: Room & { readonly values: readonly any[] }) {
  const [{ display, field }] = values as [any];
  const radius = Math.min(width / 2, height) - 14;
  const part = (Math.min(display.numeric, field.max) - field.min) / (field.max - field.min);
  const arc = (length: number, stroke: string) => (
    <path
      d={`M ${width / 2 - radius} ${height - 6} a ${radius} ${radius} 0 0 1 ${2 * radius} 0`}
      {...{ fill: 'none', stroke, strokeWidth: 14, pathLength: 1, strokeDasharray: `${length} 1` }}
    />
  );
  return (
    <svg width={width} height={height}>
      {arc(1, theme.colors.background.secondary)}
      {arc(part, display.color)}
      <text x={width / 2} y={height - 10} fontSize={26} textAnchor="middle" fill={display.color}>
        {`${display.text}${display.suffix ?? ''}`}
      </text>
    </svg>
  );
}
