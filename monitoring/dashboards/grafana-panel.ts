import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
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
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';
import { REDUCED, type Panel } from './panel.ts';

/** Whatever data source is chosen; none is named. */
export const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

/** The panel as Grafana reads it. */
export function grafanaPanel(panel: Panel, id: number, at: GridPos): GrafanaPanel {
  const builder = common(chart(panel), panel).id(id).gridPos(at);
  for (const query of queries(panel)) builder.withTarget(query);
  return builder.build();
}

type Chart = TimeSeries | Stat | Gauge | BarGauge | Heatmap | Table;

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
      return new BarGauge().reduceOptions(lastValue()).orientation(VizOrientation.Horizontal).text(readable());
    case 'heatmap':
      return new Heatmap().calculate(false).yAxis(new YAxisConfigBuilder().unit(panel.unit));
    case 'table':
      return table(panel);
  }
}

function common(builder: Chart, panel: Panel): Chart {
  builder.title(panel.title).description(panel.description).datasource(DATA_SOURCE).unit(panel.unit);
  builder.noValue(panel.noValue ?? 'no data').thresholds(thresholds(panel));
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  if (panel.drillDown === true) builder.dataLinks([callsLink()]);
  return builder;
}

function timeSeries(panel: Panel): TimeSeries {
  const stacked = panel.kind === 'stacked';
  const builder = new TimeSeries()
    .lineWidth(1)
    .fillOpacity(stacked ? 40 : 10)
    .showPoints(VisibilityMode.Auto)
    .spanNulls(false)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (stacked) builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A')).min(0);
  if (panel.steps !== undefined) {
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line));
  }
  return builder;
}

/** One table of several queries: joined by their labels, each query a column. */
function table({ targets, columns = {} }: Panel): Table {
  const builder = new Table().withTransformation({ id: 'merge', options: {} });
  const renameByName = Object.fromEntries(
    targets.map(({ legend }, index) => [valueColumn(targets.length, index), legend]),
  );
  builder.withTransformation({ id: 'organize', options: { excludeByName: { Time: true }, renameByName } });
  for (const [name, unit] of Object.entries(columns)) builder.overrideByName(name, [{ id: 'unit', value: unit }]);
  return builder;
}

function valueColumn(targets: number, index: number): string {
  return targets === 1 ? 'Value' : `Value #${refId(index)}`;
}

function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
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

/** The builders' own default reads the last sample, which a gap at the end makes empty. */
function lastValue(): ReduceDataOptionsBuilder {
  return new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false);
}

/** Left to itself, a bar is as high as there is room, and its name is cut off. */
function readable(): VizTextDisplayOptionsBuilder {
  return new VizTextDisplayOptionsBuilder().titleSize(14).valueSize(18);
}

function thresholds({ steps = [[null, 'green']] }: Panel): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(steps.map(([value, color]) => ({ value, color })));
}

function callsLink(): DashboardLinkBuilder {
  const url =
    '/d/plimsoll-calls?${datasource:queryparam}&${job:queryparam}&${key:queryparam}&${__url_time_range}' +
    '&var-model=${__field.labels.model}';
  return new DashboardLinkBuilder('Calls of this model').url(url);
}
