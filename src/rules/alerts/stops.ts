import { grew } from '../growth.ts';
import { grouped, sumBy } from '../promql.ts';
import { RECORDED } from '../recording.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on hard stops: calls are refused until somebody acts, or nobody would notice if they were. */
export function stopAlerts(settings: MonitoringSettings): readonly Alert[] {
  const alerts = [spendCap, budgetBlocks, ledgerClosed, unauthorized, gatewayRefuses, telemetry, replicas];
  return alerts.map((alert) => alert(settings));
}

/** Long enough that a page is read, and that the next refusal of the same incident does not page again. */
const READ = '15m';

function spendCap(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollSpendCapReached',
    severity: 'page',
    expr: `${sumBy(grouped(settings, 'key', 'model', 'scope'), grew('spend_limited', '10m'))} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'tier',
    summary: 'Spend limit ({{ $labels.scope }}) refuses calls to {{ $labels.model }} with key {{ $labels.key }}',
    description:
      'Requests that a spend limit refused in 10 minutes: {{ $value | printf "%.0f" }}. Retrying does not help: calls fail until the limit is raised or its period ends.',
  };
}

function budgetBlocks(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollBudgetBlocks',
    severity: 'page',
    expr: `${sumBy(grouped(settings, 'budget'), grew('budget_decisions', '5m', { matchers: 'decision="blocked"' }))} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} blocks calls',
    description:
      'The budget is spent or reserved. Calls refused in 5 minutes: {{ $value | printf "%.0f" }}. Calls fail until it is raised or its period ends.',
  };
}

/**
 * A ledger that does not respond lets calls through, unless the budget says `closed`. In that case more calls are blocked
 * than budgets have decided to block.
 */
function ledgerClosed(settings: MonitoringSettings): Alert {
  const by = grouped(settings);
  const decisions = (decision: string): string =>
    grew('budget_decisions', '5m', { matchers: `decision="${decision}"` });
  const blockedCalls = sumBy(by, grew('requests', '5m', { matchers: 'outcome="blocked"' }));
  const unavailable = sumBy(grouped(settings, 'budget'), decisions('unavailable'));
  return {
    name: 'PlimsollLedgerFailsClosed',
    severity: 'page',
    expr: `${unavailable} > 0 and on (${by}) (${blockedCalls} > (${sumBy(by, decisions('blocked'))} or 0 * ${blockedCalls}))`,
    for: '1m',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} refuses calls because its ledger does not respond',
    description:
      'Calls that could not be checked in 5 minutes because the ledger did not respond: {{ $value | printf "%.0f" }}. Calls were refused for it.',
  };
}

const LEAST_REFUSALS = 3;

function unauthorized(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollUnauthorized',
    severity: 'page',
    expr: `${sumBy(grouped(settings, 'key'), grew('attempts', '5m', { matchers: 'status="401"' }))} >= ${LEAST_REFUSALS}`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'The API does not accept key {{ $labels.key }} (401)',
    description:
      'Requests with key {{ $labels.key }} that got a 401 in 5 minutes: {{ $value | printf "%.0f" }}. The key was revoked, has expired, or was deployed wrongly.',
  };
}

/** Such requests never become calls, so no objective sees them. Bad tokens are the clients' own business. */
function gatewayRefuses(settings: MonitoringSettings): Alert {
  const refused = grew('gateway_refusals', '5m', { matchers: 'reason=~"unavailable|overloaded"' });
  return {
    name: 'PlimsollGatewayRefuses',
    severity: 'page',
    expr: `${sumBy(grouped(settings, 'reason'), refused)} >= ${LEAST_REFUSALS}`,
    for: '1m',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'Gateway {{ $labels.job }} refuses requests: {{ $labels.reason }}',
    description:
      'Requests that the gateway refused in 5 minutes: {{ $value | printf "%.0f" }}. unavailable: it cannot reach its token store. overloaded: it already holds as many requests as it may.',
  };
}

/** Minutes of the last six hours in which a job must have had metrics for its absence to be news: a nightly job ends. */
const STEADY_MINUTES = 300;

/**
 * Fires for a configured job whose targets are all down or that has no target, and for another job that has run for hours
 * and is gone. `absent()` of an expression with an operator has no labels, so each job is asked for by name.
 */
function telemetry(settings: MonitoringSettings): Alert {
  const down = `max by (${grouped(settings)}) (${upOf(settings)}) == 0`;
  const { replicas: present } = RECORDED;
  const gone = `count_over_time(${present}[6h]) >= ${STEADY_MINUTES} unless ${present}`;
  return {
    name: 'PlimsollTelemetryMissing',
    severity: 'page',
    needsUp: true,
    expr: [down, ...settings.jobs.map((job) => `absent(up{job="${job}"})`), `(${gone})`].join(' or '),
    for: '5m',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'No metrics from job {{ $labels.job }}',
    description:
      'For 5 minutes, Prometheus has received no plimsoll metrics from job {{ $labels.job }}. The service is down, or nobody would notice if it were.',
  };
}

function upOf({ jobs }: MonitoringSettings): string {
  return `up{job=~"${jobs.map((job) => job.replaceAll('.', '\\\\.')).join('|')}"}`;
}

/** Replicas below which a share of them says little. */
const LEAST_REPLICAS = 3;

/** More than half of a configured job's targets do not answer, or less than a fifth of an hour's replicas is left. */
function replicas(settings: MonitoringSettings): Alert {
  const { replicas: present } = RECORDED;
  const by = grouped(settings);
  const up = upOf(settings);
  const silent = `(1 - avg by (${by}) (${up})) > 0.5 and count by (${by}) (${up}) >= ${LEAST_REPLICAS}`;
  const gone = `(1 - ${present} / max_over_time(${present}[1h])) > 0.8`;
  return {
    name: 'PlimsollReplicasDown',
    severity: 'page',
    needsUp: true,
    expr: `(${silent}) or (${gone})`,
    for: '5m',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: '{{ $value | humanizePercentage }} of the replicas of job {{ $labels.job }} are down',
    description:
      'For 5 minutes, {{ $value | humanizePercentage }} of the replicas of job {{ $labels.job }} have not been scraped. The rest carries their traffic, and alerts see only the rest.',
  };
}
