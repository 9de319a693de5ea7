import { grown, level, type AlertCase } from '../promtool.ts';

const DAY = 86_400;

const ON = 'job="plimsoll",instance="a",operation="messages.create",key="prod-a-api",model="claude-haiku-4-5"';
const calls = `anthropic_request_duration_seconds_count{${ON},outcome="ok"}`;
const AMOUNTS = {
  Cost: `anthropic_cost_usd_total{${ON},kind="output"}`,
  Tokens: `anthropic_tokens_total{${ON},kind="output"}`,
};

/** A week of hours, then eight. */
const WEEK = 168;
const NOW = 8;

const perCall = (what: 'Cost' | 'Tokens'): readonly AlertCase[] => {
  const alert = `Plimsoll${what}PerCallUp`;
  const amount = AMOUNTS[what];
  const plain = { alert, step: '1h', at: '175h', firing: [] } as const;
  return [
    {
      ...plain,
      name: 'fires when a call takes twice what it took a week ago',
      series: { [calls]: grown([WEEK + NOW, 60]), [amount]: grown([WEEK, 60], [NOW, 120]) },
      firing: [
        [
          { job: 'plimsoll', model: 'claude-haiku-4-5' },
          `${what} per call to claude-haiku-4-5 is 2.0 times last week's`,
        ],
      ],
    },
    {
      ...plain,
      name: 'does not fire when a call takes a quarter more',
      series: { [calls]: grown([WEEK + NOW, 60]), [amount]: grown([WEEK, 60], [NOW, 75]) },
    },
    {
      ...plain,
      name: 'does not fire when there are twice as many calls at the old price',
      series: { [calls]: grown([WEEK, 60], [NOW, 120]), [amount]: grown([WEEK, 60], [NOW, 120]) },
    },
    {
      ...plain,
      name: 'does not fire when there are hardly any calls now',
      series: { [calls]: grown([WEEK, 60], [NOW, 6]), [amount]: grown([WEEK, 60], [NOW, 12]) },
    },
    {
      ...plain,
      name: 'does not fire when there were hardly any calls a week ago',
      series: { [calls]: grown([WEEK, 6], [NOW, 60]), [amount]: grown([WEEK, 6], [NOW, 120]) },
    },
    {
      ...plain,
      name: 'does not fire when the model was not used a week ago',
      series: { [calls]: grown([WEEK, 0], [NOW, 60]), [amount]: grown([WEEK, 0], [NOW, 120]) },
    },
  ];
};

const stopped = (reason: string): string => `anthropic_stop_reasons_total{${ON},stop_reason="${reason}"}`;
const PER_KEY = { job: 'plimsoll', key: 'prod-a-api', model: 'claude-haiku-4-5' };

const refused = `anthropic_refusals_total{job="plimsoll",instance="a",key="prod-a-api",model="claude-haiku-4-5",category="cyber",billing="free"}`;
const OF_KEY = { job: 'plimsoll', key: 'prod-a-api' };

const refusing = (name: string, series: AlertCase['series'], rest: Partial<AlertCase> = {}): AlertCase => ({
  name,
  alert: 'PlimsollRefusalsUp',
  step: '5m',
  every: '10m',
  series,
  at: '1600m',
  firing: [],
  ...rest,
});

/** A day of five-minute steps, then two hours. */
const DAY_STEPS = 288;
const LATE = 40;

const REFUSALS: readonly AlertCase[] = [
  refusing(
    'fires when a tenth of the requests is refused, after a day with hardly any',
    {
      [stopped('end_turn')]: grown([DAY_STEPS + LATE, 18]),
      [stopped('refusal')]: grown([DAY_STEPS, 0.02], [LATE, 2]),
      [refused]: grown([DAY_STEPS, 0.02], [LATE, 2]),
    },
    { firing: [[OF_KEY, 'Models refuse 10% of the requests of key prod-a-api']] },
  ),
  refusing(
    'fires for the first refusals of a key, all of which a fallback answers',
    { [stopped('end_turn')]: grown([DAY_STEPS + LATE, 20]), [refused]: grown([DAY_STEPS, 0], [LATE, 4]) },
    { firing: [[OF_KEY, 'Models refuse 20% of the requests of key prod-a-api']] },
  ),
  refusing('does not fire when as many were refused the day before', {
    [stopped('end_turn')]: grown([DAY_STEPS + LATE, 18]),
    [stopped('refusal')]: grown([DAY_STEPS + LATE, 2]),
    [refused]: grown([DAY_STEPS + LATE, 2]),
  }),
  refusing('does not fire when one in fifty is refused', {
    [stopped('end_turn')]: grown([DAY_STEPS + LATE, 49]),
    [refused]: grown([DAY_STEPS, 0], [LATE, 1]),
  }),
  refusing('does not fire when a tenth of forty requests is refused', {
    [stopped('end_turn')]: grown([DAY_STEPS + LATE, 3]),
    [refused]: grown([DAY_STEPS, 0], [LATE, 0.5]),
  }),
];

const OUTDATED = 'anthropic_price_table_outdated{job="plimsoll",instance="a",source="default"}';

const PRICES: readonly AlertCase[] = [
  {
    name: 'fires when a model is newer than the price table',
    alert: 'PlimsollPriceTableOutdated',
    series: { [OUTDATED]: [...level([10, 0]), ...level([10, 1])] },
    at: '15m',
    firing: [
      [
        { job: 'plimsoll', source: 'default' },
        'The price table of job plimsoll (default) is older than a model in use',
      ],
    ],
  },
  {
    name: 'does not fire while every model is known',
    alert: 'PlimsollPriceTableOutdated',
    series: { [OUTDATED]: level([20, 0]) },
    at: '15m',
    firing: [],
  },
];

const REST: readonly AlertCase[] = [
  {
    name: 'fires when a fifth of the answers ends at max_tokens',
    alert: 'PlimsollTruncated',
    series: { [stopped('end_turn')]: grown([100, 4]), [stopped('max_tokens')]: grown([100, 1]) },
    at: '90m',
    firing: [[PER_KEY, 'Responses of claude-haiku-4-5 to key prod-a-api are cut off: 20% end at max_tokens']],
  },
  {
    name: 'does not fire when one answer in twenty ends at max_tokens',
    alert: 'PlimsollTruncated',
    series: { [stopped('end_turn')]: grown([100, 9.5]), [stopped('max_tokens')]: grown([100, 0.5]) },
    at: '90m',
    firing: [],
  },
  {
    name: 'does not fire when half of forty answers ends at max_tokens',
    alert: 'PlimsollTruncated',
    series: { [stopped('end_turn')]: grown([100, 0.3]), [stopped('max_tokens')]: grown([100, 0.3]) },
    at: '90m',
    firing: [],
  },
  {
    name: 'fires for the first call whose model has no price',
    alert: 'PlimsollUnpricedUsage',
    series: {
      'anthropic_unpriced_requests_total{job="plimsoll",instance="a",key="prod-a-api",model="other"}': '_x10 1x10',
    },
    at: '15m',
    firing: [[{ ...PER_KEY, model: 'other' }, 'No price is known for other, used by key prod-a-api']],
  },
  {
    name: 'does not fire when every call has a price',
    alert: 'PlimsollUnpricedUsage',
    series: {
      'anthropic_unpriced_requests_total{job="plimsoll",instance="a",key="prod-a-api",model="other"}': level([180, 3]),
    },
    at: '170m',
    firing: [],
  },
  {
    name: 'fires when the prices were checked a hundred days ago',
    alert: 'PlimsollPriceTableOld',
    series: {
      'anthropic_price_table_timestamp_seconds{job="plimsoll",instance="a",source="built-in"}': level([90, -100 * DAY]),
    },
    at: '80m',
    firing: [[{ job: 'plimsoll', source: 'built-in' }, 'The price table of job plimsoll is 100d 1h 20m 0s old']],
  },
  {
    name: 'does not fire when the prices were checked two months ago, or in one of two replicas later',
    alert: 'PlimsollPriceTableOld',
    series: {
      'anthropic_price_table_timestamp_seconds{job="plimsoll",instance="a",source="built-in"}': level([90, -60 * DAY]),
      'anthropic_price_table_timestamp_seconds{job="plimsoll",instance="b",source="built-in"}': level([90, -100 * DAY]),
    },
    at: '80m',
    firing: [],
  },
];

export const MONEY_CASES: readonly AlertCase[] = [
  ...perCall('Cost'),
  ...perCall('Tokens'),
  ...REFUSALS,
  ...PRICES,
  ...REST,
];
