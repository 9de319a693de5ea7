import { budgetNow } from './budget-now.ts';
import type { Dashboard, Row } from './panel.ts';
import { inRange, rate, selected, share, sumBy } from './selection.ts';

const tokens = sumBy('kind', inRange('anthropic_tokens_total', 'kind!="output_estimated"'));
const price = (matchers: string): string =>
  `max by (kind) (anthropic_price_usd_per_million_tokens{job=~"$job", rate="standard", ${matchers}})`;

const where: Row = {
  title: 'Where it goes',
  panels: [
    {
      kind: 'stacked',
      title: 'Spend an hour, by model',
      unit: 'currencyUSD',
      width: 12,
      description: 'Estimated dollars an hour. A model that is new here and dear: was it meant?',
      targets: [{ expr: `3600 * ${sumBy('model', rate('anthropic_cost_usd_total'))}`, legend: '{{model}}' }],
    },
    {
      kind: 'stacked',
      title: 'Spend an hour, by key',
      unit: 'currencyUSD',
      width: 12,
      description: 'Estimated dollars an hour, by the alias of the key: who spends.',
      targets: [{ expr: `3600 * ${sumBy('key', rate('anthropic_cost_usd_total'))}`, legend: '{{key}}' }],
    },
    {
      kind: 'table',
      title: 'Cost in this time range',
      unit: 'currencyUSD',
      width: 12,
      labels: ['model', 'key'],
      first: { column: 'Cost', largest: true },
      drillDown: true,
      description:
        'By model and key, with what a thousand calls cost. Much more a call than its neighbours: look at its tokens in Calls.',
      targets: [
        { expr: sumBy('model, key', inRange('anthropic_cost_usd_total')), legend: 'Cost' },
        {
          expr: `1000 * ${share(sumBy('model, key', inRange('anthropic_cost_usd_total')), sumBy('model, key', inRange('anthropic_requests_total', 'outcome="ok"')))}`,
          legend: 'A thousand calls',
        },
      ],
    },
    {
      kind: 'bar gauge',
      title: 'Cost by route',
      unit: 'currencyUSD',
      width: 6,
      min: 0,
      description:
        'Needs the attribution label route; without it there is one bar. The dearest route is where a smaller model saves most.',
      targets: [{ expr: sumBy('route', inRange('anthropic_cost_usd_total')), legend: '{{route}}' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'bar gauge',
      title: 'Cost by kind',
      unit: 'currencyUSD',
      width: 6,
      min: 0,
      description:
        'Input, output and cache. Mostly input: cache it; mostly cache writes: what is cached changes too often.',
      targets: [{ expr: sumBy('kind', inRange('anthropic_cost_usd_total')), legend: '{{kind}}' }],
      steps: [[null, 'blue']],
    },
  ],
};

const whatIf: Row = {
  title: 'What if, and what is missing',
  panels: [
    {
      kind: 'stat',
      title: 'All on $what_if',
      unit: 'currencyUSD',
      width: 6,
      height: 5,
      decimals: 2,
      description:
        'What all tokens of the time range would cost at the standard rate of the model chosen above. Answers would differ in length.',
      targets: [{ expr: `sum(${tokens} * on (kind) ${price('model="$what_if"')}) / 1e6`, legend: 'on $what_if' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Cost as it was',
      unit: 'currencyUSD',
      width: 6,
      height: 5,
      decimals: 2,
      description: 'Estimated cost of the time range, to compare with the panel before.',
      targets: [{ expr: sumBy('', inRange('anthropic_cost_usd_total')), legend: 'cost' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Calls without a price',
      unit: 'percentunit',
      width: 6,
      height: 5,
      decimals: 2,
      description: 'Their cost is missing in everything here. More than none: give a price for the model.',
      targets: [
        {
          expr: share(
            `(${sumBy('', inRange('anthropic_unpriced_requests_total'))} or vector(0))`,
            sumBy('', inRange('anthropic_requests_total')),
          ),
          legend: 'unpriced',
        },
      ],
      steps: [
        [null, 'green'],
        [0.000001, 'red'],
      ],
    },
    {
      kind: 'stat',
      title: 'Age of the prices',
      unit: 'd',
      width: 6,
      height: 5,
      decimals: 0,
      description:
        'Days since the price table was compared with its source. Over 90: update plimsoll or your price file.',
      targets: [
        { expr: `(time() - max(${selected('anthropic_price_table_timestamp_seconds')})) / 86400`, legend: 'age' },
      ],
      steps: [
        [null, 'green'],
        [60, 'orange'],
        [90, 'red'],
      ],
    },
    {
      kind: 'time series',
      title: 'Decisions before calls',
      unit: 'reqps',
      colored: true,
      width: 12,
      min: 0,
      description:
        'blocked: calls are refused. unavailable: the ledger did not answer. warned: over the budget, and let through.',
      targets: [{ expr: sumBy('decision', rate('anthropic_budget_decisions_total')), legend: '{{decision}}' }],
    },
    {
      kind: 'time series',
      title: 'Ledgers that answer',
      unit: 'short',
      width: 12,
      min: 0,
      max: 1,
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
  rows: [budgetNow, where, whatIf],
  whatIf: true,
};
