import { dateTime, getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation } from '@grafana/data';
import { BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, BigValueTextMode, TimeSeries } from '@grafana/ui';
import { framesOf, theme } from './frames';
import { Columns, Heatmap, Ring } from './imitated';
import { filled, preview, type PanelAnswers } from './page';

export interface Room {
  readonly width: number;
  readonly height: number;
}

/** A panel's chart: by Grafana's own component where one is published. */
export function Chart({ panel, answers, width, height }: PanelAnswers & Room) {
  const room = { width, height };
  const data = framesOf({ panel, answers });
  if (data.length === 0)
    return <p style={{ textAlign: 'center', opacity: 0.7 }}>{panel.fieldConfig.defaults.noValue}</p>;
  if (panel.type === 'heatmap') return <Heatmap answers={answers[0] ?? []} {...room} />;
  if (panel.type === 'table') return <Columns panel={panel} answers={answers} data={data} />;
  if (panel.type === 'timeseries') return <Lines panel={panel} data={data} {...room} />;
  const values = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: { calcs: ['lastNotNull'] },
    replaceVariables: filled,
    theme,
    data,
    timeZone: 'utc',
  } as any);
  if (panel.type === 'gauge') return <Ring values={values} {...room} />;
  return panel.type === 'stat' ? (
    <Values values={values} {...room} />
  ) : (
    <Bars panel={panel} values={values} {...room} />
  );
}

/** The last hour is not drawn to its end: the time below it would be cut off. */
const UNSEEN_SECONDS = 1_200;

function Lines({ panel, data, width, height }: Room & { panel: any; data: any }) {
  const { from, to } = preview;
  const ends = { from: dateTime(from * 1_000), to: dateTime((to - UNSEEN_SECONDS) * 1_000) };
  const timeRange = { ...ends, raw: ends };
  const { legend } = panel.options;
  const props = { frames: data, structureRev: 1, width, height, timeRange, timeZone: 'utc', legend, options: {} };
  return <TimeSeries {...(props as any)} />;
}

/** Side by side where that is wider than high, as in Grafana; a value that is alone has no name. */
function Values({ values, width, height }: Room & { values: readonly any[] }) {
  const across = width > height;
  const count = values.length;
  return (
    <div style={{ display: across ? 'flex' : 'block' }}>
      {values.map(({ display }, index) => (
        <BigValue
          key={index}
          {...({
            value: display,
            theme,
            count,
            width: across ? width / count : width,
            height: across ? height : height / count,
            textMode: BigValueTextMode.Auto,
            colorMode: BigValueColorMode.Value,
            graphMode: BigValueGraphMode.None,
          } as any)}
        />
      ))}
    </div>
  );
}

const GAP = 8;

const barOptions = ({ options: { text, namePlacement } }: any) => ({ text, namePlacement });

function Bars({ panel, values, width, height }: Room & { panel: any; values: readonly any[] }) {
  const alignmentFactors = getDisplayValueAlignmentFactors(values as any);
  const each = Math.min(panel.options.maxVizHeight, (height - GAP * (values.length - 1)) / values.length);
  return (
    <div style={{ display: 'flex', flexDirection: 'column', gap: GAP }}>
      {values.map(({ display, field }, index) => (
        <BarGauge
          key={index}
          {...({ value: display, field, theme, alignmentFactors, width, ...barOptions(panel) } as any)}
          height={Math.max(panel.options.minVizHeight, each)}
          orientation={VizOrientation.Horizontal}
          itemSpacing={GAP}
        />
      ))}
    </div>
  );
}
