import { RECORDED } from '../../src/rules/recording.ts';
import type { Dashboard, Row } from './panel.ts';
import { headroom } from './tier-headroom.ts';
import { pace } from './tier-pace.ts';
import { GROUP, recorded, selected } from './selection.ts';

const BY = [...GROUP, 'organization'].join(', ');
const spend = recorded(RECORDED.tierSpend);
const cap = recorded(RECORDED.tierCap);
const untilCap = recorded(RECORDED.tierCapThisMonth);
/** With the tier of the organization; 0 where nothing is known but the tier. */
function ofTier(series: string): string {
  const tier = `max by (${BY}, tier, next_tier, source) (${selected('anthropic_tier_info')})`;
  return `${tier} * on (${BY}) group_left () (${series}) or 0 * ${tier}`;
}

/** In place of days until the cap, where the month ends first. */
const NOT_THIS_MONTH = 99;

const tierNow: Row = {
  title: 'Tier',
  panels: [
    {
      kind: 'table',
      title: 'Current and next tier',
      unit: 'currencyUSD',
      decimals: 2,
      width: 14,
      height: 5,
      description:
        'The usage tier and how it is known: from the configuration, from the cap and limits in the books of the organization where they are read, or inferred from the limits in response headers; if it is wrong, configure it. The cap is the real one where the books say it. Spent: what plimsoll has counted this month.',
      targets: [
        { expr: `${ofTier(spend)}`, legend: 'Spent' },
        { expr: `${ofTier(cap)}`, legend: 'Cap' },
      ],
      labels: [...GROUP, 'organization', 'tier', 'next_tier', 'source'],
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
        'Share of the monthly cap that is spent. At the cap, every call is refused until the month ends (UTC). plimsoll only counts what it sees.',
      targets: [{ expr: recorded(RECORDED.tierProgress), legend: '{{organization}}' }],
      steps: [
        [null, 'green'],
        [0.75, 'orange'],
        [0.9, 'red'],
      ],
    },
    {
      kind: 'stat',
      title: 'Time to cap',
      unit: 'd',
      width: 6,
      height: 5,
      decimals: 1,
      description:
        "Time until the cap is reached, at the last day's rate, or the rate since Prometheus has seen it. If that is before the month ends, slow down or get a higher cap.",
      targets: [
        {
          // Nothing is spent any more where the cap is reached, and at that rate it never would be.
          expr: `0 * (${spend} >= ${cap}) or (${untilCap} >= 0) / 86400 or 0 * ${untilCap} + ${NOT_THIS_MONTH}`,
          legend: '{{organization}}',
        },
      ],
      noValue: 'nothing spent',
      steps: [
        [null, 'red'],
        [3, 'orange'],
        [10, 'green'],
      ],
      texts: { [NOT_THIS_MONTH]: 'not this month' },
    },
  ],
};

const progress: Row = {
  title: 'The next tier',
  panels: [
    {
      kind: 'stat',
      title: 'Credit for the next tier',
      unit: 'currencyUSD',
      width: 6,
      height: 6,
      decimals: 0,
      description: 'Total credit purchases that lead to the next tier, if published. Otherwise ask for the next tier.',
      targets: [
        {
          expr: `max by (${BY}) (${selected('anthropic_tier_next_threshold_usd')}) or 0 * max by (${BY}) (${selected('anthropic_tier_info')})`,
          legend: '{{organization}}',
        },
      ],
      steps: [[null, 'blue']],
      texts: { 0: 'not published' },
    },
    {
      kind: 'stat',
      title: 'Minutes in which a limit was reached',
      unit: 'percentunit',
      width: 6,
      height: 6,
      decimals: 1,
      description:
        'Share of minutes in the time range with a 429; where there is much traffic, a few are enough for a minute, so look at the share of attempts too. If both are high, ask for higher limits.',
      targets: [
        {
          expr: `avg_over_time(max(${recorded(RECORDED.limitReached)})[$__range:1m])`,
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
      title: 'Spend this month, against the cap',
      unit: 'currencyUSD',
      width: 12,
      height: 6,
      min: 0,
      description:
        'Spend this month against the cap. If it is flat while calls are throttled, limits hold growth back.',
      targets: [
        { expr: spend, legend: '{{organization}}: spent' },
        { expr: cap, legend: '{{organization}}: cap' },
      ],
    },
  ],
};

/** For the person who plans capacity. */
export const tier: Dashboard = {
  name: 'tier',
  title: 'Claude API: tier and headroom',
  description: "The organization's tier, how much is left of each limit, and how far it is to the next tier.",
  from: 'now-24h',
  rows: [tierNow, progress, headroom, pace],
};
