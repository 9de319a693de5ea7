import { RECORDED } from '../../src/rules/recording.ts';
import type { Dashboard, Row } from './panel.ts';
import { headroom } from './tier-headroom.ts';
import { selected, sumBy } from './selection.ts';

const spend = RECORDED.tierSpend;
const cap = `max by (organization) (${selected('anthropic_tier_monthly_cap_usd')})`;
const perDay = `sum(rate(${selected('anthropic_cost_usd_total')}[1d])) * 86400`;

const tierNow: Row = {
  title: 'Tier',
  panels: [
    {
      kind: 'table',
      title: 'Tier and the next one',
      unit: 'none',
      width: 8,
      height: 5,
      description:
        'And how it is known: configured, inferred from the limits in headers, or told by the organisation. A wrong one: configure it.',
      targets: [
        {
          expr: `max by (organization, tier, next_tier, source) (${selected('anthropic_tier_info')})`,
          legend: '',
        },
      ],
      labels: ['organization', 'tier', 'next_tier', 'source'],
    },
    {
      kind: 'gauge',
      title: 'Cap used',
      unit: 'percentunit',
      width: 4,
      height: 5,
      min: 0,
      max: 1,
      decimals: 0,
      description:
        'At the cap every call is refused until the month ends, UTC. What plimsoll has seen is a lower bound.',
      targets: [{ expr: RECORDED.tierProgress, legend: '{{organization}}' }],
      steps: [
        [null, 'green'],
        [0.75, 'orange'],
        [0.9, 'red'],
      ],
    },
    {
      kind: 'stat',
      title: 'Spent this month',
      unit: 'currencyUSD',
      width: 4,
      height: 5,
      decimals: 2,
      description: 'By plimsoll, or as the organisation reports it. Compare it with the cap beside it.',
      targets: [{ expr: spend, legend: '{{organization}}' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Monthly cap',
      unit: 'currencyUSD',
      width: 4,
      height: 5,
      decimals: 0,
      description: 'Of the present tier. To raise it, reach the next tier or ask for it.',
      targets: [{ expr: cap, legend: '{{organization}}' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat',
      title: 'Time until the cap',
      unit: 'd',
      width: 4,
      height: 5,
      decimals: 1,
      description: 'At the rate of the last day. Fewer than the month still has: slow down, or get a higher cap.',
      targets: [
        {
          expr: `(${cap} - on (organization) ${spend}) / on () group_left () (${perDay} > 0)`,
          legend: '{{organization}}',
        },
      ],
      steps: [
        [null, 'red'],
        [3, 'orange'],
        [10, 'green'],
      ],
    },
  ],
};

const progress: Row = {
  title: 'On the way to the next tier',
  panels: [
    {
      kind: 'stat',
      title: 'Next tier at',
      unit: 'currencyUSD',
      width: 6,
      height: 6,
      decimals: 0,
      description: 'Credit bought at which the next tier is reached, where that is published; else ask for it.',
      targets: [
        {
          expr: `max by (organization) (${selected('anthropic_tier_next_threshold_usd')}) or 0 * max by (organization) (${selected('anthropic_tier_info')})`,
          legend: '{{organization}}',
        },
      ],
      steps: [[null, 'blue']],
      zero: 'not published',
    },
    {
      kind: 'stat',
      title: 'Minutes in which a limit was met',
      unit: 'percentunit',
      width: 6,
      height: 6,
      decimals: 1,
      description:
        'Share of the time range. High while spend hardly rises: limits, not money, hold the traffic up. Ask for higher limits.',
      targets: [
        {
          expr: `avg_over_time((${sumBy('', `increase(${selected('anthropic_rate_limited_total')}[5m])`)} > bool 0)[$__range:5m])`,
          legend: 'throttled',
        },
      ],
      steps: [
        [null, 'green'],
        [0.01, 'orange'],
        [0.1, 'red'],
      ],
    },
    {
      kind: 'time series',
      title: 'Spend of the month',
      unit: 'currencyUSD',
      width: 12,
      height: 6,
      min: 0,
      description: 'Against the cap. Flat while minutes are throttled: stagnation.',
      targets: [
        { expr: spend, legend: '{{organization}}: spent' },
        { expr: cap, legend: '{{organization}}: cap' },
      ],
    },
  ],
};

/** For whoever plans capacity. */
export const tier: Dashboard = {
  name: 'tier',
  title: 'Claude API: tier and headroom',
  description: 'What the organisation may do, how near it is to each limit, and how far from the next tier.',
  from: 'now-24h',
  rows: [tierNow, progress, headroom],
};
