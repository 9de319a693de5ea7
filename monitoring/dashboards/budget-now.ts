import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';

const { budgetSpent: spent, budgetReserved: reserved, budgetForecast: forecast, budgetLimit: limit } = RECORDED;
const BY = 'budget, period, scope';
/** All jobs that share a ledger share its budgets, so the variables do not narrow them. */
const bound = (which: 'start' | 'end'): string => `max by (${BY}) (anthropic_budget_period_${which}_timestamp_seconds)`;
/** A table treats the name of a metric as a label, which would add a row. */
const cell = (recorded: string): string => `max by (${BY}) (${recorded})`;
const elapsed = `(time() - ${bound('start')}) / (${bound('end')} - ${bound('start')})`;
const pace = (window: string, seconds: number): string =>
  `clamp_min(delta(${spent}[${window}]), 0) / (${RECORDED.budgetEvenPace} * ${seconds})`;

const USED = [
  [null, 'green'],
  [0.8, 'orange'],
  [1, 'red'],
] as const;
const PACE = [
  [null, 'green'],
  [1.5, 'orange'],
  [6, 'red'],
] as const;

/** Panels on each budget in its current period. */
export const budgetNow: Row = {
  title: 'This period',
  panels: [
    {
      kind: 'bar gauge',
      title: 'Used',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1.2,
      decimals: 0,
      description: 'Spend of each budget in its current period. At 100%, a budget in mode block refuses calls.',
      targets: [{ expr: `${spent} / ${limit}`, legend: '{{budget}}' }],
      steps: USED,
    },
    {
      kind: 'table',
      title: 'Budgets',
      unit: 'currencyUSD',
      width: 16,
      description:
        'Spent and reserved money count together towards the limit. If the forecast is over the limit, act before the period ends.',
      targets: [
        { expr: cell(spent), legend: 'Spent' },
        { expr: cell(reserved), legend: 'Reserved' },
        { expr: cell(limit), legend: 'Limit' },
        { expr: cell(forecast), legend: 'Forecast' },
        { expr: `(${bound('end')} - time()) / 86400`, legend: 'Days left' },
      ],
      columns: { 'Days left': ['d', 1] },
      labels: ['budget', 'period', 'scope'],
    },
    {
      kind: 'bar gauge',
      title: 'Forecast, as a share of the limit',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 2,
      decimals: 0,
      description:
        'Expected spend at the end of the period: as plimsoll forecasts it, from the days of the week, and as a straight line.',
      targets: [
        { expr: `${forecast} / ${limit}`, legend: '{{budget}}: plimsoll' },
        { expr: `${spent} / ${limit} / (${elapsed} > 0)`, legend: '{{budget}}: straight line' },
      ],
      steps: USED,
    },
    {
      kind: 'bar gauge',
      title: 'Burn rate',
      unit: 'short',
      width: 8,
      min: 0,
      max: 15,
      decimals: 1,
      description:
        'Spend as a multiple of an even pace: at 1 the budget lasts exactly until its period ends. If it stays over 6 for hours, look for a job that was just started.',
      targets: [
        { expr: pace('1h', 3_600), legend: '{{budget}}: 1 h' },
        { expr: pace('6h', 21_600), legend: '{{budget}}: 6 h' },
        { expr: pace('1d', 86_400), legend: '{{budget}}: 1 d' },
      ],
      steps: PACE,
    },
    {
      kind: 'time series',
      title: 'Spend and its even pace',
      unit: 'currencyUSD',
      width: 8,
      min: 0,
      description: 'A budget above its even pace runs out before its period ends, unless something changes.',
      targets: [
        { expr: spent, legend: '{{budget}}: spent' },
        { expr: `${limit} * ${elapsed}`, legend: '{{budget}}: even pace' },
        { expr: limit, legend: '{{budget}}: limit' },
      ],
    },
  ],
};
