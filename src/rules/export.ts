import type { RuleFile } from './rule-files.ts';
import { groupsValue, ruleFileText, yamlText } from './rule.ts';

/** A dashboard's file as it is shipped. */
export interface DashboardSource {
  /** `overview.json` */
  readonly name: string;
  readonly text: string;
}

/** Where Kubernetes keeps it; left out, where it is applied. */
interface Placement {
  readonly namespace?: string;
}

/** Everything as files, by their paths. */
export function exportedFiles(
  rules: readonly RuleFile[],
  dashboards: readonly DashboardSource[],
): readonly { readonly path: string; readonly text: string }[] {
  return [
    ...dashboards.map(({ name, text }) => ({ path: `dashboards/${name}`, text })),
    ...rules.map(({ name, groups }) => ({ path: `alerts/${name}.yml`, text: ruleFileText(groups) })),
  ];
}

/** ConfigMaps with the label that Grafana's sidecar looks for, one for each dashboard. */
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

/** One PrometheusRule with the groups of all files. */
export function prometheusRules(rules: readonly RuleFile[], placement: Placement): string {
  return yamlText({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'plimsoll', ...placement, labels: { 'app.kubernetes.io/name': 'plimsoll' } },
    spec: groupsValue(rules.flatMap(({ groups }) => groups)),
  });
}
