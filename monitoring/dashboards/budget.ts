import { budgetNow } from './budget-now.ts';
import type { Dashboard, Row } from './panel.ts';
import { ATTRIBUTION, attributed, descending, GROUP, inRange, rate, selected, share, sumBy } from './selection.ts';

const tokens = sumBy('kind', inRange('tokens', 'kind!~"(input|output)_estimated"'));
const price = (matchers: string): string =>
  `max by (kind) (anthropic_price_usd_per_million_tokens{${GROUP.map((label) => `${label}=~"$${label}"`).join(', ')}, rate="standard", ${matchers}})`;

const where: Row = {
  title: 'Where the money goes',
  panels: [
    {
      kind: 'stacked',
      title: 'Spend per hour, by model',
      unit: 'currencyUSD',
      width: 12,
      description:
        'Estimated dollars per hour. If an expensive model is new here, check that somebody meant to use it.',
      targets: [{ expr: `3600 * ${sumBy('model', rate('cost_usd'))}`, legend: '{{model}}' }],
    },
    {
      kind: 'stacked',
      title: 'Spend per hour, by key',
      unit: 'currencyUSD',
      width: 12,
      description: 'Estimated dollars per hour, by the alias of the API key.',
      targets: [{ expr: `3600 * ${sumBy('key', rate('cost_usd'))}`, legend: '{{key}}' }],
    },
    {
      kind: 'table',
      title: 'Cost in this time range',
      unit: 'currencyUSD',
      decimals: 2,
      width: 12,
      labels: ['model', 'key'],
      first: { column: 'Cost', largest: true },
      drillDown: true,
      description:
        'Cost by model and key, and per thousand calls. If one row costs far more per call than the others, look at its tokens in the dashboard Calls.',
      targets: [
        { expr: sumBy('model, key', inRange('cost_usd')), legend: 'Cost' },
        {
          expr: `1000 * ${share(sumBy('model, key', inRange('cost_usd')), sumBy('model, key', inRange('requests', 'outcome="ok"')))}`,
          legend: 'Per 1,000 calls',
        },
      ],
    },
    {
      kind: 'bar gauge',
      title: 'Cost by $attribution',
      unit: 'currencyUSD',
      width: 6,
      min: 0,
      decimals: 2,
      description:
        'The eight that cost most, by the attribution label chosen above: client for the clients of a gateway. Calls without a value are (none). A smaller model saves most on the most expensive one.',
      targets: [
        {
          expr: attributed(`topk(8, ${sumBy(ATTRIBUTION, inRange(`cost_usd_by_${ATTRIBUTION}`))})`),
          legend: `{{${ATTRIBUTION}}}`,
        },
      ],
      steps: [[null, 'blue']],
      noValue: 'nothing is recorded by this label',
    },
    {
      kind: 'bar gauge',
      title: 'Cost by kind',
      unit: 'currencyUSD',
      width: 6,
      min: 0,
      decimals: 2,
      description:
        'Input, output and cache. If most is input, cache it. If most is cache writes, the cached part changes too often.',
      targets: [{ expr: descending(sumBy('kind', inRange('cost_usd'))), legend: '{{kind}}' }],
      steps: [[null, 'blue']],
    },
  ],
};

const whatIf: Row = {
  title: 'Other models, and missing costs',
  panels: [
    {
      kind: 'stat',
      title: 'If all calls used $what_if',
      unit: 'currencyUSD',
      width: 6,
      height: 5,
      decimals: 2,
      description:
        'The cost of all tokens in the time range at the standard rate of the model chosen above. Its responses would differ in length.',
      targets: [{ expr: `sum(${tokens} * on (kind) ${price('model="$what_if"')}) / 1e6`, legend: 'on $what_if' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Actual cost',
      unit: 'currencyUSD',
      width: 6,
      height: 5,
      decimals: 2,
      description: 'Estimated cost of the time range, for comparison with the panel on the left.',
      targets: [{ expr: sumBy('', inRange('cost_usd')), legend: 'cost' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Calls without a price',
      unit: 'percentunit',
      width: 6,
      height: 5,
      decimals: 2,
      description:
        'The cost of these calls is missing from every panel here. If there are any, add a price for the model.',
      targets: [
        {
          expr: share(`(${sumBy('', inRange('unpriced'))} or vector(0))`, sumBy('', inRange('requests'))),
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
      title: 'Age of the price table',
      unit: 'd',
      width: 6,
      height: 5,
      decimals: 0,
      description:
        'Days since the price table was last checked against its source. If it is over 90 days, update plimsoll or your price file.',
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
      title: 'Budget decisions',
      unit: 'reqps',
      colored: true,
      width: 12,
      min: 0,
      description:
        'Decisions made before each call. blocked: the call was refused. unavailable: the ledger did not respond. warned: the call went over the budget and was sent.',
      targets: [{ expr: sumBy('decision', rate('budget_decisions')), legend: '{{decision}}' }],
    },
    {
      kind: 'time series',
      title: 'Ledger health',
      unit: 'short',
      width: 12,
      min: 0,
      max: 1,
      description:
        '1: the ledger answers and budgets are enforced. 0: calls go through unchecked, or are refused by budgets with onLedgerDown: closed.',
      targets: [{ expr: `min by (ledger) (${selected('anthropic_budget_ledger_up')})`, legend: '{{ledger}}' }],
    },
  ],
};

/** For the person who owns the budget. */
export const budget: Dashboard = {
  name: 'budget',
  title: 'Claude API: budget',
  description: 'Spend against budgets, who spends it, and the forecast for the period.',
  from: 'now-24h',
  rows: [budgetNow, where, whatIf],
  whatIf: true,
  attribution: true,
};
