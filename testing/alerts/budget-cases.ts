import { grown, level, type AlertCase } from '../promtool.ts';

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

interface Period {
  readonly period: string;
  readonly usd: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** Began ten days before the first sample. An even pace is 6.94 cents a minute. */
const MONTH: Period = { period: 'month', usd: 3_000, startSeconds: -10 * DAY, endSeconds: 20 * DAY };
/** An even pace is a dollar a minute. */
const A_DAY: Period = { period: 'day', usd: 1_440, startSeconds: 0, endSeconds: DAY };
const WEEK: Period = { period: 'rolling_168h', usd: 10_080, startSeconds: -7 * DAY, endSeconds: 7 * DAY };
const AN_HOUR: Period = { period: 'rolling_1h', usd: 10, startSeconds: -HOUR, endSeconds: HOUR };

const labeled = (name: string, { period }: Period, more = 'instance="a"'): string =>
  `anthropic_budget_${name}{job="plimsoll",budget="team",period="${period}",scope="all",${more}}`;
const inLedger = (name: string, of: Period, [ledger, instance = ledger]: readonly [string, string?] = ['a']): string =>
  labeled(name, of, `instance="${instance}",ledger_id="${ledger}"`);
const counted = (of: Period, instance = 'a'): string => labeled('spend_usd_total', of, `instance="${instance}"`);

/** The limit and the period of a budget. */
const budget = (of: Period, steps: number): AlertCase['series'] => ({
  [inLedger('limit_usd', of)]: level([steps, of.usd]),
  [labeled('period_start_timestamp_seconds', of)]: level([steps, of.startSeconds]),
  [labeled('period_end_timestamp_seconds', of)]: level([steps, of.endSeconds]),
});

/** What an even pace spends in so many seconds. */
const even = ({ usd, startSeconds, endSeconds, period }: Period, seconds: number): number =>
  (usd * seconds) / ((endSeconds - startSeconds) / (period.startsWith('rolling') ? 2 : 1));

const on = ({ period }: Period) => ({ job: 'plimsoll', budget: 'team', period, scope: 'all' });

type Parts = readonly (readonly [minutes: number, multiple: number])[];

/** A budget that is spent at multiples of an even pace, each for so many minutes. Alerts on hours are tried in long steps. */
type Named = Pick<AlertCase, 'alert' | 'name' | 'at'>;

const paced = (of: Period, parts: Parts, rest: Named): AlertCase => {
  const minutes = rest.alert === fast ? 1 : 5;
  const steps = parts.reduce((sum, [count]) => sum + count / minutes, 1);
  const spending = grown(
    ...parts.map(([count, multiple]) => [count / minutes, even(of, MINUTE) * minutes * multiple] as const),
  );
  return {
    step: `${minutes}m`,
    series: { ...budget(of, steps), [counted(of)]: spending },
    firing: [],
    ...rest,
  };
};

const fast = 'PlimsollBudgetBurnFast';
const slow = 'PlimsollBudgetBurnSlow';

const burnsFast = (of: Period, share: string) =>
  [[on(of), `Budget team burns fast: ${share} of it went in an hour`] as const] as const;
const burnedFor = (of: Period, share: string) =>
  [[on(of), `Budget team has burned for hours: ${share} of it went in six`] as const] as const;

const BURN: readonly AlertCase[] = [
  {
    ...paced(MONTH, [[90, 20]], {
      alert: fast,
      name: 'fires when an hour took 20 times an even pace of a month',
      at: '80m',
    }),
    firing: burnsFast(MONTH, '2.778%'),
  },
  {
    ...paced(A_DAY, [[90, 8]], {
      alert: fast,
      name: 'fires when an hour took eight times an even pace of a day',
      at: '80m',
    }),
    firing: burnsFast(A_DAY, '33.33%'),
  },
  {
    ...paced(WEEK, [[90, 11]], {
      alert: fast,
      name: 'fires when an hour took eleven times an even pace of a week',
      at: '80m',
    }),
    firing: burnsFast(WEEK, '6.548%'),
  },
  {
    name: 'fires when most of a day goes in a minute ten minutes after midnight, though yesterday took more',
    alert: fast,
    series: {
      [inLedger('limit_usd', A_DAY)]: level([200, 500]),
      [labeled('period_start_timestamp_seconds', A_DAY)]: level([120, 120 * MINUTE - DAY], [80, 120 * MINUTE]),
      [labeled('period_end_timestamp_seconds', A_DAY)]: level([120, 120 * MINUTE], [80, 120 * MINUTE + DAY]),
      [inLedger('spent_usd', A_DAY)]: level([120, 450], [10, 0], [70, 350]),
      [counted(A_DAY)]: level([130, 450], [70, 800]),
    },
    at: '132m',
    firing: burnsFast(A_DAY, '70%'),
  },
  paced(MONTH, [[90, 10]], {
    alert: fast,
    name: 'does not fire at ten times an even pace of a month',
    at: '80m',
  }),
  paced(A_DAY, [[90, 5]], { alert: fast, name: 'does not fire at five times an even pace of a day', at: '80m' }),
  paced(WEEK, [[90, 8]], { alert: fast, name: 'does not fire at eight times an even pace of a week', at: '80m' }),
  paced(MONTH, [[120, 1], [8, 50]], { alert: fast, name: 'does not fire for eight expensive minutes', at: '128m' }), // prettier-ignore
  paced(MONTH, [[110, 30], [10, 1]], { alert: fast, name: 'does not fire when the expensive hour is over', at: '120m' }), // prettier-ignore
  paced(AN_HOUR, [[90, 20]], { alert: fast, name: 'does not fire for a budget of an hour', at: '80m' }),
  {
    ...paced(MONTH, [[420, 10]], {
      alert: slow,
      name: 'fires when six hours took ten times an even pace of a month',
      at: '400m',
    }),
    firing: burnedFor(MONTH, '8.333%'),
  },
  {
    ...paced(WEEK, [[420, 6]], {
      alert: slow,
      name: 'fires when six hours took six times an even pace of a week',
      at: '400m',
    }),
    firing: burnedFor(WEEK, '21.43%'),
  },
  paced(MONTH, [[420, 5]], {
    alert: slow,
    name: 'does not fire at five times an even pace of a month',
    at: '400m',
  }),
  paced(MONTH, [[360, 1], [60, 20]], { alert: slow, name: 'does not fire for an expensive hour', at: '418m' }), // prettier-ignore
  paced(MONTH, [[360, 10], [60, 1]], { alert: slow, name: 'does not fire when the expensive hours are over', at: '418m' }), // prettier-ignore
  paced(AN_HOUR, [[420, 10]], { alert: slow, name: 'does not fire for a budget of an hour', at: '400m' }),
];

const isSpent = (of: Period, usd: string) => [[on(of), `Budget team is spent: $${usd} this ${of.period}`]] as const;

const team = (name: string, namespace: string, ledger: string): string =>
  `anthropic_budget_${name}{job="plimsoll",namespace="${namespace}",instance="${namespace}-a",budget="team",period="month",scope="all",ledger_id="${ledger}"}`;

const SPENT: readonly AlertCase[] = [
  {
    name: 'fires when two ledgers together have spent the budget',
    alert: 'PlimsollBudgetSpent',
    series: {
      ...budget(MONTH, 20),
      [inLedger('spent_usd', MONTH)]: level([20, 2000]),
      [inLedger('spent_usd', MONTH, ['b'])]: level([20, 1000]),
    },
    at: '5m',
    firing: isSpent(MONTH, '3000.00'),
  },
  {
    name: 'does not fire when two replicas say the same of the ledger they share',
    alert: 'PlimsollBudgetSpent',
    series: {
      ...budget(MONTH, 20),
      [inLedger('spent_usd', MONTH)]: level([20, 2000]),
      [inLedger('spent_usd', MONTH, ['a', 'b'])]: level([20, 2000]),
    },
    at: '5m',
    firing: [],
  },
  {
    name: 'fires for the day when the pods that spent it are gone, and with them what they remembered',
    alert: 'PlimsollBudgetSpent',
    series: {
      ...budget(A_DAY, 60),
      ...Object.fromEntries(
        ['b', 'c'].flatMap((pod) => [
          [inLedger('spent_usd', A_DAY, [pod]), '0+20x40 stale'],
          [counted(A_DAY, pod), '0+20x40 stale'],
        ]),
      ),
    },
    at: '50m',
    firing: isSpent(A_DAY, '1600.00'),
  },
  {
    name: 'does not fire when two teams have each spent 60% of a budget of the same name',
    alert: 'PlimsollBudgetSpent',
    series: Object.fromEntries(
      ['blue', 'red'].flatMap((name) => [
        [team('limit_usd', name, name), level([20, 100])],
        [team('spent_usd', name, name), level([20, 60])],
      ]),
    ),
    at: '5m',
    firing: [],
  },
  {
    name: 'fires for the team that has spent $150 of $100, beside one that has spent $10 of $1,000',
    alert: 'PlimsollBudgetSpent',
    series: {
      [team('limit_usd', 'blue', 'b')]: level([20, 1000]),
      [team('spent_usd', 'blue', 'b')]: level([20, 10]),
      [team('limit_usd', 'red', 'r')]: level([20, 100]),
      [team('spent_usd', 'red', 'r')]: level([20, 150]),
    },
    at: '5m',
    firing: [[{ ...on(MONTH), namespace: 'red' }, 'Budget team is spent: $150.00 this month']],
  },
];

const runsOut = (of: Period, time: string) => [[on(of), `Budget team will be spent in ${time}`]] as const;

/** A budget whose ledger says what its process has counted. */
const known = (of: Period, parts: Parts, rest: Pick<AlertCase, 'name' | 'at'> & Partial<AlertCase>): AlertCase => {
  const plain = paced(of, parts, { alert: 'PlimsollBudgetRunsOut', ...rest });
  const spending = plain.series[counted(of)] ?? '';
  return { ...plain, series: { ...plain.series, [inLedger('spent_usd', of)]: spending }, ...rest };
};

const RUNS_OUT: readonly AlertCase[] = [
  known(A_DAY, [[640, 2]], {
    name: 'fires before a day is spent, when it goes at twice an even pace',
    at: '620m',
    firing: runsOut(A_DAY, '1h 40m 0s'),
  }),
  {
    name: 'fires a day before a month is spent',
    alert: 'PlimsollBudgetRunsOut',
    series: {
      ...budget(MONTH, 100),
      [inLedger('spent_usd', MONTH)]: level([100, 2_900]),
      [counted(MONTH)]: grown([90, 0.25]),
    },
    at: '60m',
    firing: runsOut(MONTH, '6h 40m 0s'),
  },
  known(A_DAY, [[560, 2]], { name: 'does not fire when hours are left at twice an even pace', at: '550m' }),
  known(A_DAY, [[1_440, 0.95]], { name: 'does not fire when the day ends before its budget', at: '1420m' }),
  known(A_DAY, [[640, 2.4]], { name: 'does not fire when all of it is spent: that is another alert', at: '620m' }),
  known(A_DAY, [[605, 2.2], [40, 0]], { name: 'does not fire when nothing has been spent for ten minutes', at: '617m' }), // prettier-ignore
  known(AN_HOUR, [[40, 2]], { name: 'does not fire for a budget of an hour', at: '25m' }),
];

/** A month of which $1,500 are spent, and so much more each hour. */
const forecast = (name: string, usdPerHour: number, rest: Partial<AlertCase> = {}): AlertCase => ({
  name,
  alert: 'PlimsollBudgetForecastOver',
  step: '5m',
  series: {
    ...budget(MONTH, 110),
    [inLedger('spent_usd', MONTH)]: level([110, 1_500]),
    [counted(MONTH)]: grown([110, usdPerHour / 12]),
  },
  at: '480m',
  firing: [],
  ...rest,
});

const heading = (of: Period, usd: string) =>
  [[on(of), `Budget team is heading for $${usd} this ${of.period}`]] as const;

const FORECAST: readonly AlertCase[] = [
  forecast('fires when the month is heading for more than the budget', 5, { firing: heading(MONTH, '3860.00') }),
  forecast('fires when ledgers of their own are heading for more together', 5, {
    series: {
      ...budget(MONTH, 110),
      [inLedger('spent_usd', MONTH)]: level([110, 700]),
      [inLedger('spent_usd', MONTH, ['b'])]: level([110, 800]),
      [counted(MONTH)]: grown([110, 2 / 12]),
      [counted(MONTH, 'b')]: grown([110, 3 / 12]),
    },
    firing: heading(MONTH, '3860.00'),
  }),
  forecast('fires for a day that goes at twice an even pace', 0, {
    step: '1m',
    series: {
      ...budget(A_DAY, 200),
      [inLedger('spent_usd', A_DAY)]: grown([200, 2]),
      [counted(A_DAY)]: grown([200, 2]),
    },
    at: '150m',
    firing: heading(A_DAY, '2880.00'),
  }),
  forecast('does not fire when the month is heading for a little less', 3),
  forecast('does not fire at an even pace, which a rounding would make a little more', 3.2),
  forecast('does not fire in the first six hours, which say little of a month', 100, { at: '350m' }),
  forecast('does not fire when the budget is spent already: that is another alert', 5, {
    series: {
      ...budget(MONTH, 110),
      [inLedger('spent_usd', MONTH)]: level([110, 3_100]),
      [counted(MONTH)]: grown([110, 5]),
    },
  }),
];

const reached = (threshold: string): string =>
  `anthropic_budget_thresholds_reached_total{job="plimsoll",instance="a",budget="team",threshold="${threshold}"}`;
const inMemory = (ledger: string): string =>
  `anthropic_budget_volatile_ledger{job="plimsoll",instance="${ledger}",budget="team",ledger_id="${ledger}"}`;
const OF_TEAM = { job: 'plimsoll', budget: 'team' };

const THRESHOLDS: readonly AlertCase[] = [
  {
    name: 'fires when a budget has reached four fifths of its limit',
    alert: 'PlimsollBudgetThreshold',
    series: { [reached('0.5')]: level([40, 1]), [reached('0.8')]: grown([20, 0], [1, 1], [20, 0]) },
    at: '22m',
    firing: [[{ ...OF_TEAM, threshold: '0.8' }, 'Budget team has reached 80% of its limit']],
  },
  {
    name: 'does not fire when a threshold was reached an hour ago, or all of the limit now',
    alert: 'PlimsollBudgetThreshold',
    series: { [reached('0.5')]: grown([10, 0], [1, 1], [80, 0]), [reached('1')]: grown([68, 0], [1, 1], [20, 0]) },
    at: '71m',
    firing: [],
  },
  {
    name: 'fires when two processes keep a budget in memory',
    alert: 'PlimsollBudgetVolatile',
    series: { [inMemory('a')]: level([40, 1]), [inMemory('b')]: level([40, 1]) },
    at: '30m',
    firing: [[OF_TEAM, 'Budget team is kept in the memory of 2 processes']],
  },
  {
    name: 'does not fire when one process does',
    alert: 'PlimsollBudgetVolatile',
    series: { [inMemory('a')]: level([40, 1]) },
    at: '30m',
    firing: [],
  },
  {
    name: 'does not fire during a rollout of ten minutes',
    alert: 'PlimsollBudgetVolatile',
    series: { [inMemory('a')]: level([60, 1]), [inMemory('b')]: '_x20 1x10 stale' },
    at: '29m',
    firing: [],
  },
];

export const BUDGET_CASES: readonly AlertCase[] = [...SPENT, ...THRESHOLDS, ...BURN, ...RUNS_OUT, ...FORECAST];
