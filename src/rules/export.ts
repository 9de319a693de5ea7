import type { RuleFile } from './rule-files.ts';
import { groupsValue, ruleFileText, yamlText } from './rule.ts';

/** The file of a dashboard. */
export interface DashboardSource {
  /** `overview.json` */
  readonly name: string;
  readonly text: string;
}

/** The Kubernetes namespace. Default: the one it is applied in. */
interface Placement {
  readonly namespace?: string;
}

/** All dashboards and rules as files, by path. */
export function exportedFiles(
  rules: readonly RuleFile[],
  dashboards: readonly DashboardSource[],
): readonly { readonly path: string; readonly text: string }[] {
  return [
    ...dashboards.map(({ name, text }) => ({ path: `dashboards/${name}`, text })),
    ...rules.map(({ name, groups }) => ({ path: `alerts/${name}.yml`, text: ruleFileText(groups) })),
  ];
}

/** A ConfigMap for each dashboard, with the label that Grafana's sidecar looks for. */
export function configMaps(dashboards: readonly DashboardSource[], placement: Placement): string {
  const documents = dashboards.map(({ name, text }) =>
    yamlText({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: `plimsoll-dashboard-${name.replace('.json', '')}`,
        ...placement,
        labels: { grafana_dashboard: '1', 'app.kubernetes.io/name': 'plimsoll' },
      },
      data: { [`plimsoll-${name}`]: text.trimEnd() },
    }),
  );
  return documents.join('---\n');
}

/** One PrometheusRule object with the groups of all files. */
export function prometheusRules(rules: readonly RuleFile[], placement: Placement): string {
  return yamlText({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'plimsoll', ...placement, labels: { 'app.kubernetes.io/name': 'plimsoll' } },
    spec: groupsValue(rules.flatMap(({ groups }) => groups)),
  });
}
