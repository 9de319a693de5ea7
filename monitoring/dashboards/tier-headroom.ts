import { RECORDED } from '../../src/rules/recording.ts';
import type { Row } from './panel.ts';
import { descending, inRange, quantile, recently, recorded, selected, share, sumBy } from './selection.ts';

const LIMIT = 'key, model_class, dimension';
const OF = '{{key}} {{model_class}} {{dimension}}';
const limit = recorded(RECORDED.limit);
const remaining = recorded(RECORDED.remaining);

/** The real limits, where the organization's books are read; of no key, because they are known before any call. */
const configured = `label_replace(max by (model_class, dimension) (${selected('anthropic_organization_rate_limit')}), "key", "any, before its first call", "", "")`;

/** The quantile of each limit's use, over half an hour: in five minutes there may be one response. */
const used = (part: number): string => quantile(part, 'anthropic_ratelimit_used_ratio', { by: LIMIT, over: '30m' });

/** Panels on the headroom of each limit, and on the requests that limits refuse. */
export const headroom: Row = {
  title: 'Headroom',
  panels: [
    {
      kind: 'table',
      title: 'Limits',
      unit: 'locale',
      decimals: 0,
      width: 11,
      description:
        'Rate limits per minute, by key, model class and dimension: remaining as the last response had it, the lowest that any replica saw; left as 95% of the responses in the time range had it. Where the books of the organization are read, its real limits are shown before the first call. If little is left, slow down what can wait.',
      targets: [
        { expr: `max by (${LIMIT}) (${limit}) or on (model_class, dimension) ${configured}`, legend: 'Limit' },
        { expr: `min by (${LIMIT}) (${remaining})`, legend: 'Remaining' },
        // A table treats the name of a metric as a label, which would add a row.
        {
          expr: `1 - (${quantile(0.95, 'anthropic_ratelimit_used_ratio', { by: LIMIT, over: '$__range' })})`,
          legend: 'Left',
        },
      ],
      columns: { Left: ['percentunit', 0] },
      labels: ['key', 'model_class', 'dimension'],
      first: { column: 'Left', largest: false },
    },
    {
      kind: 'time series',
      title: 'Headroom by limit',
      unit: 'percentunit',
      width: 13,
      min: 0,
      max: 1,
      description:
        'What 95% of the responses in half an hour left of the limits of each kind, of the key and models that have least: the table on the left says which. A slow fall means growing traffic; a cliff means one job.',
      targets: [{ expr: `1 - max by (dimension) (${used(0.95)})`, legend: '{{dimension}}' }],
      steps: [
        [null, 'red'],
        [0.1, 'transparent'],
      ],
    },
    {
      kind: 'time series',
      title: 'Responses near a limit',
      unit: 'percentunit',
      width: 15,
      min: 0,
      max: 1,
      legend: 'max',
      description:
        'Share of the responses in ten minutes that left less than a tenth of the limit. Over a tenth for three minutes is a ticket: spread the load, or ask for a higher limit.',
      targets: [{ expr: recorded(RECORDED.nearLimit), legend: OF }],
      steps: [
        [null, 'transparent'],
        [0.1, 'red'],
      ],
    },
    {
      kind: 'time series',
      title: 'Use of limits, median',
      unit: 'percentunit',
      width: 9,
      min: 0,
      max: 1,
      description:
        'Share in use at half of the responses, of the key and models that use most. If it is high, the limit is small, not the peaks high.',
      targets: [{ expr: `max by (dimension) (${used(0.5)})`, legend: '{{dimension}}' }],
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
          expr: descending(
            `${sumBy('reason', inRange('rate_limited'))} / on () group_left () (${sumBy('', inRange('rate_limited'))} > 0) > 0`,
          ),
          legend: '{{reason}}',
        },
      ],
      steps: [[null, 'orange']],
      noValue: 'none refused',
    },
    {
      kind: 'time series',
      title: 'Share of attempts refused, by model',
      every: '5m',
      unit: 'percentunit',
      width: 16,
      min: 0,
      drillDown: true,
      description:
        'Share of attempts that a limit refused. Over 5% by one reason for two minutes is a ticket; if users notice, the error budget alert pages.',
      targets: [
        {
          expr: share(
            `(${sumBy('model', recently('rate_limited'))} or 0 * ${sumBy('model', recently('attempts'))})`,
            sumBy('model', recently('attempts')),
          ),
          legend: '{{model}}',
        },
      ],
    },
  ],
};
