import { FAILED } from '../../src/rules/covered.ts';
import { callTokens } from './calls-tokens.ts';
import type { Dashboard, Row } from './panel.ts';
import { ATTRIBUTION, attributed, inRange, inWindow, quantile, rate, share, sumBy } from './selection.ts';

const PAIR = 'model, key';
const calls = sumBy(PAIR, inRange('requests'));
const duration = 'anthropic_request_duration_seconds' as const;

const who: Row = {
  title: 'Who calls what',
  panels: [
    {
      kind: 'table',
      title: 'Calls by model and key',
      unit: 'locale',
      width: 24,
      height: 9,
      drillDown: true,
      description: 'Calls in the time range. Click a row to narrow the dashboard to it.',
      targets: [
        { expr: calls, legend: 'Calls' },
        {
          expr: share(`(${sumBy(PAIR, inRange('requests', `outcome=~"${FAILED}"`))} or 0 * ${calls})`, calls),
          legend: 'Failed',
        },
        { expr: share(sumBy(PAIR, inRange('retries')), calls), legend: 'Retries per call' },
        {
          expr: quantile(0.95, duration, { by: PAIR, over: '$__range' }),
          legend: 'p95',
        },
        { expr: sumBy(PAIR, inRange('tokens')), legend: 'Tokens' },
        { expr: sumBy(PAIR, inRange('cost_usd')), legend: 'Cost' },
      ],
      columns: {
        Calls: ['locale', 0],
        Failed: ['percentunit', 2],
        Tokens: ['locale', 0],
        'Retries per call': ['short', 2],
        p95: 's',
        Cost: ['currencyUSD', 2],
      },
      first: { column: 'Calls', largest: true },
      labels: ['model', 'key'],
    },
    {
      kind: 'stacked',
      title: 'Calls by operation',
      unit: 'reqps',
      width: 8,
      description: 'Messages, streams, token counts and batches. Move work that can wait to batches, which cost half.',
      targets: [{ expr: sumBy('operation', rate('requests')), legend: '{{operation}}' }],
    },
    {
      kind: 'stacked',
      title: 'Calls by $attribution',
      unit: 'reqps',
      width: 8,
      description: 'By the attribution label chosen above. Calls without a value are (none).',
      targets: [
        {
          expr: attributed(sumBy(ATTRIBUTION, `${inWindow(`requests_by_${ATTRIBUTION}`, '10m')} / 600`)),
          legend: `{{${ATTRIBUTION}}}`,
        },
      ],
      noValue: 'nothing is recorded by this label',
    },
    {
      kind: 'time series',
      title: 'Duration p99, by operation',
      unit: 's',
      width: 8,
      min: 0,
      description: 'The slowest calls. Each point is one call; click it to open its trace.',
      targets: [
        {
          expr: quantile(0.99, duration, { by: 'operation', exemplars: true }),
          legend: '{{operation}}',
          exemplars: true,
        },
      ],
    },
  ],
};

const answers: Row = {
  title: 'Responses',
  panels: [
    {
      kind: 'stacked',
      title: 'Stop reasons',
      every: '5m',
      unit: 'reqps',
      width: 8,
      description:
        'Why the model stopped. max_tokens: the response is cut off. refusal: the model declined; look at the prompts.',
      targets: [{ expr: sumBy('stop_reason', rate('stop_reasons')), legend: '{{stop_reason}}' }],
    },
    {
      kind: 'time series',
      title: 'Responses cut off at max_tokens',
      every: '5m',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1,
      drillDown: true,
      description:
        'Responses that were paid for but are incomplete. If over a tenth, raise max_tokens or ask for shorter responses.',
      targets: [
        {
          expr: share(
            `(${sumBy('model', rate('stop_reasons', 'stop_reason="max_tokens"'))} or 0 * ${sumBy('model', rate('stop_reasons'))})`,
            sumBy('model', rate('stop_reasons')),
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
      title: 'Output as a share of max_tokens',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1,
      description:
        'If it is far below 1, lower max_tokens: that bounds the cost of a call and what limits and budgets reserve for it.',
      targets: [
        { expr: quantile(0.5, 'anthropic_max_tokens_ratio'), legend: 'p50' },
        { expr: quantile(0.95, 'anthropic_max_tokens_ratio'), legend: 'p95' },
      ],
    },
    {
      kind: 'stacked',
      title: 'Refusals, by category and billing',
      unit: 'reqps',
      width: 12,
      description:
        'Requests that a model refused, those included that a fallback answered. free: not billed. unsure: no rule is known.',
      targets: [{ expr: sumBy('category, billing', rate('refusals')), legend: '{{category}}, {{billing}}' }],
    },
    {
      kind: 'stacked',
      title: 'Prompt cache misses, by reason',
      every: '5m',
      unit: 'reqps',
      width: 12,
      description: 'Why prompts missed the cache. Only requests that ask for diagnostics have a reason.',
      targets: [{ expr: sumBy('reason', rate('cache_misses')), legend: '{{reason}}' }],
    },
  ],
};

const turns: Row = {
  title: 'Waiting for room in the limits',
  panels: [
    {
      kind: 'stacked',
      title: 'Turns of paced calls, by end',
      unit: 'reqps',
      width: 24,
      description:
        'How attempts that asked a pace for their turn went on. max_wait and queue_full were refused because too much came; never_fits, because the prompt is larger than a whole limit; unpaced, because the store of the pace is away.',
      targets: [{ expr: sumBy('end', rate('pace_turns')), legend: '{{end}}' }],
      noValue: 'no pace',
    },
  ],
};

/** For the developer who wants to know which calls these are. */
export const callsDashboard: Dashboard = {
  name: 'calls',
  title: 'Claude API: calls',
  description: 'Who calls which model, how responses end, and what they use and cost.',
  from: 'now-6h',
  rows: [who, answers, turns, callTokens],
  attribution: true,
};
