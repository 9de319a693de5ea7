import { growth, series, sumBy } from '../promql.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on hard stops: calls are refused until somebody acts, or nobody would notice if they were. */
export function stopAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [spendCap(), budgetBlocks(), ledgerClosed(), unauthorized(), gatewayRefuses(), telemetry(settings)];
}

function spendCap(): Alert {
  return {
    name: 'PlimsollSpendCapReached',
    severity: 'page',
    expr: `${sumBy('job, key, model, scope', growth('anthropic_spend_limited_total', '10m'))} > 0`,
    for: '0s',
    dashboard: 'tier',
    summary: 'Spend limit ({{ $labels.scope }}) refuses calls to {{ $labels.model }} with key {{ $labels.key }}',
    description:
      'A spend limit refused {{ $value | printf "%.0f" }} requests in 10 minutes. Retrying does not help: calls fail until the limit is raised or its period ends.',
  };
}

function budgetBlocks(): Alert {
  return {
    name: 'PlimsollBudgetBlocks',
    severity: 'page',
    expr: `${sumBy('job, budget', growth('anthropic_budget_decisions_total', '5m', 'decision="blocked"'))} > 0`,
    for: '0s',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} blocks calls',
    description:
      'The budget is spent or reserved, so {{ $value | printf "%.0f" }} calls were refused in 5 minutes. Calls fail until it is raised or its period ends.',
  };
}

/**
 * A ledger that does not respond lets calls through, unless the budget says `closed`. In that case more calls are blocked
 * than budgets have decided to block.
 */
function ledgerClosed(): Alert {
  const decisions = (decision: string): string =>
    growth('anthropic_budget_decisions_total', '5m', `decision="${decision}"`);
  const blockedCalls = sumBy('job', growth('anthropic_requests_total', '5m', 'outcome="blocked"'));
  const unavailable = sumBy('job, budget', decisions('unavailable'));
  return {
    name: 'PlimsollLedgerFailsClosed',
    severity: 'page',
    expr: `${unavailable} > 0 and on (job) (${blockedCalls} > (${sumBy('job', decisions('blocked'))} or 0 * ${blockedCalls}))`,
    for: '1m',
    dashboard: 'budget',
    summary: 'Budget {{ $labels.budget }} refuses calls because its ledger does not respond',
    description:
      'In 5 minutes, {{ $value | printf "%.0f" }} calls could not be checked because the ledger did not respond, and calls were refused for it.',
  };
}

const LEAST_REFUSALS = 3;

function unauthorized(): Alert {
  return {
    name: 'PlimsollUnauthorized',
    severity: 'page',
    expr: `${sumBy('job, key', growth('anthropic_attempts_total', '5m', 'status="401"'))} >= ${LEAST_REFUSALS}`,
    for: '0s',
    dashboard: 'overview',
    summary: 'The API does not accept key {{ $labels.key }} (401)',
    description:
      '{{ $value | printf "%.0f" }} requests with key {{ $labels.key }} got a 401 in 5 minutes. The key was revoked, has expired, or was deployed wrongly.',
  };
}

/** Such requests never become calls, so no objective sees them. Bad tokens are the clients' own business. */
function gatewayRefuses(): Alert {
  const refused = growth('plimsoll_gateway_refusals_total', '5m', 'reason=~"unavailable|overloaded"');
  return {
    name: 'PlimsollGatewayRefuses',
    severity: 'page',
    expr: `${sumBy('job, reason', refused)} >= ${LEAST_REFUSALS}`,
    for: '1m',
    dashboard: 'overview',
    summary: 'Gateway {{ $labels.job }} refuses requests: {{ $labels.reason }}',
    description:
      'The gateway refused {{ $value | printf "%.0f" }} requests in 5 minutes. unavailable: it cannot reach its token store. overloaded: it already holds as many requests as it may.',
  };
}

/**
 * Fires for a job whose targets are all down, for a configured job without a target, and for a job that had metrics within
 * the hour and has none now. `absent()` of an expression with an operator has no labels, so each job is asked for by name.
 */
function telemetry({ jobs }: MonitoringSettings): Alert {
  const build = series('plimsoll_build_info');
  const names = jobs.map((job) => job.replaceAll('.', '\\\\.')).join('|');
  const down = `max by (job) (up{job=~"${names}"}) == 0`;
  const gone = `group by (job) (last_over_time(${build}[1h])) unless group by (job) (${build})`;
  return {
    name: 'PlimsollTelemetryMissing',
    severity: 'page',
    expr: [down, ...jobs.map((job) => `absent(up{job="${job}"})`), `(${gone})`].join(' or '),
    for: '5m',
    dashboard: 'overview',
    summary: 'No metrics from job {{ $labels.job }}',
    description:
      'For 5 minutes, Prometheus has received no plimsoll metrics from job {{ $labels.job }}. The service is down, or nobody would notice if it were.',
  };
}
