import { FAILED } from '../../src/rules/covered.ts';
import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';
import { FIRING, GROUP, inRange, inWindow, quantile, recorded, share, sumBy } from './selection.ts';

const GOOD_HIGH = [
  [null, 'red'],
  [0.95, 'orange'],
  [0.99, 'green'],
] as const;

const GOOD_LOW = [
  [null, 'green'],
  [0.01, 'orange'],
  [0.05, 'red'],
] as const;

const judged = sumBy('', inRange('requests', `outcome=~"ok|${FAILED}"`));

const ofMonth = (hourly: string): string => `sum_over_time(${recorded(hourly)}[30d:1h])`;
const allowed = `${ofMonth(RECORDED.judgedCounted)} * on (${GROUP.join(', ')}) group_left () ${recorded(RECORDED.failuresAllowed)}`;
const budgetLeft = `1 - ${share(`(${sumBy('', ofMonth(RECORDED.failuresCounted('1h')))} or vector(0))`, sumBy('', allowed))}`;

const budgetUsed = `max(${recorded(RECORDED.budgetSpent)} / ${recorded(RECORDED.budgetLimit)})`;

/** Single figures, readable at a glance. */
export const overviewNow: Row = {
  title: 'Now',
  panels: [
    {
      kind: 'stat',
      title: 'Alerts firing',
      unit: 'short',
      width: 3,
      height: 4,
      description:
        'plimsoll alerts that are firing now. Open the runbook of each. Red lines in the panels below show when they began.',
      targets: [{ expr: `count(${FIRING}) or vector(0)`, legend: 'firing' }],
      steps: [
        [null, 'green'],
        [1, 'red'],
      ],
    },
    {
      kind: 'stat',
      title: 'Success ratio',
      unit: 'percentunit',
      width: 3,
      height: 4,
      decimals: 2,
      description:
        'Share of calls that succeeded, not counting errors of the caller, spend limits and budgets. If it is below the objective, look at the outcomes below.',
      targets: [{ expr: share(sumBy('', inRange('requests', 'outcome="ok"')), judged), legend: 'ok' }],
      steps: GOOD_HIGH,
    },
    {
      kind: 'stat',
      title: '429 share',
      unit: 'percentunit',
      width: 3,
      height: 4,
      decimals: 1,
      description: 'Share of attempts that a limit refused. The reasons below say which limit.',
      targets: [
        {
          expr: share(
            `(${sumBy('', inRange('attempts', 'status="429"'))} or vector(0))`,
            sumBy('', inRange('attempts')),
          ),
          legend: '429',
        },
      ],
      steps: GOOD_LOW,
    },
    {
      kind: 'stat',
      title: 'Headroom',
      unit: 'percentunit',
      width: 3,
      height: 4,
      decimals: 0,
      description:
        'What 95% of the responses in the time range left of the rate limit that is closest to running out. Below a tenth, slow down what can wait.',
      targets: [
        {
          expr: `1 - max(${quantile(0.95, 'anthropic_ratelimit_used_ratio', { by: 'key, model_class, dimension', over: '$__range' })})`,
          legend: 'left',
        },
      ],
      steps: [
        [null, 'red'],
        [0.1, 'orange'],
        [0.3, 'green'],
      ],
      noValue: 'no calls',
    },
    {
      kind: 'stat',
      title: 'Duration p95',
      unit: 's',
      width: 3,
      height: 4,
      decimals: 1,
      description: '95% of calls end within this time, including retries and waits.',
      targets: [
        {
          expr: quantile(0.95, 'anthropic_request_duration_seconds', { over: '$__range' }),
          legend: 'p95',
        },
      ],
      steps: [
        [null, 'green'],
        [16, 'orange'],
        [32, 'red'],
      ],
    },
    {
      kind: 'stat',
      title: 'Spend per hour',
      unit: 'currencyUSD',
      width: 3,
      height: 4,
      decimals: 2,
      description: 'Estimated cost of the last hour. If it is unusual, open the dashboard Budget.',
      targets: [{ expr: sumBy('', inWindow('cost_usd', '1h')), legend: 'an hour' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Error budget left',
      unit: 'percentunit',
      width: 3,
      height: 4,
      decimals: 0,
      description:
        'What is left of the failures that the objective allows in 30 days, to the last full hour. Below 0, more calls have failed than may: changes that are a risk can wait.',
      targets: [{ expr: budgetLeft, legend: 'left' }],
      steps: [
        [null, 'red'],
        [0, 'orange'],
        [0.25, 'green'],
      ],
      noValue: 'no calls',
    },
    {
      kind: 'stat',
      title: 'Fullest budget',
      unit: 'percentunit',
      width: 3,
      height: 4,
      decimals: 0,
      description:
        'Spend of the budget that is closest to its limit. At 100% it is spent, and in mode block its calls are refused.',
      targets: [{ expr: budgetUsed, legend: 'used' }],
      steps: [
        [null, 'green'],
        [0.8, 'orange'],
        [1, 'red'],
      ],
      noValue: 'no budget',
    },
  ],
};
