import type { Row } from './panel.ts';
import { quantile, selected, sumBy } from './selection.ts';

/** How long calls take, and how long until their first token. */
export const latency: Row = {
  title: 'Latency',
  panels: [
    {
      kind: 'time series',
      title: 'Duration of calls',
      unit: 's',
      width: 8,
      min: 0,
      description:
        'Start of a call to its last byte, retries and waits included. Points are single calls: they open their traces.',
      targets: [
        {
          expr: quantile(0.5, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }),
          legend: 'p50',
        },
        {
          expr: quantile(0.95, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }),
          legend: 'p95',
        },
        {
          expr: quantile(0.99, 'anthropic_request_duration_seconds_bucket', { matchers: 'outcome="ok"' }),
          legend: 'p99',
          exemplars: true,
        },
      ],
    },
    {
      kind: 'time series',
      title: 'First token, p95',
      unit: 's',
      width: 8,
      min: 0,
      drillDown: true,
      description: 'Streams: what a user waits before the answer begins. Late: long prompts, or a slower model.',
      targets: [
        {
          expr: quantile(0.95, 'anthropic_time_to_first_token_seconds_bucket', { by: 'model' }),
          legend: '{{model}}',
          exemplars: true,
        },
      ],
    },
    {
      kind: 'heatmap',
      title: 'Duration of calls, all',
      unit: 's',
      width: 8,
      description: 'How many calls took how long. Two bands: two kinds of calls, or calls with and without retries.',
      targets: [
        {
          expr: sumBy(
            'le',
            `increase(${selected('anthropic_request_duration_seconds_bucket', 'outcome="ok"')}[$__rate_interval])`,
          ),
          legend: '{{le}}',
        },
      ],
    },
  ],
};
