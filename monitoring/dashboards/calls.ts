import { RECORDED } from '../../src/monitoring/recorded.ts';
import { FAILED } from '../../src/monitoring/recording-rules.ts';
import type { Dashboard, Row } from './panel.ts';
import { inRange, quantile, rate, recorded, selected, share, sumBy } from './selection.ts';

const PAIR = 'model, key';
const calls = sumBy(PAIR, inRange('anthropic_requests_total'));
const duration = 'anthropic_request_duration_seconds_bucket' as const;

const who: Row = {
  title: 'Who calls what',
  panels: [
    {
      kind: 'table', title: 'Calls by model and key', unit: 'short', width: 24, height: 9, drillDown: true,
      description: 'Of the time range. Click a row to narrow the dashboard to it.',
      targets: [
        { expr: calls, legend: 'Calls' },
        { expr: share(`(${sumBy(PAIR, inRange('anthropic_requests_total', `outcome=~"${FAILED}"`))} or 0 * ${calls})`, calls), legend: 'Failed' },
        { expr: share(sumBy(PAIR, inRange('anthropic_retries_total')), calls), legend: 'Retries a call' },
        { expr: `histogram_quantile(0.95, ${sumBy(`le, ${PAIR}`, inRange(duration, 'outcome="ok"'))}) >= 0`, legend: 'p95' },
        { expr: sumBy(PAIR, inRange('anthropic_tokens_total')), legend: 'Tokens' },
        { expr: sumBy(PAIR, inRange('anthropic_cost_usd_total')), legend: 'Cost' },
      ],
      columns: { Failed: 'percentunit', p95: 's', Cost: 'currencyUSD' },
    },
    {
      kind: 'stacked', title: 'Calls by operation', unit: 'reqps', width: 8,
      description: 'What is called: plain or streamed messages, token counts, batches. Work that can wait belongs into batches, at half the price.',
      targets: [{ expr: sumBy('operation', rate('anthropic_requests_total')), legend: '{{operation}}' }],
    },
    {
      kind: 'stacked', title: 'Calls by route', unit: 'reqps', width: 8,
      description: 'Needs the attribution label route; without it there is one line.',
      targets: [{ expr: sumBy('route', rate('anthropic_requests_total')), legend: '{{route}}' }],
    },
    {
      kind: 'time series', title: 'Duration p99, by operation', unit: 's', width: 8, min: 0,
      description: 'The slowest calls. Points are single calls: they open their traces.',
      targets: [{ expr: quantile(0.99, duration, { by: 'operation' }), legend: '{{operation}}', exemplars: true }],
    },
  ],
};

const answers: Row = {
  title: 'Answers',
  panels: [
    {
      kind: 'stacked', title: 'Stop reasons', unit: 'reqps', width: 8,
      description: 'Why the model stopped. max_tokens: the answer is cut off; refusal: look at what is asked.',
      targets: [{ expr: sumBy('stop_reason', rate('anthropic_stop_reasons_total')), legend: '{{stop_reason}}' }],
    },
    {
      kind: 'time series', title: 'Answers cut off at max_tokens', unit: 'percentunit', width: 8, min: 0, max: 1, drillDown: true,
      description: 'Paid for and not complete. Over a tenth: raise max_tokens, or ask for shorter answers.',
      targets: [{ expr: share(`(${sumBy('model', rate('anthropic_stop_reasons_total', 'stop_reason="max_tokens"'))} or 0 * ${sumBy('model', rate('anthropic_stop_reasons_total'))})`, sumBy('model', rate('anthropic_stop_reasons_total'))), legend: '{{model}}' }],
      steps: [[null, 'transparent'], [0.1, 'red']],
    },
    {
      kind: 'time series', title: 'Output against max_tokens', unit: 'percentunit', width: 8, min: 0, max: 1,
      description: 'Far below 1: max_tokens could be lower, which bounds the cost of a call and what limits reserve for it.',
      targets: [
        { expr: quantile(0.5, 'anthropic_max_tokens_ratio_bucket'), legend: 'p50' },
        { expr: quantile(0.95, 'anthropic_max_tokens_ratio_bucket'), legend: 'p95' },
      ],
    },
  ],
};

const reads = sumBy('model', rate('anthropic_tokens_total', 'kind="cache_read"'));
const inputs = sumBy('model', rate('anthropic_tokens_total', 'kind=~"input|cache_read|cache_write_5m|cache_write_1h"'));

const tokens: Row = {
  title: 'Tokens and what they cost',
  panels: [
    {
      kind: 'stacked', title: 'Tokens by kind', unit: 'cps', width: 8,
      description: 'Tokens a second. output_estimated: streams that ended before the count came; many of them: users leave.',
      targets: [{ expr: sumBy('kind', rate('anthropic_tokens_total')), legend: '{{kind}}' }],
    },
    {
      kind: 'time series', title: 'Cache hit ratio', unit: 'percentunit', width: 8, min: 0, max: 1, drillDown: true,
      description: 'Input that was read from the cache: a tenth of the price, and for most models no load on the limit of input tokens.',
      targets: [{ expr: share(`(${reads} or 0 * ${inputs})`, inputs), legend: '{{model}}' }],
    },
    {
      kind: 'time series', title: 'Time per output token, p95', unit: 's', width: 8, min: 0,
      description: 'How fast streams write after their first token.',
      targets: [{ expr: quantile(0.95, 'anthropic_time_per_output_token_seconds_bucket', { by: 'model' }), legend: '{{model}}' }],
    },
    {
      kind: 'time series', title: 'Cost per call', unit: 'currencyUSD', width: 8, min: 0, decimals: 4,
      description: 'Over six hours, beside the same hours of last week. Apart: prompts, answers or models have changed.',
      targets: [
        { expr: recorded(RECORDED.costPerCall), legend: '{{model}}' },
        { expr: `${recorded(RECORDED.costPerCall)} offset 1w`, legend: '{{model}}: last week' },
      ],
    },
    {
      kind: 'time series', title: 'Cost per call, by route and model', unit: 'currencyUSD', width: 24, min: 0, decimals: 4,
      description: 'A route of short answers on a dear model stands out here. plimsoll advise names it, with what the cheaper class would have cost.',
      targets: [
        {
          expr: share(sumBy('route, model', rate('anthropic_cost_usd_total')), sumBy('route, model', rate('anthropic_requests_total', 'outcome="ok"'))),
          legend: '{{route}} on {{model}}',
        },
      ],
    },
    {
      kind: 'time series', title: 'Tokens per call', unit: 'short', width: 8, min: 0,
      description: 'Over six hours, beside the same hours of last week.',
      targets: [
        { expr: recorded(RECORDED.tokensPerCall), legend: '{{model}}' },
        { expr: `${recorded(RECORDED.tokensPerCall)} offset 1w`, legend: '{{model}}: last week' },
      ],
    },
    {
      kind: 'bar gauge', title: 'Plimsoll of itself', unit: 'short', width: 8, min: 0,
      description: 'Errors that it swallowed, and label values that are counted as other, in the time range. More than none: see their runbooks.',
      targets: [
        { expr: `${sumBy('', inRange('plimsoll_errors_total'))} or vector(0)`, legend: 'errors' },
        { expr: `${sumBy('', inRange('plimsoll_label_values_dropped_total'))} or vector(0)`, legend: 'label values dropped' },
        { expr: `count(${selected('plimsoll_build_info')})`, legend: 'processes' },
      ],
      steps: [[null, 'blue']],
    },
  ],
};

/** For whoever wants to know which calls these are. */
export const callsDashboard: Dashboard = {
  name: 'calls',
  title: 'Claude API: calls',
  description: 'Who calls what, what comes back, and what it takes.',
  from: 'now-6h',
  rows: [who, answers, tokens],
};
