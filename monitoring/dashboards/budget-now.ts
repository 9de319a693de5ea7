import { secondsOf } from '../../src/rules/promql.ts';
import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';
import { descending, GROUP, inWindow, recorded } from './selection.ts';

const BY = [...GROUP, 'budget', 'period', 'scope'].join(', ');
const spent = recorded(RECORDED.budgetSpent);
const reserved = recorded(RECORDED.budgetReserved);
const forecast = recorded(RECORDED.budgetForecast);
const limit = recorded(RECORDED.budgetLimit);
const end = recorded(RECORDED.budgetEnd);
/** A table treats the name of a metric as a label, which would add a row. */
const cell = (series: string): string => `max by (${BY}) (${series})`;
const elapsed = `(time() - ${recorded(RECORDED.budgetStart)}) / (${end} - ${recorded(RECORDED.budgetStart)})`;
const pace = (window: string): string =>
  `${inWindow('budget_spend_usd', window)} / (${recorded(RECORDED.budgetEvenPace)} * ${secondsOf(window)})`;
const OF = '{{budget}} ({{job}})';

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
      targets: [{ expr: descending(`${spent} / ${limit}`), legend: OF }],
      namesAbove: true,
      steps: USED,
    },
    {
      kind: 'table',
      title: 'Budgets',
      unit: 'currencyUSD',
      decimals: 2,
      width: 16,
      description:
        'Spent and reserved money count together towards the limit. If the forecast is over the limit, act before the period ends.',
      targets: [
        { expr: cell(spent), legend: 'Spent' },
        { expr: cell(reserved), legend: 'Reserved' },
        { expr: cell(limit), legend: 'Limit' },
        { expr: cell(forecast), legend: 'Forecast' },
        { expr: `(${cell(end)} - time()) / 86400`, legend: 'Days left' },
      ],
      columns: { 'Days left': ['d', 1] },
      labels: [...GROUP, 'budget', 'period', 'scope'],
    },
    {
      kind: 'bar gauge',
      title: 'Forecast, as a share of the limit',
      unit: 'percentunit',
      width: 8,
      height: 11,
      min: 0,
      max: 2,
      decimals: 0,
      description:
        'Expected spend at the end of the period: as plimsoll forecasts it, from the days of the week, and at the pace of the last day (for a month, of the last week).',
      targets: [
        { expr: `${forecast} / ${limit}`, legend: `${OF}: plimsoll` },
        { expr: `${recorded(RECORDED.budgetProjection)} / ${limit}`, legend: `${OF}: at the pace so far` },
      ],
      namesAbove: true,
      steps: USED,
    },
    {
      kind: 'bar gauge',
      title: 'Burn rate',
      unit: 'short',
      width: 8,
      height: 11,
      min: 0,
      max: 15,
      decimals: 1,
      description:
        'Spend as a multiple of an even pace: at 1 the budget lasts exactly until its period ends. If it stays over 6 for hours, look for a job that was just started.',
      targets: [
        { expr: pace('1h'), legend: `${OF}: 1 h` },
        { expr: pace('6h'), legend: `${OF}: 6 h` },
      ],
      namesAbove: true,
      steps: PACE,
    },
    {
      kind: 'time series',
      title: 'Spend and its even pace',
      unit: 'currencyUSD',
      width: 8,
      height: 11,
      min: 0,
      description: 'A budget above its even pace runs out before its period ends, unless something changes.',
      targets: [
        { expr: spent, legend: `${OF}: spent` },
        { expr: `${limit} * ${elapsed}`, legend: `${OF}: even pace` },
        { expr: limit, legend: `${OF}: limit` },
      ],
    },
  ],
};
