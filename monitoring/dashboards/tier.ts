import { RECORDED } from '../../src/monitoring/recorded.ts';
import type { Dashboard, Row } from './panel.ts';
import { inRange, quantile, rate, recorded, selected, sumBy } from './selection.ts';

const LIMIT = 'key, model_class, dimension';
const OF = '{{model_class}} {{dimension}}';
const spend = RECORDED.tierSpend;
const cap = `max by (organization) (${selected('anthropic_tier_monthly_cap_usd')})`;
const perDay = `sum(rate(${selected('anthropic_cost_usd_total')}[1d])) * 86400`;

const tierNow: Row = {
  title: 'Tier',
  panels: [
    {
      kind: 'table', title: 'Tier and the next one', unit: 'none', width: 8, height: 5,
      description: 'And how it is known: configured, inferred from the limits in headers, or told by the organisation. A wrong one: configure it.',
      targets: [{ expr: `max by (organization, tier, next_tier, source) (${selected('anthropic_tier_info')})`, legend: 'Known' }],
    },
    {
      kind: 'gauge', title: 'Spend of the monthly cap', unit: 'percentunit', width: 4, height: 5, min: 0, max: 1, decimals: 0,
      description: 'At the cap every call is refused until the month ends, UTC. What plimsoll has seen is a lower bound.',
      targets: [{ expr: RECORDED.tierProgress, legend: '{{organization}}' }],
      steps: [[null, 'green'], [0.75, 'orange'], [0.9, 'red']],
    },
    {
      kind: 'stat', title: 'Spent this month', unit: 'currencyUSD', width: 4, height: 5, decimals: 2,
      description: 'By plimsoll, or as the organisation reports it. Compare it with the cap beside it.',
      targets: [{ expr: spend, legend: '{{organization}}' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat', title: 'Monthly cap', unit: 'currencyUSD', width: 4, height: 5, decimals: 0,
      description: 'Of the present tier. To raise it, reach the next tier or ask for it.',
      targets: [{ expr: cap, legend: '{{organization}}' }],
      steps: [[null, 'blue']],
    },
    {
      kind: 'stat', title: 'Days until the cap', unit: 'd', width: 4, height: 5, decimals: 1,
      description: 'At the rate of the last day. Fewer than the month still has: slow down, or get a higher cap.',
      targets: [{ expr: `(${cap} - on (organization) ${spend}) / on () group_left () (${perDay} > 0)`, legend: '{{organization}}' }],
      steps: [[null, 'red'], [3, 'orange'], [10, 'green']],
    },
  ],
};

const progress: Row = {
  title: 'On the way to the next tier',
  panels: [
    {
      kind: 'stat', title: 'Next tier at', unit: 'currencyUSD', width: 6, height: 6, decimals: 0,
      description: 'Spend at which the next tier is reached, where a threshold is published.',
      targets: [{ expr: `max by (organization) (${selected('anthropic_tier_next_threshold_usd')})`, legend: '{{organization}}' }],
      steps: [[null, 'blue']],
      noValue: 'not published',
    },
    {
      kind: 'stat', title: 'Minutes in which a limit was met', unit: 'percentunit', width: 6, height: 6, decimals: 1,
      description: 'Share of the time range. High while spend hardly rises: limits, not money, hold the traffic up. Ask for higher limits.',
      targets: [{ expr: `avg_over_time((${sumBy('', `increase(${selected('anthropic_rate_limited_total')}[5m])`)} > bool 0)[$__range:5m])`, legend: 'throttled' }],
      steps: [[null, 'green'], [0.01, 'orange'], [0.1, 'red']],
    },
    {
      kind: 'time series', title: 'Spend of the month', unit: 'currencyUSD', width: 12, height: 6, min: 0,
      description: 'Against the cap. Flat while minutes are throttled: stagnation.',
      targets: [
        { expr: spend, legend: '{{organization}}: spent' },
        { expr: cap, legend: '{{organization}}: cap' },
      ],
    },
  ],
};

const remaining = `min by (${LIMIT}) (${selected('anthropic_ratelimit_remaining')})`;

const headroom: Row = {
  title: 'Headroom',
  panels: [
    {
      kind: 'table', title: 'Limits', unit: 'short', width: 12,
      description: 'A minute, by key, group of models that share it, and dimension; the least that any replica saw. Little left: slow down what can wait.',
      targets: [
        { expr: `max by (${LIMIT}) (${selected('anthropic_ratelimit_limit')})`, legend: 'Limit' },
        { expr: remaining, legend: 'Remaining' },
        { expr: recorded(RECORDED.headroom), legend: 'Left' },
      ],
      columns: { Left: 'percentunit' },
    },
    {
      kind: 'time series', title: 'What is left', unit: 'percentunit', width: 12, min: 0, max: 1,
      description: 'Of each limit, by headers not older than 5 minutes. A slow fall is growth, a cliff is one job.',
      targets: [{ expr: recorded(RECORDED.headroom), legend: OF }],
      steps: [[null, 'red'], [0.1, 'transparent']],
    },
    {
      kind: 'time series', title: 'Time until a limit is met', unit: 's', width: 8, min: 0,
      description: 'If what is left goes on falling as in the last 15 minutes. No line: it does not fall.',
      targets: [{ expr: `${remaining} / (-1 * min by (${LIMIT}) (deriv(${selected('anthropic_ratelimit_remaining')}[15m])) > 0)`, legend: OF }],
    },
    {
      kind: 'time series', title: 'Use of limits, p95', unit: 'percentunit', width: 8, min: 0, max: 1,
      description: 'As each response showed it: the dips between scrapes are in it.',
      targets: [{ expr: quantile(0.95, 'anthropic_ratelimit_used_ratio_bucket', { by: 'model_class, dimension' }), legend: OF }],
    },
    {
      kind: 'bar gauge', title: '429s by limiter', unit: 'percentunit', width: 8, min: 0, max: 1, decimals: 0,
      description: 'Share of the refusals of the time range. The longest bar is the limit to raise first.',
      targets: [{ expr: `${sumBy('reason', inRange('anthropic_rate_limited_total'))} / on () group_left () (${sumBy('', inRange('anthropic_rate_limited_total'))} > 0)`, legend: '{{reason}}' }],
      steps: [[null, 'orange']],
      noValue: 'none refused',
    },
    {
      kind: 'time series', title: 'Share of attempts refused, by model', unit: 'percentunit', width: 24, min: 0, drillDown: true,
      description: 'By each limit. Over 5 % for two minutes is a ticket; what users feel of it pages.',
      targets: [{ expr: `${sumBy('model, reason', rate('anthropic_rate_limited_total'))} / on (model) group_left () (${sumBy('model', rate('anthropic_attempts_total'))} > 0)`, legend: '{{model}} {{reason}}' }],
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
