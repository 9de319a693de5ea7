import { billAlerts } from './alerts/bill.ts';
import { limitAlerts } from './alerts/limits.ts';
import { moneyAlerts } from './alerts/money.ts';
import { ownAlerts } from './alerts/own.ts';
import { sloAlerts } from './alerts/slo.ts';
import { stopAlerts } from './alerts/stops.ts';
import { recordingGroups } from './recording.ts';
import type { Alert, AlertingRule, RuleGroup } from './rule.ts';
import { monitoringSettings, type MonitoringSettings } from './settings.ts';

/** A rule file; `name` has no extension. */
export interface RuleFile {
  readonly name: string;
  readonly groups: readonly RuleGroup[];
}

/** The rule files: one with recording rules, and one with alerts per concern. Throws a `ConfigurationError` for bad settings. */
export function ruleFiles(given: Partial<MonitoringSettings> = {}): readonly RuleFile[] {
  const settings = monitoringSettings(given);
  const alerting = (name: string, alerts: readonly Alert[]): RuleFile => {
    const applicable = alerts.filter(({ needsUp }) => needsUp !== true || !settings.pushed);
    const rules = applicable.map((alert) => alertingRule(alert, settings));
    return { name, groups: [{ name: `plimsoll_alerts_${name}`, interval: '1m', rules }] };
  };
  return [
    { name: 'recording', groups: recordingGroups(settings) },
    alerting('slo', sloAlerts(settings)),
    alerting('stops', stopAlerts(settings)),
    alerting('limits', limitAlerts(settings)),
    alerting('money', moneyAlerts(settings)),
    alerting('bill', billAlerts(settings)),
    alerting('own', ownAlerts(settings)),
  ];
}

/** Turns an alert into a rule, with the links to its runbook and its dashboard. */
function alertingRule(alert: Alert, { runbookBaseUrl, dashboardBaseUrl }: MonitoringSettings): AlertingRule {
  const { name, severity, expr, summary, description, dashboard, keepFiringFor } = alert;
  return {
    alert: name,
    expr,
    for: alert.for,
    keep_firing_for: keepFiringFor,
    labels: { severity },
    annotations: {
      summary,
      description,
      runbook_url: `${runbookBaseUrl.replace(/\/$/, '')}/${name}`,
      dashboard_url: `${dashboardBaseUrl.replace(/\/$/, '')}/d/plimsoll-${dashboard}`,
    },
  };
}
