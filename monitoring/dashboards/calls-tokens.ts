import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';
import { ATTRIBUTION, attributed, inRange, inWindow, quantile, rate, recorded, share, sumBy } from './selection.ts';

const reads = sumBy('model', rate('tokens', 'kind="cache_read"'));
const inputs = sumBy('model', rate('tokens', 'kind=~"input|cache_read|cache_write_5m|cache_write_1h"'));

const NONE_IS_GOOD = [
  [null, 'green'],
  [1, 'red'],
] as const;

/** Panels on the tokens of calls and their cost. */
export const callTokens: Row = {
  title: 'Tokens and cost',
  panels: [
    {
      kind: 'stacked',
      title: 'Tokens per second, by kind',
      every: '5m',
      unit: 'short',
      width: 8,
      description:
        'Tokens by kind. output_estimated: streams that ended before the API reported their count. If there are many, users leave before the end.',
      targets: [{ expr: sumBy('kind', rate('tokens')), legend: '{{kind}}' }],
    },
    {
      kind: 'time series',
      title: 'Cache hit ratio',
      every: '5m',
      unit: 'percentunit',
      width: 8,
      min: 0,
      max: 1,
      drillDown: true,
      description:
        'Share of the input that was read from the cache. It costs a tenth, and on most models does not count towards the limit on input tokens.',
      targets: [{ expr: share(`(${reads} or 0 * ${inputs})`, inputs), legend: '{{model}}' }],
    },
    {
      kind: 'time series',
      title: 'Time per output token, p95',
      unit: 's',
      width: 8,
      min: 0,
      description: 'Time for each output token of a stream after the first.',
      targets: [
        {
          expr: quantile(0.95, 'anthropic_time_per_output_token_seconds', { by: 'model' }),
          legend: '{{model}}',
        },
      ],
    },
    {
      kind: 'time series',
      title: 'Cost per call',
      unit: 'currencyUSD',
      width: 12,
      legend: 'lastNotNull',
      min: 0,
      decimals: 4,
      description:
        'Over six hours, next to the same hours last week. If the two differ, prompts, responses or models have changed.',
      targets: [
        { expr: recorded(RECORDED.costPerCall), legend: '{{model}}' },
        { expr: `${recorded(RECORDED.costPerCall)} offset 1w`, legend: '{{model}}: last week' },
      ],
    },
    {
      kind: 'time series',
      title: 'Tokens per call',
      unit: 'short',
      width: 12,
      legend: 'lastNotNull',
      min: 0,
      description: 'Over six hours, next to the same hours last week.',
      targets: [
        { expr: recorded(RECORDED.tokensPerCall), legend: '{{model}}' },
        { expr: `${recorded(RECORDED.tokensPerCall)} offset 1w`, legend: '{{model}}: last week' },
      ],
    },
    {
      kind: 'time series',
      title: 'Cost per call, by $attribution',
      unit: 'currencyUSD',
      width: 12,
      min: 0,
      decimals: 4,
      description:
        'By the attribution label chosen above. A route with short responses on an expensive model stands out; plimsoll advise names it, and says what a cheaper model would have cost.',
      targets: [
        {
          expr: attributed(
            share(
              sumBy(ATTRIBUTION, inWindow(`cost_usd_by_${ATTRIBUTION}`, '1h')),
              sumBy(ATTRIBUTION, inWindow(`requests_by_${ATTRIBUTION}`, '1h')),
            ),
          ),
          legend: `{{${ATTRIBUTION}}}`,
        },
      ],
      noValue: 'nothing is recorded by this label',
    },
    {
      kind: 'stat',
      title: 'plimsoll errors',
      unit: 'short',
      width: 4,
      description:
        'Errors inside plimsoll in the time range. The calls went through. If there are any, see the runbook PlimsollErrors.',
      targets: [{ expr: `${sumBy('', inRange('errors'))} or vector(0)`, legend: 'errors' }],
      steps: NONE_IS_GOOD,
    },
    {
      kind: 'stat',
      title: 'Labels dropped',
      unit: 'short',
      width: 4,
      description:
        'Label values counted as other in the time range. If there are any, see the runbook PlimsollLabelValuesDropped.',
      targets: [{ expr: `${sumBy('', inRange('label_values_dropped'))} or vector(0)`, legend: 'dropped' }],
      steps: NONE_IS_GOOD,
    },
    {
      kind: 'stat',
      title: 'Processes',
      unit: 'short',
      width: 4,
      description:
        'Processes with plimsoll that Prometheus scrapes. If some are missing, check the targets in Prometheus.',
      targets: [{ expr: `sum(${recorded(RECORDED.replicas)})`, legend: 'processes' }],
      steps: [[null, 'blue']],
    },
  ],
};
