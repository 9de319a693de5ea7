import { FAILED } from '../../src/rules/covered.ts';
import { latency } from './overview-latency.ts';
import { pages } from './overview-alerts.ts';
import { overviewNow } from './overview-now.ts';
import type { Dashboard, Row } from './panel.ts';
import { rate, selected, share, sumBy } from './selection.ts';

const judgedBy = sumBy('model', rate('requests', `outcome=~"ok|${FAILED}"`));

const traffic: Row = {
  title: 'Traffic',
  panels: [
    {
      kind: 'stacked',
      title: 'Calls by outcome',
      unit: 'reqps',
      colored: true,
      width: 12,
      description:
        'Finished calls per second, by how they ended. If anything but ok lasts, an alert fires; its runbook says what to do.',
      targets: [{ expr: sumBy('outcome', rate('requests')), legend: '{{outcome}}' }],
    },
    {
      kind: 'stacked',
      title: 'Attempts by status',
      unit: 'reqps',
      colored: true,
      width: 12,
      description:
        'HTTP requests per second, including retries. If there are far more attempts than calls, retries multiply the load.',
      targets: [{ expr: sumBy('status', rate('attempts')), legend: '{{status}}' }],
    },
    {
      kind: 'time series',
      title: 'Success ratio by model',
      every: '5m',
      unit: 'percentunit',
      width: 12,
      max: 1,
      drillDown: true,
      description:
        'Share of calls that succeeded, by model. If one model drops, look at its limits or its availability. If all drop, look at the network or the API.',
      targets: [
        {
          expr: share(sumBy('model', rate('requests', 'outcome="ok"')), judgedBy),
          legend: '{{model}}',
        },
      ],
      steps: [
        [null, 'red'],
        [0.99, 'transparent'],
      ],
    },
    {
      kind: 'time series',
      title: 'Calls in flight',
      unit: 'short',
      width: 12,
      reaches: 5,
      min: 0,
      description: 'Calls in progress, by operation, over all replicas.',
      targets: [{ expr: sumBy('operation', selected('anthropic_requests_in_flight')), legend: '{{operation}}' }],
    },
  ],
};

const refusals: Row = {
  title: 'Refusals and retries',
  panels: [
    {
      kind: 'stacked',
      title: '429s by reason',
      unit: 'reqps',
      width: 8,
      description:
        'The limit that refuses. requests: send fewer, larger calls. input_tokens: use caching. output_tokens: ask for shorter responses.',
      targets: [{ expr: `${sumBy('reason', rate('rate_limited'))} > 0`, legend: '{{reason}}' }],
      noValue: 'none refused',
    },
    {
      kind: 'time series',
      title: 'Overloads (529) by model',
      unit: 'reqps',
      width: 8,
      min: 0,
      description: 'The API is overloaded. Nothing is wrong on your side: let retries work, or use another model.',
      targets: [{ expr: sumBy('model', rate('overloaded')), legend: '{{model}}' }],
      noValue: 'none',
    },
    {
      kind: 'time series',
      title: 'Refused by spend limits, by scope',
      unit: 'reqps',
      width: 8,
      reaches: 0.1,
      min: 0,
      description: 'The spend limit that refuses calls. Retrying cannot help: somebody has to raise it.',
      targets: [{ expr: sumBy('scope', rate('spend_limited')), legend: '{{scope}}' }],
      noValue: 'none refused',
    },
    {
      kind: 'time series',
      title: 'Retries per call',
      every: '5m',
      unit: 'short',
      width: 6,
      min: 0,
      decimals: 2,
      description: 'If it stays over 0.5, it is a retry storm: retries cause the load that gets them refused.',
      targets: [
        {
          expr: share(sumBy('model', rate('retries')), sumBy('model', rate('requests', 'outcome!="blocked"'))),
          legend: '{{model}}',
        },
      ],
      steps: [
        [null, 'transparent'],
        [0.5, 'red'],
      ],
    },
    {
      kind: 'stacked',
      title: 'Retries by reason',
      unit: 'reqps',
      colored: true,
      width: 6,
      description: 'How the attempt before each retry ended.',
      targets: [{ expr: sumBy('reason', rate('retries')), legend: '{{reason}}' }],
      noValue: 'none',
    },
    {
      kind: 'time series',
      title: 'Time spent waiting to retry, per call',
      every: '5m',
      unit: 's',
      width: 6,
      min: 0,
      description:
        'Mean wait between attempts, over all calls. Users wait too. An alert fires if it stays above the configured share of the duration.',
      targets: [
        {
          expr: share(
            sumBy('model', rate('retry_wait_seconds')),
            sumBy('model', rate('requests', 'outcome!="blocked"')),
          ),
          legend: '{{model}}',
        },
      ],
    },
    {
      kind: 'stacked',
      title: 'Refused by the gateway',
      unit: 'reqps',
      width: 6,
      description:
        'Requests refused before they became calls. unavailable and overloaded affect everybody. The others concern single clients: bad tokens, paths that are not forwarded.',
      targets: [{ expr: `${sumBy('reason', rate('gateway_refusals'))} > 0`, legend: '{{reason}}' }],
      noValue: 'no gateway, or none refused',
    },
  ],
};

/** For the person on call. */
export const overview: Dashboard = {
  name: 'overview',
  title: 'Claude API: overview',
  description: 'Whether calls succeed, how fast they are, which limits refuse them, and what they cost now.',
  from: 'now-6h',
  rows: [overviewNow, pages, traffic, refusals, latency],
};
