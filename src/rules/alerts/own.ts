import { UNWANTED_EXITS } from '../covered.ts';
import { grew } from '../growth.ts';
import { grouped, series, sumBy } from '../promql.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts about plimsoll itself: figures may be missing or coarse. */
export function ownAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [ledgerDown(settings), gatewayFaults(settings), gatewayWorkers(settings), errors(settings), dropped(settings)];
}

/** A ledger that comes and goes, or an error in each batch, is one ticket. */
const READ = '1h';

function ledgerDown(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollLedgerDown',
    severity: 'ticket',
    expr: `min by (${grouped(settings, 'ledger', 'ledger_id')}) (${series('anthropic_budget_ledger_up')}) == 0`,
    for: '5m',
    keepFiringFor: READ,
    dashboard: 'budget',
    summary: 'The {{ $labels.ledger }} ledger of job {{ $labels.job }} does not respond',
    description:
      'For 5 minutes, a process could not reach the ledger of its budgets. Its onLedgerDown decides about calls of a budget that blocks; those of others go through without being checked.',
  };
}

/** Of an API that one of several keys has, clients may see nothing: others answer. A key counts once, until it is mended. */
const LEAST_API_FAULTS = 3;

/** Faults of the ledger and of the token store have alerts of their own. */
function gatewayFaults(settings: MonitoringSettings): Alert {
  const faults = (part: string): string =>
    sumBy(grouped(settings, 'part', 'cause'), grew('gateway_faults', '15m', { matchers: `part="${part}"` }));
  return {
    name: 'PlimsollGatewayFaults',
    severity: 'ticket',
    expr: `${faults('api')} >= ${LEAST_API_FAULTS} or ${faults('key')} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'Gateway {{ $labels.job }} has faults ({{ $labels.part }}): {{ $labels.cause }}',
    description:
      'In 15 minutes, {{ $value | printf "%.0f" }} times. api: an API that keys call cannot be reached; other keys may answer in its place. key: a key file is of no use, and the previous key stays in use until a restart.',
  };
}

/** A worker killed for its memory once a day needs nobody; but clients of one that hung waited half a minute. */
const LEAST_EXITS = 3;

function gatewayWorkers(settings: MonitoringSettings): Alert {
  const exits = (cause: string): string =>
    sumBy(grouped(settings, 'cause'), grew('worker_exits', '15m', { matchers: `cause=~"${cause}"` }));
  return {
    name: 'PlimsollGatewayWorkers',
    severity: 'ticket',
    expr: `${exits(UNWANTED_EXITS)} >= ${LEAST_EXITS} or ${exits('hung')} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'Workers of gateway {{ $labels.job }} keep ending: {{ $labels.cause }}',
    description:
      'Workers that ended this way in 15 minutes: {{ $value | printf "%.0f" }}. Their calls in progress broke off. Each was replaced, after a wait of up to 30 seconds if it ended within a minute.',
  };
}

function errors(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollErrors',
    severity: 'ticket',
    expr: `${sumBy(grouped(settings, 'stage'), grew('errors', '15m'))} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'plimsoll has errors in stage {{ $labels.stage }} of job {{ $labels.job }}; calls go through',
    description:
      'Errors of plimsoll itself in 15 minutes: {{ $value | printf "%.0f" }}. Calls are not affected, but their figures may be missing.',
  };
}

function dropped(settings: MonitoringSettings): Alert {
  return {
    name: 'PlimsollLabelValuesDropped',
    severity: 'ticket',
    expr: `${sumBy(grouped(settings, 'label'), grew('label_values_dropped', '1h'))} > 0`,
    for: '0s',
    keepFiringFor: READ,
    dashboard: 'calls',
    summary: 'Values of label {{ $labels.label }} of job {{ $labels.job }} are counted as other',
    description:
      'Calls in the last hour with a value of {{ $labels.label }} over the cap or not allowed in a label: {{ $value | printf "%.0f" }}. Their figures are under other.',
  };
}
