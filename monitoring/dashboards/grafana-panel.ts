import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BarGaugeNamePlacement,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTextDisplayOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  MappingType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type GridPos,
  type Panel as GrafanaPanel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import { PanelBuilder as Gauge } from '@grafana/grafana-foundation-sdk/gauge';
import { PanelBuilder as Heatmap, YAxisConfigBuilder } from '@grafana/grafana-foundation-sdk/heatmap';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';
import { DEFAULT_SETTINGS } from '../../src/rules/settings.ts';
import { COLORS } from './colors.ts';
import { grafanaTable, refId } from './grafana-table.ts';
import { REDUCED, type Panel } from './panel.ts';
import { GROUP } from './selection.ts';

/** The data source that the viewer chose. */
export const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

/** Translates a panel into Grafana's JSON. */
export function grafanaPanel(panel: Panel, id: number, at: GridPos): GrafanaPanel {
  const builder = common(chart(panel), panel).id(id).gridPos(at);
  for (const query of queries(panel)) builder.withTarget(query);
  return builder.build();
}

type Chart = TimeSeries | Stat | Gauge | BarGauge | Heatmap | ReturnType<typeof grafanaTable>;

function chart(panel: Panel): Chart {
  switch (panel.kind) {
    case 'time series':
    case 'stacked':
      return timeSeries(panel);
    case 'stat':
      return new Stat().reduceOptions(lastValue());
    case 'gauge':
      return new Gauge().reduceOptions(lastValue());
    case 'bar gauge':
      return new BarGauge()
        .reduceOptions(lastValue())
        .orientation(VizOrientation.Horizontal)
        .namePlacement(panel.namesAbove === true ? BarGaugeNamePlacement.Top : BarGaugeNamePlacement.Left)
        .text(readable());
    case 'heatmap':
      return new Heatmap().calculate(false).yAxis(new YAxisConfigBuilder().unit(panel.unit));
    case 'table':
      return grafanaTable(panel);
  }
}

function common(builder: Chart, panel: Panel): Chart {
  builder.title(panel.title).description(panel.description).datasource(DATA_SOURCE).unit(panel.unit);
  builder.noValue(panel.noValue ?? 'no data').thresholds(thresholds(panel));
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  if (panel.texts !== undefined) builder.mappings([{ type: MappingType.ValueToText, options: shown(panel.texts) }]);
  if (!REDUCED.has(panel.kind)) builder.interval(panel.every ?? '1m');
  if (panel.drillDown === true) builder.dataLinks([callsLink(panel)]);
  if (panel.runbooks === true) builder.dataLinks([runbookLink()]);
  return builder;
}

function shown(texts: Readonly<Record<number, string>>): Record<string, { text: string }> {
  return Object.fromEntries(Object.entries(texts).map(([value, text]) => [value, { text }]));
}

function timeSeries(panel: Panel): TimeSeries {
  const stacked = panel.kind === 'stacked';
  const builder = new TimeSeries()
    .lineWidth(1)
    .fillOpacity(stacked ? 40 : 0)
    .showPoints(VisibilityMode.Auto)
    .spanNulls(false)
    .legend(legend(panel))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (stacked) builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A')).min(0);
  if (panel.steps !== undefined) {
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line));
  }
  if (panel.reaches !== undefined) builder.axisSoftMax(panel.reaches);
  if (panel.colored === true) {
    for (const { color, names } of COLORS) {
      builder.overrideByRegexp(`/^(${names.join('|')})$/`, [fixed(color)]);
    }
  }
  return builder;
}

/** Grafana's titles for the columns of a legend. */
const CALCULATED = { min: 'Min', max: 'Max', lastNotNull: 'Last *' } as const;

function legend({ legend: calc }: Panel): VizLegendOptionsBuilder {
  const builder = new VizLegendOptionsBuilder().showLegend(true);
  if (calc === undefined) {
    return builder.displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom).calcs([]);
  }
  return builder
    .displayMode(LegendDisplayMode.Table)
    .placement(LegendPlacement.Right)
    .calcs([calc])
    .sortBy(CALCULATED[calc])
    .sortDesc(calc !== 'min');
}

function fixed(color: string): { readonly id: string; readonly value: object } {
  return { id: 'color', value: { mode: 'fixed', fixedColor: color } };
}

function queries({ kind, targets }: Panel): readonly Builder<Dataquery>[] {
  const instant = REDUCED.has(kind);
  return targets.map(({ expr, legend, exemplars = false }, index) => {
    const query = new DataqueryBuilder().datasource(DATA_SOURCE).refId(refId(index)).expr(expr).legendFormat(legend);
    if (kind === 'heatmap') query.format(PromQueryFormat.Heatmap);
    if (kind === 'table') query.format(PromQueryFormat.Table);
    if (exemplars) query.exemplar(true);
    return instant ? query.instant() : query.range();
  });
}

/** The builders' default reads the last sample, which is empty if the series ends in a gap. */
function lastValue(): ReduceDataOptionsBuilder {
  return new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false);
}

/** Without a size, a bar grows to fill the panel, and its name is cut off. */
function readable(): VizTextDisplayOptionsBuilder {
  return new VizTextDisplayOptionsBuilder().titleSize(14).valueSize(18);
}

function thresholds({ steps = [[null, 'green']] }: Panel): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(steps.map(([value, color]) => ({ value, color })));
}

/** An export writes its own address in place of this one. */
function runbookLink(): DashboardLinkBuilder {
  return new DashboardLinkBuilder('Runbook')
    .url(`${DEFAULT_SETTINGS.runbookBaseUrl}\${__data.fields.Alert}`)
    .targetBlank(true);
}

/** Links to the dashboard Calls, narrowed to the model of a series, or to the model and key of a row. */
function callsLink({ kind, labels = [] }: Panel): DashboardLinkBuilder {
  const ofRow = labels.includes('key') ? 'var-key=${__data.fields.Key}' : '${key:queryparam}';
  const narrowed =
    kind === 'table'
      ? `${ofRow}&var-model=\${__data.fields.Model}`
      : '${key:queryparam}&var-model=${__field.labels.model}';
  const group = GROUP.map((label) => `\${${label}:queryparam}`).join('&');
  return new DashboardLinkBuilder('Calls of this model').url(
    `/d/plimsoll-calls?\${datasource:queryparam}&${group}&${narrowed}&\${__url_time_range}`,
  );
}
