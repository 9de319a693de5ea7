import type { Row } from './panel.ts';
import { recently, selected, sumBy } from './selection.ts';

const OF = 'organization';

const creditRow: Row = {
  title: 'Credit',
  panels: [
    {
      kind: 'stat',
      title: 'Credit lasts',
      unit: 'd',
      decimals: 1,
      width: 6,
      description:
        'Days until the prepaid credit is gone, at the mean of the last seven complete days, with its bounds. Under a week is a ticket: add credit. A new program, taxes and expired credit are in no bound.',
      targets: [
        {
          expr: `min by (${OF}, bound) (${selected('anthropic_credit_left_seconds')}) / 86400`,
          legend: '{{bound}}',
        },
      ],
      steps: [
        [null, 'red'],
        [7, 'orange'],
        [14, 'green'],
      ],
      noValue: 'no balance is configured',
    },
    {
      kind: 'time series',
      title: 'Credit left',
      unit: 'currencyUSD',
      width: 10,
      description:
        'Reckoned from the configured balance: less what is billed, less what plimsoll saw since, less what others are likely to have spent. Bounds that move apart mean that the report is late.',
      targets: [
        {
          expr: `min by (${OF}, bound) (${selected('anthropic_credit_left_usd')})`,
          legend: '{{bound}}',
        },
      ],
      noValue: 'no balance is configured',
    },
    {
      kind: 'table',
      title: 'Limits of the organization',
      unit: 'locale',
      decimals: 0,
      width: 8,
      labels: ['model_class', 'dimension'],
      description:
        'Limits per minute that the organization really has, before any call. Workspaces can have lower ones: the dashboard Tier shows those that calls met.',
      targets: [
        {
          expr: `max by (model_class, dimension) (${selected('anthropic_organization_rate_limit')})`,
          legend: 'Limit',
        },
      ],
    },
  ],
};

const ago = (what: string): string =>
  `(time() - max by (${OF}, key) (${selected(`anthropic_organization_key_${what}_timestamp_seconds` as 'anthropic_organization_key_created_timestamp_seconds')})) / 86400`;

const keysRow: Row = {
  title: 'Keys',
  panels: [
    {
      kind: 'table',
      title: 'Active keys',
      unit: 'd',
      decimals: 0,
      width: 16,
      labels: ['organization', 'key'],
      first: { column: 'Age', largest: true },
      description:
        'Days since each key was created and last used, and until it expires. Replace keys that are older than a year, and delete those that nobody uses: plimsoll keys makes the list to tick.',
      targets: [
        { expr: ago('created'), legend: 'Age' },
        { expr: ago('last_used'), legend: 'Last used' },
        {
          expr: `(min by (${OF}, key) (${selected('anthropic_organization_key_expires_timestamp_seconds')}) - time()) / 86400`,
          legend: 'Expires in',
        },
      ],
    },
    {
      kind: 'bar gauge',
      title: 'Keys by status',
      unit: 'short',
      decimals: 0,
      width: 8,
      min: 0,
      description:
        'All keys of the organization. Many active ones are hard to watch: give each service and environment one, and delete the rest.',
      targets: [
        {
          expr: `sum by (status) (max by (${OF}, key, status) (${selected('anthropic_organization_keys')}))`,
          legend: '{{status}}',
        },
      ],
      steps: [[null, 'blue']],
    },
  ],
};

const report: Row = {
  title: 'The report',
  panels: [
    {
      kind: 'stat',
      title: 'Complete until',
      unit: 's',
      width: 6,
      description:
        'How long ago the last complete moment of the report is. A day late is usual; over 30 hours is a ticket. Nothing here is newer than that.',
      targets: [
        {
          expr: `time() - max by (${OF}) (${selected('anthropic_bill_complete_timestamp_seconds')})`,
          legend: '{{organization}}',
        },
      ],
      steps: [
        [null, 'green'],
        [86_400, 'orange'],
        [108_000, 'red'],
      ],
      noValue: 'nothing has landed',
    },
    {
      kind: 'stat',
      title: 'Last read',
      unit: 's',
      width: 6,
      description:
        'How long ago the report was read, and which one: the older reports have no requests and no list prices. If it grows, look how readings end.',
      targets: [
        {
          expr: `time() - max by (${OF}, source) (${selected('anthropic_bill_read_timestamp_seconds')})`,
          legend: '{{source}}',
        },
      ],
      steps: [
        [null, 'green'],
        [3_600, 'orange'],
        [86_400, 'red'],
      ],
      noValue: 'never read',
    },
    {
      kind: 'time series',
      title: 'Readings, by how they end',
      unit: 'short',
      decimals: 0,
      width: 12,
      min: 0,
      colored: true,
      description:
        'One process reads every ten minutes, however many replicas there are. Anything but ok: the log of the process that reads said once what to do.',
      targets: [{ expr: sumBy('outcome', recently('bill_polls')), legend: '{{outcome}}' }],
    },
  ],
};

/** Credit, keys, limits, and how fresh all of it is. */
export const billBooks: readonly Row[] = [creditRow, keysRow, report];
