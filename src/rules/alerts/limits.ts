import { NOT_RATE_LIMITS } from '../covered.ts';
import { growth, sumBy } from '../promql.ts';
import { RECORDED } from '../recording.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on requests that the API refuses or is about to refuse, while retries still absorb it. */
export function limitAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [
    rateLimited(settings),
    acceleration(),
    overloaded(settings),
    retryStorm(settings),
    retryTime(settings),
    headroom(settings),
    tierCap(settings),
  ];
}

const ON = 'on (job, key, model)';
const BY = 'job, key, model';

function rateLimited({ rateLimitedRatio, refusedHourRatio, minAttempts }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollRateLimited',
    severity: 'ticket',
    expr:
      `${RECORDED.rateLimited('5m')}{reason!~"${NOT_RATE_LIMITS}"} > ${rateLimitedRatio} ` +
      `and ${RECORDED.rateLimited('1h')} > ${refusedHourRatio} ` +
      `and ${ON} ${RECORDED.attempts('5m')} >= ${minAttempts}`,
    for: '2m',
    dashboard: 'tier',
    summary:
      '429s ({{ $labels.reason }}) on {{ $labels.model }}, key {{ $labels.key }}: {{ $value | humanizePercentage }} of attempts',
    description:
      'The limit on {{ $labels.reason }} refused {{ $value | humanizePercentage }} of the attempts in the last 5 minutes. Retries take time; if they do not absorb the refusals, the error budget burns, and that pages.',
  };
}

const LEAST_ACCELERATIONS = 5;

function acceleration(): Alert {
  const refused = growth('anthropic_rate_limited_total', '10m', 'reason="acceleration"');
  return {
    name: 'PlimsollAccelerationLimited',
    severity: 'ticket',
    expr: `${sumBy(BY, refused)} >= ${LEAST_ACCELERATIONS}`,
    for: '2m',
    dashboard: 'tier',
    summary: 'Traffic to {{ $labels.model }} with key {{ $labels.key }} grows too fast for the API',
    description:
      '{{ $value | printf "%.0f" }} requests got a 429 in 10 minutes because traffic grew too fast, although no limit per minute is reached. Ramp up in steps.',
  };
}

function overloaded({ overloadedRatio, refusedHourRatio, minAttempts }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollOverloaded',
    severity: 'ticket',
    expr:
      `${RECORDED.overloaded('5m')} > ${overloadedRatio} and ${RECORDED.overloaded('1h')} > ${refusedHourRatio} ` +
      `and ${ON} ${RECORDED.attempts('5m')} >= ${minAttempts}`,
    for: '2m',
    dashboard: 'overview',
    summary:
      'The API is overloaded (529) on {{ $labels.model }}: {{ $value | humanizePercentage }} of attempts with key {{ $labels.key }}',
    description:
      '{{ $value | humanizePercentage }} of the attempts in the last 5 minutes got a 529. The cause is on the side of the API: none of your limits is reached.',
  };
}

function retryStorm({ retriesPerCall, minRetries }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollRetryStorm',
    severity: 'ticket',
    expr:
      `${RECORDED.retriesPerCall} > ${retriesPerCall} ` +
      `and ${sumBy(BY, growth('anthropic_retries_total', '5m'))} >= ${minRetries}`,
    for: '5m',
    dashboard: 'overview',
    summary: 'Retry storm on {{ $labels.model }}, key {{ $labels.key }}: {{ $value | printf "%.1f" }} retries per call',
    description:
      '{{ $value | printf "%.2f" }} retries per call in the last 5 minutes. Each one adds load to limits that are already reached, and a call whose response was lost may be billed twice.',
  };
}

const LEAST_WAIT_SECONDS = 60;

function retryTime({ waitRatio }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollRetryTimeLost',
    severity: 'ticket',
    expr:
      `${RECORDED.waitShare} > ${waitRatio} ` +
      `and ${sumBy(BY, growth('anthropic_retry_wait_seconds_total', '5m'))} >= ${LEAST_WAIT_SECONDS}`,
    for: '10m',
    dashboard: 'overview',
    summary:
      'Calls to {{ $labels.model }} with key {{ $labels.key }} spend {{ $value | humanizePercentage }} of their time waiting to retry',
    description:
      'In the last 5 minutes, calls spent {{ $value | humanizePercentage }} of their time waiting between attempts. Users wait too.',
  };
}

function headroom({ headroomRatio }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollHeadroomLow',
    severity: 'ticket',
    expr: `${RECORDED.headroom} < ${headroomRatio}`,
    for: '3m',
    dashboard: 'tier',
    summary:
      'Limit on {{ $labels.dimension }} of {{ $labels.model_class }} nearly reached, key {{ $labels.key }}: {{ $value | humanizePercentage }} left',
    description:
      'For 3 minutes, little of the limit on {{ $labels.dimension }} has been left; now it is {{ $value | humanizePercentage }}. A little more traffic causes 429s.',
  };
}

function tierCap({ tierCapRatio }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollTierCapNear',
    severity: 'ticket',
    expr: `${RECORDED.tierProgress} > ${tierCapRatio}`,
    for: '5m',
    dashboard: 'tier',
    summary: 'Organization {{ $labels.organization }} has spent {{ $value | humanizePercentage }} of its monthly cap',
    description:
      '{{ $value | humanizePercentage }} of the monthly spend cap of the tier is used. At the cap, the API refuses every call until the month ends (UTC).',
  };
}
