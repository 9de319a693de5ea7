import type { RuleFile } from './rule-files.ts';
import { groupsValue, ruleFileText, yamlText, type AlertingRule, type RecordingRule } from './rule.ts';

/** The file of a dashboard. */
export interface DashboardSource {
  /** `overview.json` */
  readonly name: string;
  readonly text: string;
}

/** Labels that an export adds. */
export interface ExportLabels {
  /** Of Kubernetes objects: kube-prometheus-stack reads only rules with the label `release` of its own release. */
  readonly objects: Readonly<Record<string, string>>;
  /** Of every alert. */
  readonly alerts: Readonly<Record<string, string>>;
  /** The names that alerts have in place of `page` and `ticket`. */
  readonly severities: Readonly<Record<string, string>>;
}

interface Placement {
  /** The Kubernetes namespace. Default: the one it is applied in. */
  readonly namespace?: string;
  readonly labels: ExportLabels['objects'];
}

/** The rules with the severities and labels of the export in their alerts. */
export function labeledRules(rules: readonly RuleFile[], { alerts, severities }: ExportLabels): readonly RuleFile[] {
  const labeled = (rule: RecordingRule | AlertingRule): RecordingRule | AlertingRule => {
    if ('record' in rule) return rule;
    const { severity = '' } = rule.labels;
    return { ...rule, labels: { ...rule.labels, severity: severities[severity] ?? severity, ...alerts } };
  };
  return rules.map(({ name, groups }) => ({
    name,
    groups: groups.map((group) => ({ ...group, rules: group.rules.map(labeled) })),
  }));
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

interface DashboardPlacement extends Placement {
  /** Grafana's folder, as the annotation that its sidecar reads where `folderAnnotation` is `grafana_folder`. */
  readonly folder: string;
}

/** A ConfigMap for each dashboard, with the label that Grafana's sidecar looks for. */
export function configMaps(dashboards: readonly DashboardSource[], placement: DashboardPlacement): string {
  const { folder, ...rest } = placement;
  const documents = dashboards.map(({ name, text }) =>
    yamlText({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        ...metadata(`plimsoll-dashboard-${name.replace('.json', '')}`, rest, { grafana_dashboard: '1' }),
        annotations: { grafana_folder: folder },
      },
      data: { [`plimsoll-${name}`]: text.trimEnd() },
    }),
  );
  return documents.join('---\n');
}

function metadata(name: string, placement: Placement, own: Readonly<Record<string, string>> = {}) {
  return { name, ...placement, labels: { ...own, 'app.kubernetes.io/name': 'plimsoll', ...placement.labels } };
}

/** One PrometheusRule object with the groups of all files. */
export function prometheusRules(rules: readonly RuleFile[], placement: Placement): string {
  return yamlText({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: metadata('plimsoll', placement),
    spec: groupsValue(rules.flatMap(({ groups }) => groups)),
  });
}
