import { growth, series, sumBy } from '../promql.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** What stops hard: calls are refused until somebody acts, or nobody would see it if they were. */
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
    summary: 'Spend limit ({{ $labels.scope }}) refuses key {{ $labels.key }} on {{ $labels.model }}',
    description:
      '{{ $value | printf "%.0f" }} requests were refused for spend in 10 minutes. Retrying does not help: calls fail until the limit is raised or its period ends.',
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
      '{{ $value | printf "%.0f" }} calls were not sent in 5 minutes because the budget is spent or reserved. They fail until it is raised or its period ends.',
  };
}

/**
 * A ledger that does not answer lets calls through, unless the budget says `closed`. Then more calls are blocked than any
 * budget has decided to block.
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
    summary: 'Budget {{ $labels.budget }} refuses calls: its ledger does not answer',
    description:
      '{{ $value | printf "%.0f" }} calls were held to a budget whose ledger did not answer in 5 minutes, and calls were refused for it.',
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
    summary: 'Key {{ $labels.key }} is not accepted (401)',
    description:
      '{{ $value | printf "%.0f" }} requests with key {{ $labels.key }} got 401 in 5 minutes: it was revoked, has expired, or was deployed wrongly.',
  };
}

/** Such requests never become calls: no objective of theirs sees them. Tokens that do not hold are the business of clients. */
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
      '{{ $value | printf "%.0f" }} requests in 5 minutes were refused as overload. unavailable: it cannot reach the place where tokens are kept; overloaded: it holds as many requests as it may.',
  };
}

/**
 * A job whose targets are all down, one that Prometheus was told of and has no target for, and one that was here within the
 * hour and is gone. `absent()` of an expression with an operator has no labels, so each job is asked for by name.
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
      'Prometheus has not got metrics of plimsoll from any target of job {{ $labels.job }} for 5 minutes: the service is down, or nobody would see it if it were.',
  };
}
