import { grown, level, type AlertCase } from '../promtool.ts';

const LABELS = { job: 'plimsoll', key: 'prod-a-api', model: 'claude-haiku-4-5' };
const on = (instance: string): string =>
  `job="plimsoll",instance="${instance}",key="prod-a-api",model="claude-haiku-4-5"`;
const attempts = (status: string, instance = 'a'): string =>
  `anthropic_attempts_total{${on(instance)},operation="messages.create",status="${status}"}`;
const limited = (reason: string, instance = 'a'): string =>
  `anthropic_rate_limited_total{${on(instance)},reason="${reason}"}`;
const overloaded = `anthropic_overloaded_total{${on('a')}}`;
const retries = (reason: string): string => `anthropic_retries_total{${on('a')},reason="${reason}"}`;
const calls = `anthropic_request_duration_seconds_count{${on('a')},operation="messages.create",outcome="ok"}`;
const waited = `anthropic_retry_wait_seconds_total{${on('a')}}`;
const callSeconds = `anthropic_request_duration_seconds_sum{${on('a')},operation="messages.create",outcome="ok"}`;

const limitedBy = (reason: string, share: string) =>
  [
    [{ ...LABELS, reason }, `429s (${reason}) on claude-haiku-4-5, key prod-a-api: ${share} of attempts`] as const,
  ] as const;

const RATE_LIMITED: readonly AlertCase[] = [
  {
    name: 'fires when a fifth of attempts meets the limit on input tokens, and names that limit only',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([40, 8]),
      [attempts('429')]: grown([40, 2]),
      [limited('input_tokens')]: grown([40, 2]),
      [limited('requests')]: level([41, 0]),
    },
    at: '30m',
    firing: limitedBy('input_tokens', '20%'),
  },
  {
    name: 'fires when the first thirty attempts of a cold process are 429s, in series that were never seen lower',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('429')]: '_x10 30x10',
      [limited('requests')]: '_x10 30x10',
    },
    at: '13m',
    firing: limitedBy('requests', '100%'),
  },
  {
    name: 'fires after a restart in the middle: what was counted before is not taken for lost',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('429')]: [...grown([15, 2]), ...grown([15, 2])],
      [attempts('200')]: [...grown([15, 8]), ...grown([15, 8])],
      [limited('requests')]: [...grown([15, 2]), ...grown([15, 2])],
    },
    at: '28m',
    firing: limitedBy('requests', '20%'),
  },
  {
    name: 'fires once for two replicas, with the share of both together',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200', 'a')]: grown([40, 8]),
      [attempts('200', 'b')]: grown([40, 10]),
      [attempts('429', 'a')]: grown([40, 2]),
      [limited('requests', 'a')]: grown([40, 2]),
      [limited('requests', 'b')]: level([41, 0]),
    },
    at: '30m',
    firing: limitedBy('requests', '10%'),
  },
  {
    name: 'does not fire when one attempt in twenty-five is refused',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([40, 9.6]),
      [attempts('429')]: grown([40, 0.4]),
      [limited('requests')]: grown([40, 0.4]),
    },
    at: '30m',
    firing: [],
  },
  {
    name: 'fires when a limit has refused a fifth for six minutes after a good hour',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([60, 10], [8, 8]),
      [attempts('429')]: grown([60, 0], [8, 2]),
      [limited('requests')]: grown([60, 0], [8, 2]),
    },
    at: '68m',
    firing: limitedBy('requests', '20%'),
  },
  {
    name: 'fires when a call a minute meets a limit every third time, though retries absorb it',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([90, 1]),
      [attempts('429')]: grown([90, 1 / 3]),
      [limited('requests')]: grown([90, 1 / 3]),
    },
    at: '80m',
    firing: limitedBy('requests', '25%'),
  },
  {
    name: 'does not fire when two of ten attempts of an hour are refused',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([90, 8 / 60]),
      [attempts('429')]: grown([90, 2 / 60]),
      [limited('requests')]: grown([90, 2 / 60]),
    },
    at: '80m',
    firing: [],
  },
  {
    name: 'does not fire when one attempt in twelve is refused but there are three a minute',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([90, 2.75]),
      [attempts('429')]: grown([90, 0.25]),
      [limited('requests')]: grown([90, 0.25]),
    },
    at: '80m',
    firing: [],
  },
  {
    name: 'does not fire for a burst of five minutes that is lost in a busy hour',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('200')]: grown([90, 200], [4, 9]),
      [attempts('429')]: grown([90, 0], [4, 20]),
      [limited('requests')]: grown([90, 0], [4, 20]),
    },
    at: '94m',
    firing: [],
  },
  {
    name: 'does not fire when the tier has no money left: that has a page of its own',
    alert: 'PlimsollRateLimited',
    series: {
      [attempts('429')]: grown([40, 10]),
      [limited('spend_limit')]: grown([40, 10]),
      [limited('acceleration')]: grown([40, 10]),
    },
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire when nobody calls',
    alert: 'PlimsollRateLimited',
    series: { [attempts('429')]: level([41, 30]), [limited('requests')]: level([41, 30]) },
    at: '30m',
    firing: [],
  },
];

const REFUSED: readonly AlertCase[] = [
  {
    name: 'fires when a ramp has met the acceleration limit again and again',
    alert: 'PlimsollAccelerationLimited',
    series: { [limited('acceleration')]: grown([20, 0], [20, 1]) },
    at: '32m',
    firing: [[LABELS, 'Traffic to claude-haiku-4-5 with key prod-a-api grows too fast for the API']],
  },
  {
    name: 'does not fire when a ramp met the acceleration limit three times',
    alert: 'PlimsollAccelerationLimited',
    series: { [limited('acceleration')]: grown([20, 0], [3, 1], [20, 0]), [limited('requests')]: grown([43, 5]) },
    at: '26m',
    firing: [],
  },
  {
    name: 'fires when a tenth of attempts gets 529',
    alert: 'PlimsollOverloaded',
    series: { [attempts('200')]: grown([40, 9]), [attempts('529')]: grown([40, 1]), [overloaded]: grown([40, 1]) },
    at: '30m',
    firing: [[LABELS, 'The API is overloaded (529) on claude-haiku-4-5: 10% of attempts with key prod-a-api']],
  },
  {
    name: 'does not fire when three attempts in a hundred get 529',
    alert: 'PlimsollOverloaded',
    series: { [attempts('200')]: grown([40, 97]), [attempts('529')]: grown([40, 3]), [overloaded]: grown([40, 3]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire when half the attempts get 529 but there are two a minute',
    alert: 'PlimsollOverloaded',
    series: { [attempts('200')]: grown([40, 1]), [attempts('529')]: grown([40, 1]), [overloaded]: grown([40, 1]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire for 529s of five minutes that are lost in a busy hour',
    alert: 'PlimsollOverloaded',
    series: {
      [attempts('200')]: grown([90, 200], [4, 9]),
      [attempts('529')]: grown([90, 0], [4, 20]),
      [overloaded]: grown([90, 0], [4, 20]),
    },
    at: '94m',
    firing: [],
  },
];

const RETRIES: readonly AlertCase[] = [
  {
    name: 'fires when calls need a retry each, whatever for',
    alert: 'PlimsollRetryStorm',
    series: {
      [calls]: grown([40, 10]),
      [retries('rate_limited')]: grown([40, 6]),
      [retries('overloaded')]: grown([40, 4]),
    },
    at: '30m',
    firing: [[LABELS, 'Retry storm on claude-haiku-4-5, key prod-a-api: 1.0 retries per call']],
  },
  {
    name: 'does not fire when one call in three needs a retry',
    alert: 'PlimsollRetryStorm',
    series: { [calls]: grown([40, 30]), [retries('rate_limited')]: grown([40, 10]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire when each call needs a retry but there are two a minute',
    alert: 'PlimsollRetryStorm',
    series: { [calls]: grown([40, 2]), [retries('rate_limited')]: grown([40, 2]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'fires when calls wait for half their time',
    alert: 'PlimsollRetryTimeLost',
    series: { [callSeconds]: grown([60, 100]), [waited]: grown([60, 50]) },
    at: '40m',
    firing: [[LABELS, 'Calls to claude-haiku-4-5 with key prod-a-api spend 50% of their time waiting to retry']],
  },
  {
    name: 'does not fire when calls wait for a fifth of their time',
    alert: 'PlimsollRetryTimeLost',
    series: { [callSeconds]: grown([60, 100]), [waited]: grown([60, 20]) },
    at: '40m',
    firing: [],
  },
  {
    name: 'fires when calls have waited for half their time for ten minutes after a good hour',
    alert: 'PlimsollRetryTimeLost',
    series: { [callSeconds]: grown([114, 100]), [waited]: grown([100, 0], [14, 50]) },
    at: '114m',
    firing: [[LABELS, 'Calls to claude-haiku-4-5 with key prod-a-api spend 50% of their time waiting to retry']],
  },
  {
    name: 'fires when the one call of a minute waits for half of its ten seconds, hour after hour',
    alert: 'PlimsollRetryTimeLost',
    series: { [callSeconds]: grown([90, 10]), [waited]: grown([90, 5]) },
    at: '80m',
    firing: [[LABELS, 'Calls to claude-haiku-4-5 with key prod-a-api spend 50% of their time waiting to retry']],
  },
  {
    name: 'does not fire when calls wait for half their time and that is half a minute an hour',
    alert: 'PlimsollRetryTimeLost',
    series: { [callSeconds]: grown([90, 1]), [waited]: grown([90, 0.5]) },
    at: '80m',
    firing: [],
  },
];

const CLASS = 'key="prod-a-api",model_class="haiku-4",dimension="input_tokens"';
const used = (le: string, target = 'job="plimsoll",instance="a"'): string =>
  `anthropic_ratelimit_used_ratio_bucket{${target},${CLASS},le="${le}"}`;
const limiter = (name: string): string => `anthropic_ratelimit_${name}{job="plimsoll",instance="a",${CLASS}}`;

/** Headers that were seen at every step. */
const seenNow = (steps: number): readonly number[] => Array.from({ length: steps }, (_, step) => step * 60);

const nearLimit = (share: string) =>
  [
    [
      { job: 'plimsoll', key: 'prod-a-api', model_class: 'haiku-4', dimension: 'input_tokens' },
      `Limit on input_tokens of haiku-4 nearly reached, key prod-a-api: ${share} of responses left little of it`,
    ] as const,
  ] as const;

const HEADROOM: readonly AlertCase[] = [
  {
    name: 'fires when a quarter of the responses left little, though the gauge has been refilled at each scrape',
    alert: 'PlimsollHeadroomLow',
    series: {
      [used('0.9')]: grown([30, 3]),
      [used('+Inf')]: grown([30, 4]),
      [limiter('limit')]: level([30, 1000]),
      [limiter('remaining')]: level([30, 1000]),
      [limiter('observed_timestamp_seconds')]: seenNow(30),
    },
    at: '20m',
    firing: nearLimit('25%'),
  },
  {
    name: 'fires when every response left little',
    alert: 'PlimsollHeadroomLow',
    series: { [used('0.9')]: level([31, 0]), [used('+Inf')]: grown([30, 4]) },
    at: '20m',
    firing: nearLimit('100%'),
  },
  {
    name: 'does not fire when one response in twenty left little',
    alert: 'PlimsollHeadroomLow',
    series: { [used('0.9')]: grown([30, 9.5]), [used('+Inf')]: grown([30, 10]) },
    at: '20m',
    firing: [],
  },
  {
    name: 'does not fire when half the responses left little but there is one a minute',
    alert: 'PlimsollHeadroomLow',
    series: { [used('0.9')]: grown([30, 0.5]), [used('+Inf')]: grown([30, 1]) },
    at: '20m',
    firing: [],
  },
];

/** A stage of the same service: the same job, and the same alias for another key. */
const stage = (namespace: string): string => `job="plimsoll",namespace="${namespace}",instance="${namespace}-0"`;

const STAGES: readonly AlertCase[] = [
  {
    name: 'fires for the stage whose key is near its limit, beside one whose key has the same alias and is not',
    alert: 'PlimsollHeadroomLow',
    series: {
      [used('0.9', stage('dev'))]: grown([30, 1]),
      [used('+Inf', stage('dev'))]: grown([30, 4]),
      [used('0.9', stage('prod'))]: grown([30, 400]),
      [used('+Inf', stage('prod'))]: grown([30, 400]),
    },
    at: '20m',
    firing: nearLimit('75%').map(([labels, summary]) => [{ ...labels, namespace: 'dev' }, summary] as const),
  },
  {
    name: 'does not fire when a key with a small limit and one with a large limit have the same alias, and both are far from theirs',
    alert: 'PlimsollHeadroomLow',
    series: Object.fromEntries(
      [
        ['dev', 1_000, 700],
        ['prod', 100_000, 70_000],
      ].flatMap(([namespace = '', limit = 0, remaining = 0]) => {
        const target = stage(String(namespace));
        return [
          [used('0.9', target), grown([30, 40])],
          [used('+Inf', target), grown([30, 40])],
          [`anthropic_ratelimit_limit{${target},${CLASS}}`, level([30, Number(limit)])],
          [`anthropic_ratelimit_remaining{${target},${CLASS}}`, level([30, Number(remaining)])],
          [`anthropic_ratelimit_observed_timestamp_seconds{${target},${CLASS}}`, seenNow(30)],
        ] as const;
      }),
    ),
    at: '20m',
    firing: [],
  },
  {
    name: 'fires for the one of two clusters that has spent 95% of the cap of an organization of the same name',
    alert: 'PlimsollTierCapNear',
    series: capOfClusters(950, 100),
    at: '10m',
    firing: [
      [
        { job: 'plimsoll', cluster: 'eu', organization: 'default' },
        'Organization default has spent 95% of its monthly cap',
      ],
    ],
  },
  {
    name: 'does not fire when two clusters have spent 60% each of a cap of the same name',
    alert: 'PlimsollTierCapNear',
    series: capOfClusters(600, 600),
    at: '10m',
    firing: [],
  },
];

function capOfClusters(eu: number, us: number): AlertCase['series'] {
  const series = Object.entries({ eu, us }).flatMap(([cluster, usd]) => {
    const labels = `job="plimsoll",cluster="${cluster}",instance="${cluster}-0",organization="default"`;
    return [
      [`anthropic_tier_monthly_cap_usd{${labels}}`, level([30, 1_000])],
      [`anthropic_tier_spend_usd{${labels}}`, level([30, usd])],
    ] as const;
  });
  return Object.fromEntries(series);
}

const spent = (instance = 'a'): string =>
  `anthropic_tier_spend_usd{job="plimsoll",instance="${instance}",organization="default"}`;
const ledger = (id: string, instance = 'a'): string =>
  `anthropic_budget_spent_usd{job="plimsoll",instance="${instance}",budget="b",period="month",scope="all",ledger_id="${id}"}`;
const capped = {
  'anthropic_tier_monthly_cap_usd{job="plimsoll",instance="a",organization="default"}': level([30, 1000]),
};
const near = (share: string) =>
  [
    [{ job: 'plimsoll', organization: 'default' }, `Organization default has spent ${share} of its monthly cap`],
  ] as const;

const TIER: readonly AlertCase[] = [
  {
    name: 'fires when 95% of the cap is spent',
    alert: 'PlimsollTierCapNear',
    series: { ...capped, [spent()]: level([30, 950]) },
    at: '10m',
    firing: near('95%'),
  },
  {
    name: 'fires when processes without a ledger have spent 92% together',
    alert: 'PlimsollTierCapNear',
    series: { ...capped, [spent()]: level([30, 500]), [spent('b')]: level([30, 420]) },
    at: '10m',
    firing: near('92%'),
  },
  {
    name: 'fires when processes that share a ledger of days have seen 92% together',
    alert: 'PlimsollTierCapNear',
    series: {
      ...capped,
      [spent()]: level([30, 500]),
      [spent('b')]: level([30, 420]),
      [ledger('shared').replace('month', 'day')]: level([30, 10]),
      [ledger('shared', 'b').replace('month', 'day')]: level([30, 10]),
    },
    at: '10m',
    firing: near('92%'),
  },
  {
    name: 'does not fire when two replicas say the same of the ledger they share',
    alert: 'PlimsollTierCapNear',
    series: {
      ...capped,
      [spent()]: level([30, 500]),
      [spent('b')]: level([30, 500]),
      [ledger('r')]: level([30, 1]),
      [ledger('r', 'b')]: level([30, 0]),
    },
    at: '10m',
    firing: [],
  },
  {
    name: 'does not fire when four fifths of the cap are spent',
    alert: 'PlimsollTierCapNear',
    series: { ...capped, [spent()]: level([30, 800]) },
    at: '10m',
    firing: [],
  },
];

const paceTurns = (end: string): string =>
  `anthropic_pace_turns_total{job="plimsoll",instance="a",pace="default",lane="batch",end="${end}"}`;
const longestWait =
  'anthropic_pace_longest_wait_seconds{job="plimsoll",instance="a",pace="default",lane="interactive"}';

export const LIMIT_CASES: readonly AlertCase[] = [
  {
    name: 'fires when interactive calls wait for ten seconds and longer',
    alert: 'PlimsollPaceWaits',
    series: { [longestWait]: level([20, 25]) },
    at: '12m',
    firing: [
      [
        { job: 'plimsoll', pace: 'default', lane: 'interactive' },
        'Calls in lane interactive of pace default wait too long for room in the rate limits',
      ],
    ],
  },
  {
    name: 'fires when batch calls are refused after the longest wait',
    alert: 'PlimsollPaceWaits',
    series: { [paceTurns('max_wait')]: grown([10, 0], [20, 4]) },
    at: '25m',
    firing: [
      [
        { job: 'plimsoll', pace: 'default', lane: 'batch' },
        'Calls in lane batch of pace default wait too long for room in the rate limits',
      ],
    ],
  },
  {
    name: 'does not fire once interactive calls go again',
    alert: 'PlimsollPaceWaits',
    series: { [longestWait]: level([20, 25], [10, 0]) },
    at: '21m',
    firing: [],
  },
  {
    name: 'does not fire ten minutes after the last batch call was refused',
    alert: 'PlimsollPaceWaits',
    series: { [paceTurns('max_wait')]: grown([10, 0], [20, 4], [20, 0]) },
    at: '42m',
    firing: [],
  },
  {
    name: 'does not fire for a few batch calls that waited in vain',
    alert: 'PlimsollPaceWaits',
    series: { [paceTurns('max_wait')]: grown([10, 0], [3, 2], [30, 0]) },
    at: '20m',
    firing: [],
  },
  {
    name: 'does not fire while batch calls wait and go',
    alert: 'PlimsollPaceWaits',
    series: { [longestWait]: level([20, 2]), [paceTurns('waited')]: grown([20, 100]) },
    at: '15m',
    firing: [],
  },
  ...RATE_LIMITED,
  ...REFUSED,
  ...RETRIES,
  ...HEADROOM,
  ...STAGES,
  ...TIER,
];
