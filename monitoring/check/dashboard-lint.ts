import * as units from '@grafana/grafana-foundation-sdk/units';
import { charts, type DashboardFile, type FieldDefaults, type PanelFile, type TargetFile } from './dashboard-file.ts';
import { GROUP, isCounter, labelsOf } from './known.ts';
import { queryShape } from './promql.ts';
import { queryComplaints, readable } from './query-lint.ts';
import { variablesIn } from './variables.ts';

const UNITS: ReadonlySet<unknown> = new Set(Object.values(units));
const CHOSEN = '${datasource}';

/**
 * What is wrong with a dashboard: the rules of Grafana's dashboard-linter, as far as they fit calls that have no instance, and
 * those that public dashboards for LLMs break. Empty where nothing is.
 */
export function dashboardComplaints(dashboard: DashboardFile): readonly string[] {
  return [
    ...frameComplaints(dashboard),
    ...variableComplaints(dashboard),
    ...gridComplaints(dashboard),
    ...charts(dashboard).flatMap((panel) =>
      [...panelComplaints(panel), ...(panel.targets ?? []).flatMap((target) => targetComplaints(target, panel))].map(
        (complaint) => `${panel.title}: ${complaint}`,
      ),
    ),
  ];
}

function frameComplaints(dashboard: DashboardFile): readonly string[] {
  const { editable, timezone, schemaVersion, links, annotations, panels } = dashboard;
  const ids = panels.map(({ id }) => id);
  return [
    editable && 'it can be edited: changes would be lost',
    timezone !== 'utc' && `timezone ${timezone}: limits and months are those of UTC`,
    schemaVersion !== 39 && `schemaVersion ${schemaVersion}: Grafana 11 to 13 all migrate from 39`,
    charts(dashboard).length > 25 && `${charts(dashboard).length} panels: nobody reads more than 25`,
    new Set(ids).size < ids.length && 'two panels have the same id',
    !links.some(({ keepTime, includeVars }) => keepTime && includeVars) &&
      'no links to the others that keep time and variables',
    JSON.stringify(dashboard).includes('"inControlsMenu"') && 'hides links in a menu that some Grafana 12 do not draw',
    !annotations.list.some(({ expr }) => expr.includes('ALERTS')) && 'no annotation shows when alerts fired',
  ].filter((complaint) => complaint !== false);
}

function variableComplaints({ templating, ...rest }: DashboardFile): readonly string[] {
  const defined = templating.list.map(({ name }) => name);
  const used = new Set(variablesIn(JSON.stringify({ rest, queries: templating.list.map(({ query }) => query) })));
  const own = (name: string): boolean => name.startsWith('__');
  const asked = templating.list.filter(({ type }) => type === 'query');
  return [
    ...[...used]
      .filter((name) => !own(name) && !defined.includes(name))
      .map((name) => `$${name} is used and not defined`),
    ...defined.filter((name) => !used.has(name)).map((name) => `$${name} is defined and not used`),
    ...asked
      .filter(({ refresh }) => refresh !== 2)
      .map(({ name }) => `$${name} is not asked for anew with the time range`),
    ...asked.filter(({ datasource }) => datasource?.uid !== CHOSEN).map(({ name }) => `$${name} names a data source`),
    ...asked
      .filter(({ includeAll, allValue }) => includeAll === true && allValue === undefined)
      .map(({ name }) => `$${name}: all its values would stand in every query`),
  ];
}

function gridComplaints({ panels }: DashboardFile): readonly string[] {
  const wide = panels.filter(({ gridPos: { x, w } }) => x + w > 24).map(({ title }) => `${title}: wider than the grid`);
  const overlaps = panels.flatMap((panel, index) =>
    panels
      .slice(index + 1)
      .filter((other) => overlap(panel, other))
      .map((other) => `${panel.title} lies on ${other.title}`),
  );
  return [...wide, ...overlaps];
}

function overlap({ gridPos: a }: PanelFile, { gridPos: b }: PanelFile): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

const REDUCING = new Set(['stat', 'gauge', 'bargauge']);

function panelComplaints(panel: PanelFile): readonly string[] {
  const { description = '', datasource, targets = [], fieldConfig } = panel;
  return [
    ...unitComplaints(fieldConfig?.defaults ?? {}),
    ...(REDUCING.has(panel.type) ? reducingComplaints(panel) : []),
    ...(panel.type === 'table' ? tableComplaints(panel) : []),
    description.length < 30 && 'its description does not say what it means and what to do',
    targets.length === 0 && 'no query',
    datasource?.uid !== CHOSEN && 'names a data source',
    fieldConfig?.defaults.noValue === undefined && 'says nothing where there is no answer',
  ].filter((complaint) => complaint !== false);
}

function unitComplaints({ unit, max = 1 }: FieldDefaults): readonly string[] {
  return [
    (unit === undefined || !UNITS.has(unit)) && `its unit ${unit} is not one of Grafana's`,
    unit === 'percent' && 'a ratio from 0 to 1 is a percentunit',
    unit === 'percentunit' && max > 2 && 'a ratio has an axis from 0 to 1, or a little beyond',
  ].filter((complaint) => complaint !== false);
}

function reducingComplaints({ type, fieldConfig, options }: PanelFile): readonly string[] {
  const steps = fieldConfig?.defaults.thresholds?.steps ?? [];
  return [
    steps.length === 0 && 'no thresholds',
    type === 'bargauge' && fieldConfig?.defaults.min === undefined && 'without a min its smallest bar is empty',
    options?.reduceOptions?.calcs.join() !== 'lastNotNull' && 'a gap at the end would make it empty',
  ].filter((complaint) => complaint !== false);
}

/** A selector, and nothing around it. */
const BARE = /^[\w:]+(\{[^}]*\})?$/;

/** Rows are joined by all their labels, of which the name of the metric is one; fields of a table have no labels. */
function tableComplaints({ targets = [], fieldConfig }: PanelFile): readonly string[] {
  const { links = [] } = fieldConfig?.defaults ?? {};
  return [
    ...targets.filter(({ expr }) => BARE.test(expr)).map(({ refId }) => `the rows of query ${refId} join no others`),
    ...links.filter(({ url }) => url.includes('__field.labels')).map(() => 'its link reads labels, and has columns'),
  ];
}

function targetComplaints(
  { expr, legendFormat, datasource, instant }: TargetFile,
  { type }: PanelFile,
): readonly string[] {
  const shape = queryShape(readable(expr));
  const missing = shape.selectors.flatMap(({ metric, matchers }) =>
    narrowing(metric)
      .filter((label) => labelsOf(metric)?.has(label) && !isMatched(matchers, label))
      .map((label) => `${metric} is not narrowed by $${label}`),
  );
  const growths = shape.selectors.filter(({ metric }) => metric.endsWith(':growth'));
  const windows = [...expr.matchAll(/:growth[^[]*\[([^\]]+)\]/g)].map(([, window = '']) => window);
  const raw = shape.selectors.filter(({ metric, isFixed }) => isCounter(metric) && !isFixed);
  return [
    ...queryComplaints(expr),
    ...missing,
    ...legendComplaints(legendFormat, shape.groupingLabels, expr),
    datasource?.uid !== CHOSEN && 'a query names a data source',
    /\btopk\b/.test(expr) && instant !== true && 'topk in a range shows other series at each point',
    ...raw.map(({ metric }) => `${metric} is read as each process has it: a fleet has too many`),
    ...growths
      .filter(({ within }) => within[0] !== 'sum_over_time')
      .map(({ metric }) => `${metric} is read for one minute of a step`),
    type === 'timeseries' &&
      windows.some((window) => window !== '$__interval' && !/^(\d{4,}|[3-9]\d\d)s$/.test(window)) &&
      'a growth whose window is not $__interval',
  ].filter((complaint) => complaint !== false);
}

/** An alert on a budget has no model, and is not to go when one is chosen. */
function narrowing(metric: string): readonly string[] {
  return metric.startsWith('ALERTS') ? GROUP : [...GROUP, 'model', 'key'];
}

/** A price is of a model that is chosen, not of the models that are looked at. */
function isMatched(matchers: readonly { readonly label: string; readonly value: string }[], label: string): boolean {
  return matchers.some((matcher) => matcher.label === label && variablesIn(matcher.value).length > 0);
}

/** A label that aggregation has taken away is empty in every legend. */
function legendComplaints(legend: string, grouping: readonly string[], expr: string): readonly string[] {
  const kept = new Set([...grouping, ...recordedLabels(expr)]);
  return [...readable(legend).matchAll(/\{\{\s*(\w+)\s*\}\}/g)]
    .map(([, label = '']) => label)
    .filter((label) => !kept.has(label))
    .map((label) => `its legend shows ${label}, which the query does not keep`);
}

function recordedLabels(expr: string): readonly string[] {
  return queryShape(readable(expr)).selectors.flatMap(({ metric }) =>
    metric.includes(':') ? [...(labelsOf(metric) ?? [])] : [],
  );
}
