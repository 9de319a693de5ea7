import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';
import { rate, recently, recorded, selected, share, sumBy } from './selection.ts';

const LIMIT = 'model_class, dimension';

/** Panels on calls that wait for room in the limits. Empty where no service has a pace. */
export const pace: Row = {
  title: 'Pace',
  panels: [
    {
      kind: 'time series',
      title: 'Calls that wait for room',
      unit: 'short',
      width: 8,
      min: 0,
      description:
        'Calls that a pace holds back now, by lane. Batch calls may wait; if interactive ones do, more comes than the limits allow.',
      targets: [{ expr: sumBy('lane', selected('anthropic_pace_waiting')), legend: '{{lane}}' }],
      noValue: 'no pace',
    },
    {
      kind: 'time series',
      title: 'Longest wait for room',
      unit: 's',
      width: 8,
      min: 0,
      description:
        'How long the call that has waited longest has waited. Over 10 s in the interactive lane is a ticket.',
      targets: [{ expr: `max by (lane) (${selected('anthropic_pace_longest_wait_seconds')})`, legend: '{{lane}}' }],
      steps: [
        [null, 'transparent'],
        [10, 'red'],
      ],
      noValue: 'no pace',
    },
    {
      kind: 'stacked',
      title: 'Time spent waiting for room, by cause',
      unit: 's',
      width: 8,
      description:
        'Seconds that calls waited, per second: so many waited on the mean. By what held the last of them back, and by lane.',
      targets: [{ expr: sumBy('cause, lane', rate('pace_wait_seconds')), legend: '{{cause}}, {{lane}}' }],
      noValue: 'nothing waited',
    },
    {
      kind: 'time series',
      title: 'Use of limits by paced calls',
      unit: 'percentunit',
      width: 8,
      min: 0,
      description:
        'What answered calls used of each limit. Near 1 the limit is the bottleneck; with calls that wait and far below 1, others use the limit too, or it has a shorter bucket.',
      targets: [
        {
          expr: share(
            `${sumBy(LIMIT, recently('pace_used'))} * 60000 / $__interval_ms`,
            `max by (${LIMIT}) (${recorded(RECORDED.limit)})`,
          ),
          legend: '{{model_class}} {{dimension}}',
        },
      ],
      noValue: 'no pace',
    },
    {
      kind: 'stacked',
      title: '429s avoided, estimated',
      unit: 'reqps',
      width: 8,
      description:
        'Estimated: calls that would have met a 429 had every call been sent when it came. By estimates of what they need, so a figure and no proof.',
      targets: [{ expr: sumBy('lane', rate('pace_avoided')), legend: '{{lane}}' }],
      noValue: 'no pace',
    },
    {
      kind: 'stacked',
      title: 'Surprises: 429s against the headers',
      every: '5m',
      unit: 'reqps',
      width: 8,
      description:
        'Refusals although headers showed room: the limit has a shorter bucket, as 60 a minute may act as 1 a second. The pace sends smaller bursts since.',
      targets: [{ expr: sumBy('model_class', rate('pace_surprises')), legend: '{{model_class}}' }],
      noValue: 'none',
    },
  ],
};
