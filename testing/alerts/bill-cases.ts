import { level, type AlertCase } from '../promtool.ts';

const ON = 'job="plimsoll",instance="a",organization="default"';
const WEEK = 'window="last_7_days"';

const HOURS = 12;
const HOUR = 3_600;
const DAY = 24 * HOUR;

const days = `anthropic_bill_days{${ON},${WEEK}}`;
const listed = `anthropic_bill_listed_usd{${ON},${WEEK},key="prod-a-api",model="claude-haiku-4-5"}`;
const coverage = `anthropic_bill_coverage_ratio{${ON},${WEEK}}`;
const drift = (cause: string): string => `anthropic_bill_drift_ratio{${ON},${WEEK},cause="${cause}"}`;
const complete = `anthropic_bill_complete_timestamp_seconds{${ON}}`;

/** A week that can be compared. */
const week = { [days]: level([HOURS, 7]), [listed]: level([HOURS, 100]) };

const plain = { step: '1h', at: '11h', firing: [] } as const;
const here = { job: 'plimsoll', organization: 'default' };

const driftCase = { ...plain, alert: 'PlimsollBillDrift' } as const;
const DRIFT: readonly AlertCase[] = [
  {
    ...driftCase,
    name: 'fires when tokens and prices together differ by more than the threshold',
    series: { ...week, [drift('counted')]: level([HOURS, 0.015]), [drift('price')]: level([HOURS, -0.015]) },
    firing: [[here, 'The bill of default differs from what plimsoll counted by 3%']],
  },
  {
    ...driftCase,
    name: 'does not fire for a percent',
    series: { ...week, [drift('counted')]: level([HOURS, 0.01]) },
  },
  {
    ...driftCase,
    name: 'does not fire for a discount, and for keys that nobody watches',
    series: { ...week, [drift('discount')]: level([HOURS, -0.2]), [drift('unwatched_keys')]: level([HOURS, 0.5]) },
  },
  {
    ...driftCase,
    name: 'does not fire while two days of the week are complete',
    series: { ...week, [days]: level([HOURS, 2]), [drift('counted')]: level([HOURS, 0.1]) },
  },
  {
    ...driftCase,
    name: 'does not fire for a week of $10',
    series: { ...week, [listed]: level([HOURS, 10]), [drift('counted')]: level([HOURS, 0.1]) },
  },
];

const coverageCase = { ...plain, alert: 'PlimsollBillCoverageLow' } as const;
const COVERAGE: readonly AlertCase[] = [
  {
    ...coverageCase,
    name: 'fires when a tenth of what watched keys cost was not seen',
    series: { ...week, [coverage]: level([HOURS, 0.9]) },
    firing: [[here, 'plimsoll saw only 90% of what the watched keys of default cost']],
  },
  {
    ...coverageCase,
    name: 'does not fire when nearly all was seen',
    series: { ...week, [coverage]: level([HOURS, 0.97]) },
  },
  {
    ...coverageCase,
    name: 'does not fire while two days of the week are complete',
    series: { ...week, [days]: level([HOURS, 2]), [coverage]: level([HOURS, 0.5]) },
  },
  {
    ...coverageCase,
    name: 'does not fire for a week of $10',
    series: { ...week, [listed]: level([HOURS, 10]), [coverage]: level([HOURS, 0.5]) },
  },
];

const STALE: readonly AlertCase[] = [
  {
    ...plain,
    alert: 'PlimsollBillStale',
    name: 'fires when the report has ended for 32 hours',
    series: { [complete]: level([40, 0]) },
    at: '32h',
    firing: [[here, 'The report of default ends 1d 8h 0m 0s ago']],
  },
  {
    ...plain,
    alert: 'PlimsollBillStale',
    name: 'does not fire for a report that is a day late',
    series: { [complete]: level([40, 0]) },
    at: '24h',
  },
  {
    ...plain,
    alert: 'PlimsollBillStale',
    name: 'does not fire where nothing has landed, or nobody reads',
    series: { [`anthropic_bill_read_timestamp_seconds{${ON},source="analytics"}`]: level([40, 0]) },
    at: '39h',
  },
];

const polls = (outcome: string): string => `anthropic_bill_polls_total{${ON},outcome="${outcome}"}`;
const unreadCase = { ...plain, alert: 'PlimsollBillUnread' } as const;
const UNREAD: readonly AlertCase[] = [
  {
    ...unreadCase,
    name: 'fires when every reading of an admin key was refused',
    series: { [polls('ok')]: level([HOURS, 0]), [polls('unauthorized')]: '0+1x12' },
    firing: [[here, 'The bill of default could never be read']],
  },
  {
    ...unreadCase,
    name: 'does not fire for an organization of which no day has landed',
    series: {
      [polls('ok')]: '0+6x12',
      [polls('server_error')]: '0+1x12',
      [`anthropic_bill_read_timestamp_seconds{${ON},source="analytics"}`]: level([HOURS, 0]),
    },
  },
  {
    ...unreadCase,
    name: 'does not fire where nobody has read yet',
    series: { [polls('ok')]: level([HOURS, 0]), [polls('unauthorized')]: level([HOURS, 0]) },
  },
];

const left = (bound: string): string => `anthropic_credit_left_seconds{${ON},bound="${bound}"}`;
const creditCase = { ...plain, alert: 'PlimsollCreditLow' } as const;
const CREDIT: readonly AlertCase[] = [
  {
    ...creditCase,
    name: 'fires when the credit lasts six days',
    series: { [left('middle')]: level([HOURS, 6 * DAY]), [complete]: level([HOURS, 0]) },
    firing: [[here, 'The credit of default lasts about 6d 0h 0m 0s']],
  },
  {
    ...creditCase,
    name: 'does not fire when only its lower bound is that low',
    series: {
      [left('middle')]: level([HOURS, 9 * DAY]),
      [left('least')]: level([HOURS, 2 * DAY]),
      [complete]: level([HOURS, 0]),
    },
  },
  {
    ...creditCase,
    name: 'does not fire on a report that is stale',
    series: { [left('middle')]: level([40, 6 * DAY]), [complete]: level([40, 0]) },
    at: '35h',
  },
];

const keyOf = (what: string): string => `anthropic_organization_key_${what}_timestamp_seconds{${ON},key="prod-a-api"}`;
const key = { ...here, key: 'prod-a-api' };

const KEYS: readonly AlertCase[] = [
  {
    ...plain,
    alert: 'PlimsollKeyExpires',
    name: 'fires when a key expires in 20 days',
    series: { [keyOf('expires')]: level([HOURS, 20 * DAY + 11 * HOUR]) },
    firing: [[key, 'Key prod-a-api expires in 20d 0h 0m 0s']],
  },
  {
    ...plain,
    alert: 'PlimsollKeyExpires',
    name: 'does not fire when it expires in 40 days',
    series: { [keyOf('expires')]: level([HOURS, 40 * DAY]) },
  },
  {
    ...plain,
    alert: 'PlimsollKeyUnused',
    name: 'fires when a key was not used for 61 days',
    series: { [keyOf('idle_since')]: level([HOURS, -61 * DAY + 11 * HOUR]) },
    firing: [[key, 'Key prod-a-api was not used for 61d 0h 0m 0s']],
  },
  {
    ...plain,
    alert: 'PlimsollKeyUnused',
    name: 'does not fire when it was used a month ago',
    series: { [keyOf('idle_since')]: level([HOURS, -30 * DAY]) },
  },
];

export const BILL_CASES: readonly AlertCase[] = [...DRIFT, ...COVERAGE, ...STALE, ...UNREAD, ...CREDIT, ...KEYS];
