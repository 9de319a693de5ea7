import { NOT_RATE_LIMITS } from '../covered.ts';
import { growth, sumBy } from '../promql.ts';
import { RECORDED } from '../recording.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** What the API refuses or is about to refuse, while retries still absorb it. */
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
      '429 ({{ $labels.reason }}) for key {{ $labels.key }} on {{ $labels.model }}: {{ $value | humanizePercentage }}',
    description:
      '{{ $value | humanizePercentage }} of the attempts of the last 5 minutes were refused by the limit on {{ $labels.reason }}. Retries cost time; if they do not absorb it, the error budget burns and that pages.',
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
    summary: 'Traffic of key {{ $labels.key }} on {{ $labels.model }} grows too fast for the API',
    description:
      '{{ $value | printf "%.0f" }} requests got 429 in 10 minutes because usage rose too sharply, whatever the limits say. Ramp up step by step.',
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
      'The API is overloaded (529) for {{ $labels.model }}: {{ $value | humanizePercentage }} of key {{ $labels.key }}',
    description:
      '{{ $value | humanizePercentage }} of the attempts of the last 5 minutes got 529. That is the side of the API: no limit of yours is met.',
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
    summary: 'Retry storm of key {{ $labels.key }} on {{ $labels.model }}: {{ $value | printf "%.1f" }} retries a call',
    description:
      '{{ $value | printf "%.2f" }} retries for each call in the last 5 minutes. Each is load on limits that are already met, and a lost answer may be billed twice.',
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
      'Calls of key {{ $labels.key }} to {{ $labels.model }} wait {{ $value | humanizePercentage }} of their time to retry',
    description:
      '{{ $value | humanizePercentage }} of the time of calls in the last 5 minutes was waiting between attempts. Users wait along.',
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
      'Limit on {{ $labels.dimension }} nearly used by key {{ $labels.key }} on {{ $labels.model_class }}: {{ $value | humanizePercentage }} left',
    description:
      '{{ $value | humanizePercentage }} of the limit on {{ $labels.dimension }} has been left for 3 minutes. A little more traffic and there are 429s.',
  };
}

function tierCap({ tierCapRatio }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollTierCapNear',
    severity: 'ticket',
    expr: `${RECORDED.tierProgress} > ${tierCapRatio}`,
    for: '5m',
    dashboard: 'tier',
    summary: 'Organisation {{ $labels.organization }} has spent {{ $value | humanizePercentage }} of its monthly cap',
    description:
      '{{ $value | humanizePercentage }} of the monthly spend cap of the tier is used. At the cap the API refuses every call until the next month, UTC.',
  };
}
