import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ruleFiles } from '../../src/rules/rule-files.ts';
import { charts, type DashboardFile } from './dashboard-file.ts';

const root = join(import.meta.dirname, '..', '..');

/** A query that somebody is shown or that Prometheus evaluates. */
export interface Query {
  /** `budget/Used A`, `rule NAME`, `runbook NAME 1`. */
  readonly name: string;
  readonly expr: string;
  readonly kind: 'panel' | 'rule' | 'runbook';
  readonly instant: boolean;
}

export function dashboardFiles(): readonly DashboardFile[] {
  const folder = join(root, 'dashboards');
  return readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as DashboardFile);
}

/** Those of every panel, every rule and every runbook. An alert is asked for what it compares. */
export function everyQuery(): readonly Query[] {
  return [...panelQueries(), ...annotationQueries(), ...ruleQueries(), ...runbookQueries()];
}

/** All dashboards have the same annotations. */
function annotationQueries(): readonly Query[] {
  const [dashboard] = dashboardFiles();
  return (dashboard?.annotations.list ?? []).map(({ name, expr }) => ({
    name: `annotation ${name}`,
    expr,
    kind: 'panel' as const,
    instant: false,
  }));
}

function panelQueries(): readonly Query[] {
  return dashboardFiles().flatMap((dashboard) =>
    charts(dashboard).flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, refId, instant = false }) => ({
        name: `${dashboard.uid.replace('plimsoll-', '')}/${title} ${refId}`,
        expr,
        kind: 'panel' as const,
        instant,
      })),
    ),
  );
}

function ruleQueries(): readonly Query[] {
  const rules = ruleFiles().flatMap(({ groups }) => groups.flatMap((group) => group.rules));
  return rules.map((rule) => ({
    name: `rule ${'record' in rule ? rule.record : rule.alert}`,
    expr: rule.expr,
    kind: 'rule',
    instant: true,
  }));
}

function runbookQueries(): readonly Query[] {
  const folder = join(root, 'docs', 'runbooks');
  return readdirSync(folder).flatMap((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    return [...text.matchAll(/```promql\n([\s\S]*?)\n```/g)].map(([, expr = ''], index) => ({
      name: `runbook ${file.replace('.md', '')} ${index + 1}`,
      expr,
      kind: 'runbook' as const,
      instant: true,
    }));
  });
}
