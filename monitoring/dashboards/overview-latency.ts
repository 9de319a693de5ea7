import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';
import { quantile, recorded, sumBy } from './selection.ts';

/** Panels on the duration of calls and the time to their first token. */
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
        'From the start of a call to its last byte, including retries and waits. Each point is one call; click it to open its trace.',
      targets: [
        {
          expr: quantile(0.5, 'anthropic_request_duration_seconds'),
          legend: 'p50',
        },
        {
          expr: quantile(0.95, 'anthropic_request_duration_seconds'),
          legend: 'p95',
        },
        {
          expr: quantile(0.99, 'anthropic_request_duration_seconds', { exemplars: true }),
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
      description: 'How long users wait until a stream begins. If it rises, prompts are longer or the model is slower.',
      targets: [
        {
          expr: quantile(0.95, 'anthropic_time_to_first_token_seconds', { by: 'model', exemplars: true }),
          legend: '{{model}}',
          exemplars: true,
        },
      ],
    },
    {
      kind: 'heatmap',
      title: 'Distribution of call durations',
      unit: 's',
      width: 8,
      description:
        'How many calls took how long. Two bands mean two kinds of calls, or calls with and without retries.',
      targets: [
        {
          expr: sumBy('le', `${recorded(RECORDED.buckets('anthropic_request_duration_seconds'))} * 300`),
          legend: '{{le}}',
        },
      ],
    },
  ],
};
