import { RECORDED } from '../../src/monitoring/recorded.ts';
import type { Dashboard, Row } from './panel.ts';
import { inRange, rate, selected, share, sumBy } from './selection.ts';

const { budgetSpent: spent, budgetReserved: reserved, budgetForecast: forecast, budgetLimit: limit } = RECORDED;
const BY = 'budget, period, scope';
/** A budget is one for all jobs that share its ledger: the variables do not narrow it. */
const bound = (which: 'start' | 'end'): string => `max by (${BY}) (anthropic_budget_period_${which}_timestamp_seconds)`;
const elapsed = `(time() - ${bound('start')}) / (${bound('end')} - ${bound('start')})`;
const pace = (window: string, seconds: number): string =>
  `clamp_min(delta(${spent}[${window}]), 0) / (${RECORDED.budgetEvenPace} * ${seconds})`;

const USED = [[null, 'green'], [0.8, 'orange'], [1, 'red']] as const;
const PACE = [[null, 'green'], [1.5, 'orange'], [6, 'red']] as const;

const now: Row = {
  title: 'This period',
  panels: [
    {
      kind: 'bar gauge', title: 'Used', unit: 'percentunit', width: 8, min: 0, max: 1.2, decimals: 0,
      description: 'Spend of each budget in its present period. At 100 % a budget in mode block refuses calls.',
      targets: [{ expr: `${spent} / ${limit}`, legend: '{{budget}}' }],
      steps: USED,
    },
    {
      kind: 'table', title: 'Budgets', unit: 'currencyUSD', width: 16,
      description: 'Spent and reserved count together towards the limit. Forecast over the limit: decide before the period ends.',
      targets: [
        { expr: spent, legend: 'Spent' },
        { expr: reserved, legend: 'Reserved' },
        { expr: limit, legend: 'Limit' },
        { expr: forecast, legend: 'Forecast' },
        { expr: `(${bound('end')} - time()) / 86400`, legend: 'Days left' },
      ],
      columns: { 'Days left': 'd' },
    },
    {
      kind: 'bar gauge', title: 'Forecast, of the limit', unit: 'percentunit', width: 8, min: 0, max: 2, decimals: 0,
      description: 'Expected spend at the end of the period: by plimsoll, which knows days of the week, and by a straight line through what is spent.',
      targets: [
        { expr: `${forecast} / ${limit}`, legend: '{{budget}}: plimsoll' },
        { expr: `${spent} / ${limit} / (${elapsed} > 0)`, legend: '{{budget}}: straight line' },
      ],
      steps: USED,
    },
    {
      kind: 'bar gauge', title: 'Burn rate', unit: 'short', width: 8, min: 0, max: 15, decimals: 1,
      description: 'Spend as a multiple of an even pace through the period: 1 lasts exactly. Over 6 for hours: look for a job that was just started.',
      targets: [
        { expr: pace('1h', 3_600), legend: '{{budget}}: 1 h' },
        { expr: pace('6h', 21_600), legend: '{{budget}}: 6 h' },
        { expr: pace('1d', 86_400), legend: '{{budget}}: 1 d' },
      ],
      steps: PACE,
    },
    {
      kind: 'time series', title: 'Spent against an even pace', unit: 'currencyUSD', width: 8, min: 0,
      description: 'Above the line of its even pace, a budget ends before its period does if nothing changes.',
      targets: [
        { expr: spent, legend: '{{budget}}: spent' },
        { expr: `${limit} * ${elapsed}`, legend: '{{budget}}: even pace' },
        { expr: limit, legend: '{{budget}}: limit' },
      ],
    },
  ],
};

const tokens = sumBy('kind', inRange('anthropic_tokens_total', 'kind!="output_estimated"'));
const price = (matchers: string): string =>
  `max by (kind) (anthropic_price_usd_per_million_tokens{job=~"$job", rate="standard", ${matchers}})`;

const where: Row = {
  title: 'Where it goes',
  panels: [
    {
      kind: 'stacked', title: 'Spend an hour, by model', unit: 'currencyUSD', width: 12,
      description: 'Estimated dollars an hour. A model that is new here and dear: was it meant?',
      targets: [{ expr: `3600 * ${sumBy('model', rate('anthropic_cost_usd_total'))}`, legend: '{{model}}' }],
    },
    {
      kind: 'stacked', title: 'Spend an hour, by key', unit: 'currencyUSD', width: 12,
      description: 'Estimated dollars an hour, by the alias of the key: who spends.',
      targets: [{ expr: `3600 * ${sumBy('key', rate('anthropic_cost_usd_total'))}`, legend: '{{key}}' }],
    },
    {
      kind: 'table', title: 'Cost in this time range', unit: 'currencyUSD', width: 12, drillDown: true,
      description: 'By model and key, with what a thousand calls cost. Much more a call than its neighbours: look at its tokens in Calls.',
      targets: [
        { expr: sumBy('model, key', inRange('anthropic_cost_usd_total')), legend: 'Cost' },
        { expr: `1000 * ${share(sumBy('model, key', inRange('anthropic_cost_usd_total')), sumBy('model, key', inRange('anthropic_requests_total', 'outcome="ok"')))}`, legend: 'A thousand calls' },
      ],
    },
    {
      kind: 'bar gauge', title: 'Cost by route', unit: 'currencyUSD', width: 6,
      description: 'Needs the attribution label route; without it there is one bar. The dearest route is where a smaller model saves most.',
      targets: [{ expr: sumBy('route', inRange('anthropic_cost_usd_total')), legend: '{{route}}' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'bar gauge', title: 'Cost by kind', unit: 'currencyUSD', width: 6,
      description: 'Input, output and cache. Mostly input: cache it; mostly cache writes: what is cached changes too often.',
      targets: [{ expr: sumBy('kind', inRange('anthropic_cost_usd_total')), legend: '{{kind}}' }],
      steps: [[null, 'blue']],
    },
  ],
};

const whatIf: Row = {
  title: 'What if, and what is missing',
  panels: [
    {
      kind: 'stat', title: 'The same tokens on $what_if', unit: 'currencyUSD', width: 6, height: 5, decimals: 2,
      description: 'What all tokens of the time range would cost at the standard rate of the model chosen above. Answers would differ in length.',
      targets: [{ expr: `sum(${tokens} * on (kind) ${price('model="$what_if"')}) / 1e6`, legend: 'on $what_if' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat', title: 'Cost as it was', unit: 'currencyUSD', width: 6, height: 5, decimals: 2,
      description: 'Estimated cost of the time range, to compare with the panel before.',
      targets: [{ expr: sumBy('', inRange('anthropic_cost_usd_total')), legend: 'cost' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat', title: 'Calls without a price', unit: 'percentunit', width: 6, height: 5, decimals: 2,
      description: 'Their cost is missing in everything here. More than none: give a price for the model.',
      targets: [{ expr: share(`(${sumBy('', inRange('anthropic_unpriced_requests_total'))} or vector(0))`, sumBy('', inRange('anthropic_requests_total'))), legend: 'unpriced' }],
      steps: [[null, 'green'], [0.000001, 'red']],
    },
    {
      kind: 'stat', title: 'Age of the prices', unit: 'd', width: 6, height: 5, decimals: 0,
      description: 'Days since the price table was compared with its source. Over 90: update plimsoll or your price file.',
      targets: [{ expr: `(time() - max(${selected('anthropic_price_table_timestamp_seconds')})) / 86400`, legend: 'age' }],
      steps: [[null, 'green'], [60, 'orange'], [90, 'red']],
    },
    {
      kind: 'time series', title: 'Decisions before calls', unit: 'reqps', width: 12, min: 0,
      description: 'blocked: calls are refused. unavailable: the ledger did not answer. warned: over the budget, and let through.',
      targets: [{ expr: sumBy('decision', rate('anthropic_budget_decisions_total')), legend: '{{decision}}' }],
    },
    {
      kind: 'time series', title: 'Ledgers that answer', unit: 'short', width: 12, min: 0, max: 1,
      description: '1: budgets are held to. 0: calls go through unheld, or are refused where a budget says closed.',
      targets: [{ expr: `min by (ledger) (${selected('anthropic_budget_ledger_up')})`, legend: '{{ledger}}' }],
    },
  ],
};

/** For whoever owns the money. */
export const budget: Dashboard = {
  name: 'budget',
  title: 'Claude API: budget',
  description: 'What is spent against what may be, who spends it, and where the period is heading.',
  from: 'now-24h',
  rows: [now, where, whatIf],
  whatIf: true,
};
