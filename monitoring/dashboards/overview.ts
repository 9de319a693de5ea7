import { RECORDED } from '../../src/monitoring/recorded.ts';
import { FAILED } from '../../src/monitoring/recording-rules.ts';
import type { Dashboard, Row } from './panel.ts';
import { quantile, rate, recorded, selected, share, sumBy } from './selection.ts';

const GOOD_HIGH = [[null, 'red'], [0.95, 'orange'], [0.99, 'green']] as const;
const GOOD_LOW = [[null, 'green'], [0.01, 'orange'], [0.05, 'red']] as const;

const judged = sumBy('', rate('anthropic_requests_total', `outcome=~"ok|${FAILED}"`));
const judgedBy = sumBy('model', rate('anthropic_requests_total', `outcome=~"ok|${FAILED}"`));
const budgetUsed = `max(${RECORDED.budgetSpent} / ${RECORDED.budgetLimit})`;

const now: Row = {
  title: 'Now',
  panels: [
    {
      kind: 'stat', title: 'Alerts firing', unit: 'short', width: 3, height: 4,
      description: 'Alerts of plimsoll that fire now. Open the runbook of each; red lines in the panels below show since when.',
      targets: [{ expr: 'count(ALERTS{alertname=~"Plimsoll.+", alertstate="firing"}) or vector(0)', legend: 'firing' }],
      steps: [[null, 'green'], [1, 'red']],
    },
    {
      kind: 'stat', title: 'Success ratio', unit: 'percentunit', width: 3, height: 4, decimals: 2,
      description: 'Calls that were answered, of those that the API or the network could fail. Under the objective: look at the outcomes below.',
      targets: [{ expr: share(sumBy('', rate('anthropic_requests_total', 'outcome="ok"')), judged), legend: 'ok' }],
      steps: GOOD_HIGH,
    },
    {
      kind: 'stat', title: '429 share', unit: 'percentunit', width: 3, height: 4, decimals: 1,
      description: 'Attempts that were refused by a limit. The reasons below say which limit to raise or to spread over.',
      targets: [{ expr: share(`(${sumBy('', rate('anthropic_attempts_total', 'status="429"'))} or vector(0))`, sumBy('', rate('anthropic_attempts_total'))), legend: '429' }],
      steps: GOOD_LOW,
    },
    {
      kind: 'stat', title: 'Least headroom', unit: 'percentunit', width: 3, height: 4, decimals: 0,
      description: 'What is left of the limit that is nearest to its end. Under a tenth: slow down what can wait.',
      targets: [{ expr: `min(${recorded(RECORDED.headroom)})`, legend: 'left' }],
      steps: [[null, 'red'], [0.1, 'orange'], [0.3, 'green']],
      noValue: 'no calls',
    },
    {
      kind: 'stat', title: 'Duration p95', unit: 's', width: 3, height: 4, decimals: 1,
      description: '95 of 100 calls end within this time, retries and waits included.',
      targets: [{ expr: quantile(0.95, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }), legend: 'p95' }],
      steps: [[null, 'green'], [16, 'orange'], [32, 'red']],
    },
    {
      kind: 'stat', title: 'Spend an hour', unit: 'currencyUSD', width: 3, height: 4, decimals: 2,
      description: 'Estimated cost of the last hour. Far from what is usual: open the dashboard Budget.',
      targets: [{ expr: `3600 * ${sumBy('', `rate(${selected('anthropic_cost_usd_total')}[1h])`)}`, legend: 'an hour' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat', title: 'In flight', unit: 'short', width: 3, height: 4,
      description: 'Calls begun and not finished, over all replicas. Rising while calls a second do not: calls hang or wait.',
      targets: [{ expr: sumBy('', selected('anthropic_requests_in_flight')), legend: 'in flight' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat', title: 'Fullest budget', unit: 'percentunit', width: 3, height: 4, decimals: 0,
      description: 'Spend of the budget that is nearest to its limit. Over 100 %: it is spent; in mode block its calls are refused.',
      targets: [{ expr: budgetUsed, legend: 'used' }],
      steps: [[null, 'green'], [0.8, 'orange'], [1, 'red']],
      noValue: 'no budget',
    },
  ],
};

const traffic: Row = {
  title: 'Traffic',
  panels: [
    {
      kind: 'stacked', title: 'Calls by outcome', unit: 'reqps', width: 12,
      description: 'Finished calls a second, by how they ended. Anything but ok for long: its runbook says what to do.',
      targets: [{ expr: sumBy('outcome', rate('anthropic_requests_total')), legend: '{{outcome}}' }],
    },
    {
      kind: 'stacked', title: 'Attempts by status', unit: 'reqps', width: 12,
      description: 'HTTP requests a second, retries included. Far above the calls: retries multiply the load.',
      targets: [{ expr: sumBy('status', rate('anthropic_attempts_total')), legend: '{{status}}' }],
    },
    {
      kind: 'time series', title: 'Success ratio by model', unit: 'percentunit', width: 12, max: 1, drillDown: true,
      description: 'Answered calls of each model. One model alone: its side or its limits; all: the network or the API.',
      targets: [{ expr: share(sumBy('model', rate('anthropic_requests_total', 'outcome="ok"')), judgedBy), legend: '{{model}}' }],
      steps: [[null, 'red'], [0.99, 'transparent']],
    },
    {
      kind: 'time series', title: 'Calls in flight', unit: 'short', width: 12, min: 0,
      description: 'Calls begun and not finished, by operation, over all replicas.',
      targets: [{ expr: sumBy('operation', selected('anthropic_requests_in_flight')), legend: '{{operation}}' }],
    },
  ],
};

const refusals: Row = {
  title: 'Refusals and retries',
  panels: [
    {
      kind: 'stacked', title: '429s by reason', unit: 'reqps', width: 8,
      description: 'Which limit refuses. requests: fewer, larger calls; input_tokens: caching; output_tokens: shorter answers.',
      targets: [{ expr: sumBy('reason', rate('anthropic_rate_limited_total')), legend: '{{reason}}' }],
    },
    {
      kind: 'time series', title: 'Overloads (529) by model', unit: 'reqps', width: 8, min: 0,
      description: 'The API is overloaded. Nothing of yours is wrong: let retries work, or use another model.',
      targets: [{ expr: sumBy('model', rate('anthropic_overloaded_total')), legend: '{{model}}' }],
    },
    {
      kind: 'time series', title: 'Refused for spend, by scope', unit: 'reqps', width: 8, min: 0,
      description: 'Whose spend limit refuses. Retrying cannot help: somebody has to raise that limit.',
      targets: [{ expr: sumBy('scope', rate('anthropic_spend_limited_total')), legend: '{{scope}}' }],
    },
    {
      kind: 'time series', title: 'Retries per call', unit: 'short', width: 8, min: 0, decimals: 2,
      description: 'Over a half for long is a storm: retries make the load that they are refused for.',
      targets: [{ expr: share(sumBy('model', rate('anthropic_retries_total')), sumBy('model', rate('anthropic_requests_total', 'outcome!="blocked"'))), legend: '{{model}}' }],
      steps: [[null, 'transparent'], [0.5, 'red']],
    },
    {
      kind: 'stacked', title: 'Retries by reason', unit: 'reqps', width: 8,
      description: 'What the attempt before came to.',
      targets: [{ expr: sumBy('reason', rate('anthropic_retries_total')), legend: '{{reason}}' }],
    },
    {
      kind: 'time series', title: 'Time lost to waiting', unit: 's', width: 8, min: 0,
      description: 'Seconds of waiting between attempts in each second, over all calls. Users wait along.',
      targets: [{ expr: sumBy('model', rate('anthropic_retry_wait_seconds_total')), legend: '{{model}}' }],
    },
  ],
};

const latency: Row = {
  title: 'Latency',
  panels: [
    {
      kind: 'time series', title: 'Duration of calls', unit: 's', width: 8, min: 0,
      description: 'Start of a call to its last byte, retries and waits included. Points are single calls: they open their traces.',
      targets: [
        { expr: quantile(0.5, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }), legend: 'p50' },
        { expr: quantile(0.95, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }), legend: 'p95' },
        { expr: quantile(0.99, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }), legend: 'p99', exemplars: true },
      ],
    },
    {
      kind: 'time series', title: 'First token, p95', unit: 's', width: 8, min: 0, drillDown: true,
      description: 'Streams: what a user waits before the answer begins. Late: long prompts, or a slower model.',
      targets: [{ expr: quantile(0.95, 'anthropic_time_to_first_token_seconds_bucket', { by: 'model' }), legend: '{{model}}', exemplars: true }],
    },
    {
      kind: 'heatmap', title: 'Duration of calls, all', unit: 's', width: 8,
      description: 'How many calls took how long. Two bands: two kinds of calls, or calls with and without retries.',
      targets: [{ expr: sumBy('le', `increase(${selected('anthropic_request_duration_seconds_bucket', 'outcome="ok"')}[$__rate_interval])`), legend: '{{le}}' }],
    },
  ],
};

/** For whoever is on call. */
export const overview: Dashboard = {
  name: 'overview',
  title: 'Claude API: overview',
  description: 'Is it working, is it fast, what refuses, and what does it cost now.',
  from: 'now-6h',
  rows: [now, traffic, refusals, latency],
};
