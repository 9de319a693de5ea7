import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
  type GridPos,
  type Panel as GrafanaPanel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATA_SOURCE, grafanaPanel } from './grafana-panel.ts';
import type { Dashboard, Panel } from './panel.ts';
import { growthOf } from '../../src/rules/growth.ts';
import { RECORDED } from '../../src/rules/recording.ts';
import { DEPLOYED, FIRING, GROUP } from './selection.ts';

/** Grafana 11, 12 and 13 all migrate up from this version. Older ones would accept the builders' 42 without a check. */
const SCHEMA_VERSION = 39;

/** The JSON text of a dashboard in the classic model: file provisioning refuses the newer one. */
export function dashboardText(dashboard: Dashboard): string {
  const built = frame(dashboard).build();
  const { panels: _none, ...rest } = built;
  const whole = { ...rest, schemaVersion: SCHEMA_VERSION, panels: laidOut(dashboard) };
  return `${JSON.stringify(whole, shown, 2)}\n`;
}

/** The builders hide links and annotations in a menu, which some Grafana 12 do not draw. */
function shown(key: string, value: unknown): unknown {
  return key === 'placement' && value === 'inControlsMenu' ? undefined : value;
}

function frame({ name, title, description, from, ...also }: Dashboard): DashboardBuilder {
  const builder = new DashboardBuilder(title)
    .uid(`plimsoll-${name}`)
    .description(description)
    .tags(['plimsoll'])
    .time({ from, to: 'now' })
    .refresh('30s')
    .timezone('utc')
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .annotation(alerts())
    .annotation(deployments())
    .link(
      new DashboardLinkBuilder('Claude API')
        .type(DashboardLinkType.Dashboards)
        .tags(['plimsoll'])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
    );
  for (const chosen of narrowing()) builder.withVariable(chosen);
  if (also.attribution === true) builder.withVariable(attributionVariable());
  return also.whatIf === true ? builder.withVariable(whatIfVariable()) : builder;
}

/** Each variable offers what the ones before it leave. Attempts are recorded, so that a fleet's are not read. */
function narrowing(): readonly QueryVariableBuilder[] {
  const group = [...GROUP.slice(1), 'job'];
  const chosen = (labels: readonly string[]): string => labels.map((label) => `${label}=~"$${label}"`).join(', ');
  const attempts = `${growthOf('attempts')}{${chosen(group)}}`;
  return [
    ...group.map((label, index) => variable(label, `${RECORDED.replicas}{${chosen(group.slice(0, index))}}`)),
    variable('model', attempts),
    variable('key', attempts),
  ];
}

function variable(name: string, of: string): QueryVariableBuilder {
  return asked(name, of.replace('{}', ''))
    .label(`${name.charAt(0).toUpperCase()}${name.slice(1)}`)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: ['All'], value: ['$__all'] });
}

function whatIfVariable(): QueryVariableBuilder {
  return asked('what_if', 'anthropic_price_usd_per_million_tokens{job=~"$job"}', 'model').label('What if on');
}

/** What is recorded by a label has the label's name in its own. */
function attributionVariable(): QueryVariableBuilder {
  return new QueryVariableBuilder('attribution')
    .label('Cost by')
    .datasource(DATA_SOURCE)
    .query({ qryType: 2, query: `metrics(${growthOf('cost_usd_by_.+')})`, refId: 'attribution' })
    .regex(`/^${growthOf('cost_usd_by_(.+)')}$/`)
    .current({ text: 'route', value: 'route' })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}

function asked(name: string, of: string, label = name): QueryVariableBuilder {
  const query = { qryType: 1, query: `label_values(${of}, ${label})`, refId: name };
  return new QueryVariableBuilder(name)
    .datasource(DATA_SOURCE)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}

function alerts(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Alerts')
    .datasource(DATA_SOURCE)
    .enable(true)
    .iconColor('red')
    .expr(FIRING)
    .titleFormat('{{alertname}}')
    .textFormat('{{severity}} {{key}} {{model}} {{budget}}')
    .step('60s');
}

function deployments(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Deployments')
    .datasource(DATA_SOURCE)
    .enable(true)
    .iconColor('blue')
    .expr(DEPLOYED)
    .titleFormat('{{job}} {{version}}')
    .textFormat('a version that was not there before')
    .step('60s');
}

const COLUMNS = 24;
const HEIGHT = 8;

/** Lays out panels from left to right, and starts a new line if the next does not fit. */
function laidOut({ name, rows }: Dashboard): readonly object[] {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: ofRow } of rows) {
    panels.push(rowPanel(`${name}/${title}`, title, y));
    y += 1;
    const placed = places(ofRow, y);
    ofRow.forEach((panel, index) => {
      const at = placed[index];
      if (at !== undefined) panels.push(sorted(grafanaPanel(panel, stableId(`${name}/${panel.title}`), at)));
    });
    y = Math.max(y, ...placed.map((at) => at.y + at.h));
  }
  return panels;
}

function rowPanel(id: string, title: string, y: number): object {
  return { id: stableId(id), type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: COLUMNS, h: 1 } };
}

/** Puts the id first, because links name it. */
function sorted({ id, type, title, ...rest }: GrafanaPanel): object {
  return { id, type, title, ...rest };
}

function places(panels: readonly Panel[], top: number): readonly GridPos[] {
  let x = 0;
  let y = top;
  let line = 0;
  return panels.map(({ width, height = HEIGHT }) => {
    if (x + width > COLUMNS) {
      x = 0;
      y += line;
      line = 0;
    }
    const at = { x, y, w: width, h: height };
    x += width;
    line = Math.max(line, height);
    return at;
  });
}

/** Depends on the title only, because links to a panel and alerts on it name its id. FNV-1a, 31 bits. */
function stableId(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 1) + 1;
}
