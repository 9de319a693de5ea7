import { billBooks } from './bill-books.ts';
import type { Dashboard, Row } from './panel.ts';
import { descending, selected } from './selection.ts';

/** All replicas show what one of them read, those of other jobs too. */
const OF = 'organization';

const week = 'window="last_7_days"';

const total = (name: 'billed' | 'listed' | 'recorded', by: string, matchers = ''): string =>
  `sum by (${by}) (max by (organization, key, model, window) (${selected(`anthropic_bill_${name}_usd`, matchers)}))`;

const difference: Row = {
  title: 'The difference',
  panels: [
    {
      kind: 'table',
      title: 'What plimsoll recorded, and the bill',
      unit: 'currencyUSD',
      decimals: 2,
      width: 14,
      height: 7,
      labels: ['organization', 'window'],
      description:
        'Complete UTC days only: Days says how many of the window. Listed is before discounts, Billed after them. Seen is the part of what watched keys cost that plimsoll saw; below 95%, look for another program with the same key.',
      targets: [
        { expr: total('recorded', `${OF}, window`), legend: 'plimsoll' },
        { expr: total('listed', `${OF}, window`), legend: 'Listed' },
        { expr: total('billed', `${OF}, window`), legend: 'Billed' },
        { expr: `max by (${OF}, window) (${selected('anthropic_bill_coverage_ratio')})`, legend: 'Seen' },
        { expr: `max by (${OF}, window) (${selected('anthropic_bill_days')})`, legend: 'Days' },
      ],
      columns: { Seen: ['percentunit', 1], Days: ['none', 0] },
    },
    {
      kind: 'stat',
      title: 'Difference, last 7 days',
      unit: 'percentunit',
      decimals: 1,
      width: 5,
      height: 7,
      description:
        'The bill less what plimsoll recorded, divided by the list amount. The table below has its causes: discounts and keys that nobody watches are no fault.',
      targets: [
        {
          expr: `sum by (${OF}) (max by (${OF}, cause) (${selected('anthropic_bill_drift_ratio', week)}))`,
          legend: '{{organization}}',
        },
      ],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Days that contradict themselves',
      unit: 'short',
      decimals: 0,
      width: 5,
      height: 7,
      description:
        'Days of the month whose rows do not add up to the sums that the report gives of them. Above 0, nothing that is said of the difference is sure: read again, then update plimsoll.',
      targets: [
        {
          expr: `max by (${OF}) (${selected('anthropic_bill_contradicting_days', 'window="month"')})`,
          legend: '{{organization}}',
        },
      ],
      steps: [
        [null, 'green'],
        [1, 'red'],
      ],
    },
    {
      kind: 'table',
      title: 'The way from plimsoll to the bill',
      unit: 'currencyUSD',
      decimals: 2,
      width: 12,
      labels: ['organization', 'cause'],
      first: { column: 'Last 7 days', largest: true },
      description:
        'Dollars by cause: what plimsoll recorded and all causes of a window add up to what is billed. docs/organization.md says what each cause is, and plimsoll organization what to do about it.',
      targets: [
        ...(['yesterday', 'last_7_days', 'month'] as const).map((window, index) => ({
          expr: `max by (${OF}, cause) (${selected('anthropic_bill_difference_usd', `window="${window}"`)}) != 0`,
          legend: ['Yesterday', 'Last 7 days', 'Month'][index] ?? '',
        })),
      ],
    },
    {
      kind: 'time series',
      title: 'Causes over time, share of seven days',
      unit: 'percentunit',
      width: 12,
      legend: 'lastNotNull',
      description:
        'Each cause of the last seven complete days, divided by their list amount. A step on one day means that something changed on it: a new program, a new price, lost telemetry.',
      targets: [
        {
          expr: `max by (${OF}, cause) (${selected('anthropic_bill_drift_ratio', week)}) != 0`,
          legend: '{{cause}}',
        },
      ],
    },
  ],
};

const split: Row = {
  title: 'By key, model and window',
  panels: (['key', 'model'] as const).map((label) => ({
    kind: 'table' as const,
    title: label === 'key' ? 'By key' : 'By model',
    unit: 'currencyUSD',
    decimals: 2,
    width: 12,
    labels: [label],
    first: { column: 'Month', largest: true },
    description:
      'Billed dollars by window, and what plimsoll recorded of the month. `none` is use without a key, or costs of no model. A row that plimsoll has nothing of is another program, or a key that nobody watches.',
    targets: [
      { expr: total('billed', label, 'window="yesterday"'), legend: 'Yesterday' },
      { expr: total('billed', label, week), legend: 'Last 7 days' },
      { expr: descending(total('billed', label, 'window="month"')), legend: 'Month' },
      { expr: total('recorded', label, 'window="month"'), legend: 'plimsoll, month' },
    ],
  })),
};

/** For the person who pays. */
export const bill: Dashboard = {
  name: 'bill',
  title: 'Claude API: the bill',
  description: "What Anthropic's reports say, beside what plimsoll saw; credit, keys and limits. Needs an admin key.",
  from: 'now-7d',
  rows: [difference, split, ...billBooks],
};
