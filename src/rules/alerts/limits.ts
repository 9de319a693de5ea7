import { NOT_RATE_LIMITS } from '../covered.ts';
import { grew } from '../growth.ts';
import { grouped, series, sumBy } from '../promql.ts';
import { RECORDED } from '../recording.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/** Alerts on requests that the API refuses or is about to refuse, while retries still absorb it. */
export function limitAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [
    rateLimited(settings),
    acceleration(settings),
    overloaded(settings),
    retryStorm(settings),
    retryTime(settings),
    headroom(settings),
    paceWaits(settings),
    tierCap(settings),
  ];
}

const by = (settings: MonitoringSettings): string => grouped(settings, 'key', 'model');

/** Long enough to be read, and to be one incident where limits are met in every batch of a worker. */
const READ = '30m';

/** Busy: a share of five minutes that was not one spike in a good hour. Quiet: a share of the hour, of a few calls. */
function rateLimited(settings: MonitoringSettings): Alert {
  const { rateLimitedRatio, refusedHourRatio, minAttempts, hourlyRateLimitedRatio, hourlyMinRefusals } = settings;
  const reasons = `{reason!~"${NOT_RATE_LIMITS}"}`;
  const refused = sumBy(
    grouped(settings, 'key', 'model', 'reason'),
    grew('rate_limited', '1h', { matchers: `reason!~"${NOT_RATE_LIMITS}"` }),
  );
  return {
    name: 'PlimsollRateLimited',
    severity: 'ticket',
    expr:
      `(${RECORDED.rateLimited('5m')}${reasons} > ${rateLimitedRatio} ` +
      `and ${RECORDED.rateLimited('1h')} > ${refusedHourRatio} ` +
      `and on (${by(settings)}) ${RECORDED.attempts('5m')} >= ${minAttempts}) ` +
      `or (${RECORDED.rateLimited('1h')}${reasons} > ${hourlyRateLimitedRatio} and ${refused} >= ${hourlyMinRefusals})`,
    for: '2m',
    keepFiringFor: READ,
    dashboard: 'tier',
    summary:
      '429s ({{ $labels.reason }}) on {{ $labels.model }}, key {{ $labels.key }}: {{ $value | humanizePercentage }} of attempts',
    description:
      'The limit on {{ $labels.reason }} refused {{ $value | humanizePercentage }} of the attempts in the last 5 minutes, or in the last hour where there were few. Retries take time; if they do not absorb the refusals, the error budget burns, and that pages.',
  };
}

const LEAST_ACCELERATIONS = 5;

function acceleration(settings: MonitoringSettings): Alert {
  const refused = grew('rate_limited', '10m', { matchers: 'reason="acceleration"' });
  return {
    name: 'PlimsollAccelerationLimited',
    severity: 'ticket',
    expr: `${sumBy(by(settings), refused)} >= ${LEAST_ACCELERATIONS}`,
    for: '2m',
    keepFiringFor: READ,
    dashboard: 'tier',
    summary: 'Traffic to {{ $labels.model }} with key {{ $labels.key }} grows too fast for the API',
    description:
      'Requests that got a 429 in 10 minutes because traffic grew too fast: {{ $value | printf "%.0f" }}. No limit per minute is reached. Ramp up in steps.',
  };
}

function overloaded({ overloadedRatio, refusedHourRatio, minAttempts }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollOverloaded',
    severity: 'ticket',
    expr:
      `${RECORDED.overloaded('5m')} > ${overloadedRatio} and ${RECORDED.overloaded('1h')} > ${refusedHourRatio} ` +
      `and ${RECORDED.attempts('5m')} >= ${minAttempts}`,
    for: '2m',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary:
      'The API is overloaded (529) on {{ $labels.model }}: {{ $value | humanizePercentage }} of attempts with key {{ $labels.key }}',
    description:
      '{{ $value | humanizePercentage }} of the attempts in the last 5 minutes got a 529. The cause is on the side of the API: none of your limits is reached.',
  };
}

/** A call that somebody waits for. */
const LONGEST_INTERACTIVE_SECONDS = 10;
const LEAST_TIRED = 10;

function paceWaits(settings: MonitoringSettings): Alert {
  const by = grouped(settings, 'pace', 'lane');
  const tired = sumBy(by, grew('pace_turns', '10m', { matchers: 'end=~"max_wait|queue_full"' }));
  const longest = `max by (${by}) (${series('anthropic_pace_longest_wait_seconds', 'lane="interactive"')})`;
  return {
    name: 'PlimsollPaceWaits',
    severity: 'ticket',
    expr: `${longest} > ${LONGEST_INTERACTIVE_SECONDS} or ${tired} >= ${LEAST_TIRED}`,
    for: '5m',
    keepFiringFor: READ,
    dashboard: 'tier',
    summary: 'Calls in lane {{ $labels.lane }} of pace {{ $labels.pace }} wait too long for room in the rate limits',
    description:
      'For 5 minutes, interactive calls have waited for more than 10 seconds, or calls have waited for as long as they may and were refused. More comes than the limits allow.',
  };
}

function retryStorm(settings: MonitoringSettings): Alert {
  const { retriesPerCall, minRetries } = settings;
  return {
    name: 'PlimsollRetryStorm',
    severity: 'ticket',
    expr:
      `${RECORDED.retriesPerCall} > ${retriesPerCall} ` +
      `and ${sumBy(by(settings), grew('retries', '5m'))} >= ${minRetries}`,
    for: '5m',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary: 'Retry storm on {{ $labels.model }}, key {{ $labels.key }}: {{ $value | printf "%.1f" }} retries per call',
    description:
      '{{ $value | printf "%.2f" }} retries per call in the last 5 minutes. Each one adds load to limits that are already reached, and a call whose response was lost may be billed twice.',
  };
}

const LEAST_WAIT_SECONDS = 60;

function retryTime(settings: MonitoringSettings): Alert {
  const { waitRatio } = settings;
  const lost = (window: '5m' | '1h'): string =>
    `(${RECORDED.waitShare(window)} > ${waitRatio} ` +
    `and ${sumBy(by(settings), grew('retry_wait_seconds', window))} >= ${LEAST_WAIT_SECONDS})`;
  return {
    name: 'PlimsollRetryTimeLost',
    severity: 'ticket',
    expr: `${lost('5m')} or ${lost('1h')}`,
    for: '10m',
    keepFiringFor: READ,
    dashboard: 'overview',
    summary:
      'Calls to {{ $labels.model }} with key {{ $labels.key }} spend {{ $value | humanizePercentage }} of their time waiting to retry',
    description:
      'In the last 5 minutes, or in the last hour where there were few calls, calls spent {{ $value | humanizePercentage }} of their time waiting between attempts. Users wait too.',
  };
}

/** From every response: the gauge of what remains has been refilled by the time that it is scraped. */
function headroom({ headroomRatio, nearLimitRatio, minResponses }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollHeadroomLow',
    severity: 'ticket',
    expr: `${RECORDED.nearLimit} > ${nearLimitRatio} and ${RECORDED.limitResponses} >= ${minResponses}`,
    for: '3m',
    keepFiringFor: READ,
    dashboard: 'tier',
    summary:
      'Limit on {{ $labels.dimension }} of {{ $labels.model_class }} nearly reached, key {{ $labels.key }}: {{ $value | humanizePercentage }} of responses left little of it',
    description: `{{ $value | humanizePercentage }} of the responses in the last 10 minutes left less than ${Number((headroomRatio * 100).toPrecision(6))}% of the limit on {{ $labels.dimension }}. A little more traffic causes 429s.`,
  };
}

function tierCap({ tierCapRatio }: MonitoringSettings): Alert {
  return {
    name: 'PlimsollTierCapNear',
    severity: 'ticket',
    expr: `${RECORDED.tierProgress} > ${tierCapRatio}`,
    for: '5m',
    keepFiringFor: READ,
    dashboard: 'tier',
    summary: 'Organization {{ $labels.organization }} has spent {{ $value | humanizePercentage }} of its monthly cap',
    description:
      '{{ $value | humanizePercentage }} of the monthly spend cap of the tier is used. At the cap, the API refuses every call until the month ends (UTC).',
  };
}
