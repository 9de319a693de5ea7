import type { Row } from './panel.ts';
import { headroomLeft, inRange, quantile, rate, selected, sumBy } from './selection.ts';

const LIMIT = 'key, model_class, dimension';
const OF = '{{key}} {{model_class}} {{dimension}}';
const remaining = `min by (${LIMIT}) (${selected('anthropic_ratelimit_remaining')})`;

/** Panels on the headroom of each limit, and on the requests that limits refuse. */
export const headroom: Row = {
  title: 'Headroom',
  panels: [
    {
      kind: 'table',
      title: 'Limits',
      unit: 'short',
      width: 11,
      description:
        'Rate limits per minute, by key, model class and dimension: the lowest that any replica saw. If little is left, slow down what can wait.',
      targets: [
        { expr: `max by (${LIMIT}) (${selected('anthropic_ratelimit_limit')})`, legend: 'Limit' },
        { expr: remaining, legend: 'Remaining' },
        // A table treats the name of a metric as a label, which would add a row.
        { expr: `min by (${LIMIT}) (${headroomLeft()})`, legend: 'Left' },
      ],
      columns: { Left: 'percentunit' },
      labels: ['key', 'model_class', 'dimension'],
      first: { column: 'Left', largest: false },
    },
    {
      kind: 'time series',
      title: 'Headroom by limit',
      unit: 'percentunit',
      width: 13,
      legend: 'min',
      min: 0,
      max: 1,
      description:
        'What is left of each limit, by response headers at most 5 minutes old. A slow fall means growing traffic; a cliff means one job.',
      targets: [{ expr: headroomLeft(), legend: OF }],
      steps: [
        [null, 'red'],
        [0.1, 'transparent'],
      ],
    },
    {
      kind: 'time series',
      title: 'Time until a limit is reached',
      unit: 's',
      width: 12,
      min: 0,
      legend: 'min',
      description:
        'If headroom keeps falling as it did in the last 15 minutes. Shows at most a day. No line: it is not falling.',
      targets: [
        {
          expr: `clamp_max(${remaining} / (-1 * min by (${LIMIT}) (deriv(${selected('anthropic_ratelimit_remaining')}[15m])) > 0), 86400)`,
          legend: OF,
        },
      ],
    },
    {
      kind: 'time series',
      title: 'Use of limits, p95',
      unit: 'percentunit',
      width: 12,
      legend: 'max',
      min: 0,
      max: 1,
      description: 'Share of each limit in use, from every response, so that peaks between scrapes are included.',
      targets: [{ expr: quantile(0.95, 'anthropic_ratelimit_used_ratio_bucket', { by: LIMIT }), legend: OF }],
    },
    {
      kind: 'bar gauge',
      title: '429s by limiter',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1,
      decimals: 0,
      description: '429s in the time range, by reason. Raise the limit with the longest bar first.',
      targets: [
        {
          expr: `${sumBy('reason', inRange('anthropic_rate_limited_total'))} / on () group_left () (${sumBy('', inRange('anthropic_rate_limited_total'))} > 0) > 0`,
          legend: '{{reason}}',
        },
      ],
      steps: [[null, 'orange']],
      noValue: 'none refused',
    },
    {
      kind: 'time series',
      title: 'Share of attempts refused, by model',
      unit: 'percentunit',
      width: 16,
      min: 0,
      drillDown: true,
      description:
        'Share of attempts refused, by reason. Over 5% for two minutes is a ticket; if users notice, the error budget alert pages.',
      targets: [
        {
          expr: `${sumBy('model, reason', rate('anthropic_rate_limited_total'))} / on (model) group_left () (${sumBy('model', rate('anthropic_attempts_total'))} > 0) > 0`,
          legend: '{{model}} {{reason}}',
        },
      ],
    },
  ],
};
