import { grouped, series } from '../promql.ts';
import type { Alert } from '../rule.ts';
import type { MonitoringSettings } from '../settings.ts';

/**
 * Alerts on the organization's bill. They read what the watch of the reports shows: where nobody watches, or the report is
 * unknown, there are no series and no alerts. Every replica shows the same figures, so the highest of them is taken.
 */
export function billAlerts(settings: MonitoringSettings): readonly Alert[] {
  return [
    billDrift(settings),
    billCoverage(settings),
    billStale(settings),
    billUnread(settings),
    creditLow(settings),
    keyExpires(settings),
    keyUnused(settings),
  ];
}

const WEEK = 'window="last_7_days"';

/** Facts and not faults: a discount, keys that nobody watches, and what no response tells. */
const EXPECTED_CAUSES =
  'discount|unwatched_keys|no_key|code_execution|session_time|other_costs|priority|rounding|day_boundary';

/** What the alert on coverage is about. */
const UNSEEN_CAUSES = 'not_seen|lost|no_usage|inseparable';

/** So few days say nothing, and so few dollars are no ratio. */
const LEAST_DAYS = 3;
const LEAST_USD = 20;

/** True for a week of which enough days are complete, with enough money to compare. */
function comparable(settings: MonitoringSettings): string {
  const by = grouped(settings, 'organization');
  const days = `max by (${by}) (${series('anthropic_bill_days', WEEK)}) >= ${LEAST_DAYS}`;
  const places = grouped(settings, 'organization', 'key', 'model');
  const listed = `sum by (${by}) (max by (${places}) (${series('anthropic_bill_listed_usd', WEEK)})) >= ${LEAST_USD}`;
  return `on (${by}) (${days}) and on (${by}) (${listed})`;
}

function billDrift(settings: MonitoringSettings): Alert {
  const causes = `cause!~"${EXPECTED_CAUSES}|${UNSEEN_CAUSES}"`;
  const drift = series('anthropic_bill_drift_ratio', `${WEEK}, ${causes}`);
  const expr = `sum by (${grouped(settings, 'organization')}) (max by (${grouped(settings, 'organization', 'cause')}) (abs(${drift})))`;
  return {
    name: 'PlimsollBillDrift',
    severity: 'ticket',
    expr: `${expr} > ${settings.billDriftRatio} and ${comparable(settings)}`,
    for: '30m',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary:
      'The bill of {{ $labels.organization }} differs from what plimsoll counted by {{ $value | humanizePercentage }}',
    description:
      'Over the complete days of the last seven, tokens, prices or amounts differ by {{ $value | humanizePercentage }} of the list amount, besides discounts, calls that were not seen, and keys that plimsoll does not watch.',
  };
}

function billCoverage(settings: MonitoringSettings): Alert {
  const coverage = `max by (${grouped(settings, 'organization')}) (${series('anthropic_bill_coverage_ratio', WEEK)})`;
  return {
    name: 'PlimsollBillCoverageLow',
    severity: 'ticket',
    expr: `${coverage} < ${settings.billCoverageRatio} and ${comparable(settings)}`,
    for: '30m',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary:
      'plimsoll saw only {{ $value | humanizePercentage }} of what the watched keys of {{ $labels.organization }} cost',
    description:
      'Over the complete days of the last seven, plimsoll saw {{ $value | humanizePercentage }} of the list amount of the keys that it watches. Another program uses one of the keys, or telemetry was lost: the report does not say which.',
  };
}

/** A report is up to a day late; reading it fails for longer, or Anthropic has a delay. */
function billStale(settings: MonitoringSettings): Alert {
  const complete = series('anthropic_bill_complete_timestamp_seconds');
  return {
    name: 'PlimsollBillStale',
    severity: 'ticket',
    expr: `time() - max by (${grouped(settings, 'organization')}) (${complete}) > ${settings.billStaleSeconds}`,
    for: '15m',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary: 'The report of {{ $labels.organization }} ends {{ $value | humanizeDuration }} ago',
    description:
      'The report of the organization is complete only until {{ $value | humanizeDuration }} ago. Bill, credit and the use of keys are as old as that.',
  };
}

/** A refused key is tried again each hour: three hours see several. Where it was once read, the report's age tells. */
function billUnread(settings: MonitoringSettings): Alert {
  const by = grouped(settings, 'organization');
  const failed = `sum by (${by}) (increase(${series('anthropic_bill_polls_total', 'outcome!="ok"')}[3h]))`;
  return {
    name: 'PlimsollBillUnread',
    severity: 'ticket',
    expr: `${failed} > 0 unless on (${by}) (${series('anthropic_bill_read_timestamp_seconds')})`,
    for: '1h',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary: 'The bill of {{ $labels.organization }} could never be read',
    description:
      'Every reading of the organization has failed, {{ $value | humanize }} in the last three hours. There is no bill, no credit and no list of keys to look at.',
  };
}

function creditLow(settings: MonitoringSettings): Alert {
  const left = (bound: string): string =>
    `min by (${grouped(settings, 'organization')}) (${series('anthropic_credit_left_seconds', `bound="${bound}"`)})`;
  const by = grouped(settings, 'organization');
  const fresh = `time() - max by (${by}) (${series('anthropic_bill_complete_timestamp_seconds')}) <= ${settings.billStaleSeconds}`;
  return {
    name: 'PlimsollCreditLow',
    severity: 'ticket',
    expr: `${left('middle')} < ${settings.creditLeftSeconds} and on (${by}) (${fresh})`,
    for: '30m',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary: 'The credit of {{ $labels.organization }} lasts about {{ $value | humanizeDuration }}',
    description:
      'At the mean of the last seven complete days, the prepaid credit lasts {{ $value | humanizeDuration }}. It is reckoned from the configured balance; its bounds are on the dashboard. Without credit every call is refused.',
  };
}

function keyExpires(settings: MonitoringSettings): Alert {
  const expires = series('anthropic_organization_key_expires_timestamp_seconds');
  return {
    name: 'PlimsollKeyExpires',
    severity: 'ticket',
    expr: `min by (${grouped(settings, 'organization', 'key')}) (${expires}) - time() < ${settings.keyExpiresSeconds}`,
    for: '15m',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary: 'Key {{ $labels.key }} expires in {{ $value | humanizeDuration }}',
    description:
      'An active key named {{ $labels.key }} expires in {{ $value | humanizeDuration }}. Calls with it are refused from then on.',
  };
}

function keyUnused(settings: MonitoringSettings): Alert {
  const idle = series('anthropic_organization_key_idle_since_timestamp_seconds');
  return {
    name: 'PlimsollKeyUnused',
    severity: 'ticket',
    expr: `time() - min by (${grouped(settings, 'organization', 'key')}) (${idle}) > ${settings.keyIdleSeconds}`,
    for: '1h',
    keepFiringFor: '1h',
    dashboard: 'bill',
    summary: 'Key {{ $labels.key }} was not used for {{ $value | humanizeDuration }}',
    description:
      'An active key named {{ $labels.key }} has no use in the report for {{ $value | humanizeDuration }}. A key that nobody needs is one that can leak.',
  };
}
