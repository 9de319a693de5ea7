/** Situations and the advice that they get, worked out by hand: for the tests, and for the examples in docs/tiers.md. */
import type { Advice, AdviceBasis } from '../../src/tier/advice-basis.ts';
import { advice } from '../../src/tier/advice.ts';
import { tierProgress, type MonthSpend } from '../../src/tier/progress.ts';
import type { DayOfMinutes, Throttling } from '../../src/tier/throttles.ts';
import { tierVerdict, type SeenLimit } from '../../src/tier/verdict.ts';

const NOW = Date.UTC(2026, 10, 24, 12);

const DAY = 86_400_000;

export interface Situation extends Partial<Pick<AdviceBasis, 'week' | 'peaks' | 'monthBudgets' | 'tierChangedAtMs'>> {
  /** As configured. */
  readonly tier?: string;
  readonly limits?: readonly SeenLimit[];
  readonly spend?: Partial<MonthSpend> | null;
  readonly atMs?: number;
}

export function adviceOn({ tier, limits = [], spend = {}, atMs = NOW, ...rest }: Situation): readonly Advice[] {
  const verdict = tierVerdict({ limits, named: tier ?? null, atMs });
  const counted = spend === null ? null : { usd: 0, countedSinceMs: -Infinity, ...spend };
  const progress = tierProgress({ tier: verdict.tier, spend: counted, limits, atMs });
  return advice({ atMs, verdict, progress, tierChangedAtMs: null, week: [], peaks: [], monthBudgets: [], ...rest });
}

/** Days that end with today, oldest first: throttled minutes of 1,000 active ones each. */
export function days(...throttled: readonly number[]): readonly DayOfMinutes[] {
  return throttled.map((throttledMinutes, index) => ({
    day: new Date(NOW - (throttled.length - 1 - index) * DAY).toISOString().slice(0, 10),
    throttledMinutes,
    activeMinutes: 1_000,
  }));
}

export const evenly = (minutes: number): readonly DayOfMinutes[] => days(...Array.from({ length: 7 }, () => minutes));

export const sonnet = (reason: Throttling['reason'], minutes: readonly DayOfMinutes[]): Throttling => ({
  modelClass: 'sonnet-5',
  reason,
  days: minutes,
});

interface AdviceCase {
  readonly name: string;
  readonly situation: Situation;
  readonly says: readonly string[];
}

export const ADVICE_CASES: readonly AdviceCase[] = [
  {
    name: 'a service that is throttled is told by what, on which model, how often, and what the next tier brings',
    situation: { tier: 'Start', week: [sonnet('input_tokens', evenly(30))] },
    says: [
      'warning: Throttled by input tokens on Sonnet 5 for 3% of active minutes this week; Build would lift that limit 2.5×.',
    ],
  },
  {
    name: 'requests are lifted five times by Build, and one minute in ten is critical',
    situation: { tier: 'Start', week: [sonnet('requests', evenly(100))] },
    says: [
      'critical: Throttled by requests on Sonnet 5 for 10% of active minutes this week; Build would lift that limit 5×.',
    ],
  },
  {
    name: 'few minutes are a remark, and two in a week are none',
    situation: {
      tier: 'Build',
      week: [sonnet('output_tokens', days(0, 0, 0, 0, 0, 0, 5)), sonnet('requests', days(0, 0, 0, 1, 0, 0, 1))],
    },
    says: [
      'info: Throttled by output tokens on Sonnet 5 for under 0.1% of active minutes this week; Scale would lift that limit 2×.',
    ],
  },
  {
    name: 'a limit that the workspace has for itself is raised there, not by a tier',
    situation: {
      tier: 'Build',
      limits: [{ modelClass: 'sonnet-5', dimension: 'input_tokens', limit: 1_000_000 }],
      week: [sonnet('input_tokens', evenly(30))],
    },
    says: [
      "warning: Throttled by input tokens on Sonnet 5 for 3% of active minutes this week; that limit is 1,000,000, and Build's is 5,000,000: raise it in the workspace.",
    ],
  },
  {
    name: 'a model without published limits is throttled all the same, and no lift is made up',
    situation: { tier: 'Start', week: [{ ...sonnet('requests', evenly(20)), modelClass: 'opus-5.5' }] },
    says: [
      'warning: Throttled by requests on Opus 5.5 for 2% of active minutes this week; what Build allows is not published.',
    ],
  },
  {
    name: 'above Scale there is Custom, by agreement',
    situation: { tier: 'Scale', week: [sonnet('requests', evenly(20))] },
    says: [
      'warning: Throttled by requests on Sonnet 5 for 2% of active minutes this week; what Custom allows is not published.',
    ],
  },
  {
    name: 'acceleration is not cured by a tier',
    situation: { tier: 'Start', week: [sonnet('acceleration', evenly(20))] },
    says: [
      'warning: Refused for acceleration on Sonnet 5 for 2% of active minutes this week: increase the load step by step; a higher tier does not change that.',
    ],
  },
  {
    name: 'throttling that grows while the tier stands is stagnation',
    situation: { tier: 'Start', week: [sonnet('input_tokens', days(0, 3, 5, 7, 15, 20, 28))] },
    says: [
      'warning: 429s by input tokens on Sonnet 5 grow while the tier stays at Start: from 0.5% to 2.1% of active minutes in a week; Build would lift that limit 2.5×.',
      'warning: Throttled by input tokens on Sonnet 5 for 1.1% of active minutes this week; Build would lift that limit 2.5×.',
    ],
  },
  {
    name: 'throttling that does not grow by half is no stagnation',
    situation: { tier: 'Start', week: [sonnet('input_tokens', days(0, 20, 20, 20, 29, 29, 29))] },
    says: [
      'warning: Throttled by input tokens on Sonnet 5 for 2.1% of active minutes this week; Build would lift that limit 2.5×.',
    ],
  },
  {
    name: 'a tier that changed within those days does not stand',
    situation: {
      tier: 'Start',
      tierChangedAtMs: NOW - 2 * DAY,
      week: [sonnet('input_tokens', days(0, 3, 5, 7, 15, 20, 28))],
    },
    says: [
      'warning: Throttled by input tokens on Sonnet 5 for 1.1% of active minutes this week; Build would lift that limit 2.5×.',
    ],
  },
  {
    name: 'who is far from every limit needs no higher tier',
    situation: { tier: 'Build', peaks: [{ modelClass: 'haiku-4.5', dimension: 'requests', usedRatio: 0.04 }] },
    says: ['info: At most 4% of any limit was used this week: no need for Scale.'],
  },
  {
    name: 'who is near a limit and not yet refused is told what the next tier brings',
    situation: {
      tier: 'Start',
      peaks: [
        { modelClass: 'opus-4.x', dimension: 'output_tokens', usedRatio: 0.86 },
        { modelClass: 'opus-4.x', dimension: 'tokens', usedRatio: 0.99 },
      ],
    },
    says: ['info: Up to 86% of the output tokens of Opus 4.x were in use this week; Build would lift that limit 2.5×.'],
  },
  {
    name: 'between half and four fifths of the limits there is nothing to say',
    situation: { tier: 'Start', peaks: [{ modelClass: 'opus-5', dimension: 'requests', usedRatio: 0.6 }] },
    says: [],
  },
  {
    name: 'a month budget that blocks keeps you under the cap',
    situation: { tier: 'Start', monthBudgets: [{ name: 'all', limitUsd: 300, blocks: true }] },
    says: ['info: Your month budget of $300 keeps you under the cap of $500.'],
  },
  {
    name: 'a month budget that only tells keeps nothing',
    situation: { tier: 'Start', monthBudgets: [{ name: 'all', limitUsd: 300, blocks: false }] },
    says: [
      'info: Your month budget of $300 is under the cap of $500, but refuses nothing: only a budget with mode "block" keeps you under it.',
    ],
  },
  {
    name: 'a month budget above the cap comes too late',
    situation: { tier: 'Start', monthBudgets: [{ name: 'all', limitUsd: 800, blocks: true }] },
    says: [
      'warning: Your month budget of $800 (all) is above the cap of $500: the API will refuse calls before the budget is spent.',
    ],
  },
  {
    name: 'a cap that the month will reach is said with the day, and that what was seen is a lower bound',
    situation: { tier: 'Start', spend: { usd: 235 }, atMs: Date.UTC(2026, 10, 13) },
    says: [
      "warning: At this month's rate the cap of $500 is reached on 26 November at the latest. At least $235 was spent so far: plimsoll sees only its own calls.",
    ],
  },
  {
    name: 'three days before the cap it is critical',
    situation: { tier: 'Start', spend: { usd: 470 } },
    says: [
      "critical: At this month's rate the cap of $500 is reached on 26 November at the latest. At least $470 was spent so far: plimsoll sees only its own calls.",
    ],
  },
  {
    name: 'a cap that was reached refuses calls until the month is over',
    situation: { tier: 'Start', spend: { usd: 512 } },
    says: [
      'critical: $512 was spent this month, and the cap is $500, so the API refuses calls. Access returns on 1 December, 00:00 UTC, or with a higher tier.',
    ],
  },
  {
    name: 'the API itself says when its cap is reached, whatever plimsoll has counted',
    situation: { tier: 'Start', spend: { usd: 90 }, week: [sonnet('spend_limit', days(0, 0, 0, 0, 0, 2, 0))] },
    says: [
      'critical: The API refused calls on 23 November because the monthly spend cap of $500 was reached. Access returns on 1 December, 00:00 UTC, or with a higher tier.',
    ],
  },
  {
    name: 'a cap that was reached last month is over',
    situation: {
      tier: 'Start',
      atMs: Date.UTC(2026, 11, 1, 1),
      week: [sonnet('spend_limit', [{ day: '2026-11-30', throttledMinutes: 9, activeMinutes: 9 }])],
    },
    says: [],
  },
  {
    name: 'a tier that is not known can be named',
    situation: {},
    says: [
      "info: The tier is not known: no response has shown a limit that identifies it yet. Set the option tier: { name: 'Build' }; in a gateway, tier: Build.",
    ],
  },
  {
    name: 'among the old tiers the next threshold was published',
    situation: { tier: 'Tier 2', atMs: Date.UTC(2026, 4, 10) },
    says: ['info: Tier 3 begins at total credit purchases of $200.'],
  },
  {
    name: 'the most important comes first: a cap, then what throttles most, then remarks',
    situation: {
      tier: 'Start',
      spend: { usd: 600 },
      monthBudgets: [{ name: 'all', limitUsd: 300, blocks: true }],
      week: [
        sonnet('input_tokens', evenly(20)),
        { ...sonnet('requests', evenly(50)), modelClass: 'haiku-4.5' },
        { ...sonnet('output_tokens', evenly(5)), modelClass: 'opus-5' },
      ],
    },
    says: [
      'critical: $600 was spent this month, and the cap is $500, so the API refuses calls. Access returns on 1 December, 00:00 UTC, or with a higher tier.',
      'warning: Throttled by requests on Haiku 4.5 for 5% of active minutes this week; Build would lift that limit 5×.',
      'warning: Throttled by input tokens on Sonnet 5 for 2% of active minutes this week; Build would lift that limit 2.5×.',
      'info: Throttled by output tokens on Opus 5 for 0.5% of active minutes this week; Build would lift that limit 2.5×.',
      'info: Your month budget of $300 keeps you under the cap of $500.',
    ],
  },
  { name: 'who has no traffic yet is told nothing about limits', situation: { tier: 'Start' }, says: [] },
];
