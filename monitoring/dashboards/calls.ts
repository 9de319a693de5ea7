import { FAILED } from '../../src/rules/covered.ts';
import { callTokens } from './calls-tokens.ts';
import type { Dashboard, Row } from './panel.ts';
import { inRange, quantile, rate, share, sumBy } from './selection.ts';

const PAIR = 'model, key';
const calls = sumBy(PAIR, inRange('anthropic_requests_total'));
const duration = 'anthropic_request_duration_seconds_bucket' as const;

const who: Row = {
  title: 'Who calls what',
  panels: [
    {
      kind: 'table',
      title: 'Calls by model and key',
      unit: 'short',
      width: 24,
      height: 9,
      drillDown: true,
      description: 'Of the time range. Click a row to narrow the dashboard to it.',
      targets: [
        { expr: calls, legend: 'Calls' },
        {
          expr: share(
            `(${sumBy(PAIR, inRange('anthropic_requests_total', `outcome=~"${FAILED}"`))} or 0 * ${calls})`,
            calls,
          ),
          legend: 'Failed',
        },
        { expr: share(sumBy(PAIR, inRange('anthropic_retries_total')), calls), legend: 'Retries a call' },
        {
          expr: `histogram_quantile(0.95, ${sumBy(`le, ${PAIR}`, inRange(duration, 'outcome="ok"'))}) >= 0`,
          legend: 'p95',
        },
        { expr: sumBy(PAIR, inRange('anthropic_tokens_total')), legend: 'Tokens' },
        { expr: sumBy(PAIR, inRange('anthropic_cost_usd_total')), legend: 'Cost' },
      ],
      columns: { Failed: ['percentunit', 2], 'Retries a call': ['short', 2], p95: 's', Cost: 'currencyUSD' },
      first: { column: 'Calls', largest: true },
      labels: ['model', 'key'],
    },
    {
      kind: 'stacked',
      title: 'Calls by operation',
      unit: 'reqps',
      width: 8,
      description:
        'What is called: plain or streamed messages, token counts, batches. Work that can wait belongs into batches, at half the price.',
      targets: [{ expr: sumBy('operation', rate('anthropic_requests_total')), legend: '{{operation}}' }],
    },
    {
      kind: 'stacked',
      title: 'Calls by route',
      unit: 'reqps',
      width: 8,
      description: 'Needs the attribution label route; without it there is one line.',
      targets: [{ expr: sumBy('route', rate('anthropic_requests_total')), legend: '{{route}}' }],
    },
    {
      kind: 'time series',
      title: 'Duration p99, by operation',
      unit: 's',
      width: 8,
      min: 0,
      description: 'The slowest calls. Points are single calls: they open their traces.',
      targets: [{ expr: quantile(0.99, duration, { by: 'operation' }), legend: '{{operation}}', exemplars: true }],
    },
  ],
};

const answers: Row = {
  title: 'Answers',
  panels: [
    {
      kind: 'stacked',
      title: 'Stop reasons',
      unit: 'reqps',
      width: 8,
      description: 'Why the model stopped. max_tokens: the answer is cut off; refusal: look at what is asked.',
      targets: [{ expr: sumBy('stop_reason', rate('anthropic_stop_reasons_total')), legend: '{{stop_reason}}' }],
    },
    {
      kind: 'time series',
      title: 'Answers cut off at max_tokens',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1,
      drillDown: true,
      description: 'Paid for and not complete. Over a tenth: raise max_tokens, or ask for shorter answers.',
      targets: [
        {
          expr: share(
            `(${sumBy('model', rate('anthropic_stop_reasons_total', 'stop_reason="max_tokens"'))} or 0 * ${sumBy('model', rate('anthropic_stop_reasons_total'))})`,
            sumBy('model', rate('anthropic_stop_reasons_total')),
          ),
          legend: '{{model}}',
        },
      ],
      steps: [
        [null, 'transparent'],
        [0.1, 'red'],
      ],
    },
    {
      kind: 'time series',
      title: 'Output against max_tokens',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1,
      description:
        'Far below 1: max_tokens could be lower, which bounds the cost of a call and what limits reserve for it.',
      targets: [
        { expr: quantile(0.5, 'anthropic_max_tokens_ratio_bucket'), legend: 'p50' },
        { expr: quantile(0.95, 'anthropic_max_tokens_ratio_bucket'), legend: 'p95' },
      ],
    },
  ],
};

/** For whoever wants to know which calls these are. */
export const callsDashboard: Dashboard = {
  name: 'calls',
  title: 'Claude API: calls',
  description: 'Who calls what, what comes back, and what it takes.',
  from: 'now-6h',
  rows: [who, answers, callTokens],
};
