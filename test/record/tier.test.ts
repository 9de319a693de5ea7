import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { budgets, memoryLedger, sqliteLedger } from 'plimsoll/budget';
import { Registry } from 'prom-client';
import { monthBudgets } from '../../src/record/budgets.ts';
import { storeFor } from '../../src/record/metrics/registry.ts';
import type { CallLabelOptions } from '../../src/record/call-labels.ts';
import { prometheusRecorder } from '../../src/record/prometheus.ts';
import { organizationTier, type TierOptions } from '../../src/record/tier.ts';
import type { Limiter } from '../../src/limiter.ts';
import type { Attempt, Call, CallCost, RateLimitReason } from '../../src/vocabulary.ts';
import { advice } from '../../src/tier/advice.ts';
import { START_MS, aCall, anAttempt, record } from '../../testing/calls.ts';
import { sampleKey, scraped } from '../../testing/scraped.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const START = [1_000, 2_000_000, 400_000] as const;
const BUILD = [5_000, 5_000_000, 1_000_000] as const;

function limiters([requests, input, output]: readonly [number, number, number], usedRatio = 0): readonly Limiter[] {
  const one = (dimension: Limiter['dimension'], limit: number): Limiter => ({
    dimension,
    limit,
    remaining: limit * (1 - usedRatio),
    resetAtMs: null,
  });
  return [one('requests', requests), one('input_tokens', input), one('output_tokens', output)];
}

const refused = (rateLimitReason: RateLimitReason): Attempt['rejection'] => ({
  outcome: 'rate_limited',
  rateLimitReason,
  spendScope: null,
});

function costing(usd: number): CallCost {
  return { parts: [], totalNanoUsd: Math.round(usd * 1e9), priced: true, doubts: [] };
}

/** A registry that one recorder feeds, on a clock of its own. */
function watched(
  { keys = ['prod-api-key'], modelCap, ...tier }: TierOptions & Pick<CallLabelOptions, 'keys' | 'modelCap'> = {},
  registry = new Registry(),
) {
  const clock = { nowMs: START_MS, epochMs: () => clock.nowMs, monotonicMs: () => clock.nowMs };
  const store = storeFor(registry);
  const recorder = prometheusRecorder({ registry, clock, keys, tier, ...(modelCap !== undefined && { modelCap }) });
  return {
    clock,
    registry,
    store,
    recorder,
    saw(limiters: readonly Limiter[], call: Partial<Call> = {}, attempt: Partial<Attempt> = {}): void {
      const now = { startedAtMs: clock.nowMs, durationSeconds: 0 };
      recorder.started(aCall(call))?.attempted?.(anAttempt({ ...now, limiters, model: null, ...attempt }));
    },
    cost(usd: number): void {
      record(recorder, aCall({ cost: costing(usd) }));
    },
    /** All samples of one metric. */
    async shown(name: string): Promise<Readonly<Record<string, number>>> {
      const { samples } = scraped(await registry.metrics());
      return Object.fromEntries([...samples].filter(([key]) => key.startsWith(name)));
    },
  };
}

const info = (tier: string, next_tier: string, more: Readonly<Record<string, string>> = {}): string =>
  sampleKey('anthropic_tier_info', { tier, next_tier, source: 'headers', organization: 'default', ...more });

describe('the gauges of the tier', () => {
  it('are absent while nothing is known, but for the spend, of which 0 is a lower bound', async () => {
    const { shown } = watched();
    assert.deepEqual(await shown('anthropic_tier'), {
      'anthropic_tier_spend_usd{organization="default"}': 0,
      'anthropic_tier_seen_usd_total{organization="default"}': 0,
    });
  });

  it('show the tier that the headers imply, its cap and the share that is spent', async () => {
    const { saw, cost, shown } = watched();
    saw(limiters(START));
    cost(430);
    assert.deepEqual(await shown('anthropic_tier'), {
      [info('Start', 'Build')]: 1,
      'anthropic_tier_spend_usd{organization="default"}': 430,
      'anthropic_tier_seen_usd_total{organization="default"}': 430,
      'anthropic_tier_monthly_cap_usd{organization="default"}': 500,
      'anthropic_tier_progress_ratio{organization="default"}': 0.86,
    });
  });

  it('show one tier at a time: the one before is absent when the tier rises', async () => {
    const { saw, shown, clock } = watched();
    saw(limiters(START));
    assert.deepEqual(await shown('anthropic_tier_info'), { [info('Start', 'Build')]: 1 });
    clock.nowMs += MINUTE;
    saw(limiters(BUILD));
    assert.deepEqual(await shown('anthropic_tier_info'), { [info('Build', 'Scale')]: 1 });
    assert.deepEqual(Object.values(await shown('anthropic_tier_monthly_cap_usd')), [1_000]);
  });

  it('show the configured tier, for the named organization, whatever the headers say', async () => {
    const { saw, shown } = watched({ name: 'Scale', organization: 'acme' });
    saw(limiters(START));
    assert.deepEqual(await shown('anthropic_tier_info'), {
      [info('Scale', 'Custom', { source: 'config', organization: 'acme' })]: 1,
    });
  });

  it('have no cap and no next tier for Custom', async () => {
    const { shown, cost } = watched({ name: 'Custom' });
    cost(7);
    assert.deepEqual(await shown('anthropic_tier'), {
      [info('Custom', '', { source: 'config' })]: 1,
      'anthropic_tier_spend_usd{organization="default"}': 7,
      'anthropic_tier_seen_usd_total{organization="default"}': 7,
    });
  });

  it('show a next threshold where one is published: among the old tiers, and not today', async () => {
    const { shown, clock } = watched({ name: 'Tier 1' });
    clock.nowMs = Date.UTC(2026, 3, 25);
    assert.deepEqual(await shown('anthropic_tier_next'), {
      'anthropic_tier_next_threshold_usd{organization="default"}': 40,
    });
    clock.nowMs = Date.UTC(2026, 5, 26);
    assert.deepEqual(await shown('anthropic_tier_next'), {});
    assert.deepEqual(await shown('anthropic_tier_info'), {}, 'Tier 1 is no tier any more');
  });

  it('forget an inferred tier a day after its limits were last seen', async () => {
    const { saw, shown, clock } = watched();
    saw(limiters(START));
    clock.nowMs += DAY;
    assert.equal(Object.keys(await shown('anthropic_tier_info')).length, 1);
    clock.nowMs += 1;
    assert.deepEqual(await shown('anthropic_tier_info'), {});
  });

  it('take no limits of token counting and batches, which have limits of their own under the same names', async () => {
    const { saw, shown } = watched();
    for (const operation of ['messages.count_tokens', 'messages.batches.create']) saw(limiters(BUILD), { operation });
    assert.deepEqual(await shown('anthropic_tier_info'), {});
  });

  it('leave out the limits of models that have become other: many models would look like one', () => {
    const { saw, store } = watched({ modelCap: 1 });
    saw(limiters(START), { requestedModel: 'claude-sonnet-5' });
    saw(limiters(BUILD), { requestedModel: 'claude-opus-5' });
    const seen = organizationTier(store)?.headroom() ?? [];
    assert.deepEqual([...new Set(seen.map(({ modelClass }) => modelClass))], ['sonnet-5']);
  });

  it('begin each calendar month with a spend of 0, in UTC', async () => {
    const { cost, shown, clock } = watched({ name: 'Start' });
    const spend = async () => Object.values(await shown('anthropic_tier_spend_usd'))[0];
    clock.nowMs = Date.UTC(2026, 11, 1) - 1;
    cost(4.25);
    assert.equal(await spend(), 4.25);
    clock.nowMs += 1;
    assert.equal(await spend(), 0);
    assert.deepEqual(Object.values(await shown('anthropic_tier_progress_ratio')), [0]);
    clock.nowMs -= 1;
    assert.equal(await spend(), 4.25, 'the clock jumped back');
  });

  it('add up the spend of all clients of a registry, per organization', async () => {
    const registry = new Registry();
    const [one, two, other] = [
      watched({ name: 'Start' }, registry),
      watched({}, registry),
      watched({ organization: 'other' }, registry),
    ];
    one.cost(1);
    two.cost(2);
    other.cost(5);
    assert.deepEqual(await one.shown('anthropic_tier_spend_usd'), {
      'anthropic_tier_spend_usd{organization="default"}': 3,
      'anthropic_tier_spend_usd{organization="other"}': 5,
    });
    assert.deepEqual(await one.shown('anthropic_tier_info'), { [info('Start', 'Build', { source: 'config' })]: 1 });
  });

  it('do not count calls without a price: what is not known is not zero, and the spend stays a lower bound', async () => {
    const { recorder, shown } = watched();
    record(recorder, aCall({ cost: null }));
    assert.deepEqual(Object.values(await shown('anthropic_tier_spend_usd')), [0]);
  });
});

describe("the month's spend by a ledger", () => {
  const MONTH = { name: 'all', period: 'month', usd: 300, mode: 'block' } as const;

  it('is shown in place of what this process saw, and is absent while the ledger does not answer', async () => {
    let spent: bigint | null = null;
    const { shown, cost } = watched({ name: 'Start', monthSpendNanoUsd: () => spent });
    cost(1);
    assert.deepEqual(await shown('anthropic_tier_spend_usd'), {});
    assert.deepEqual(await shown('anthropic_tier_progress_ratio'), {});
    assert.deepEqual(Object.values(await shown('anthropic_tier_monthly_cap_usd')), [500]);
    spent = 125_000_000_000n;
    assert.deepEqual(Object.values(await shown('anthropic_tier_spend_usd')), [125]);
    assert.deepEqual(Object.values(await shown('anthropic_tier_progress_ratio')), [0.25]);
  });

  it('is that of the budget for all calls of a month, not of a day, a key or a label', () => {
    const definitions = [
      { ...MONTH, name: 'daily', period: 'day' },
      { ...MONTH, name: 'ci', scope: { key: 'ci-runner-key' } },
      MONTH,
      { ...MONTH, name: 'softly', usd: 450, mode: 'warn' },
    ] as const;
    const spending = budgets({ definitions, ledger: sqliteLedger(':memory:') });
    assert.deepEqual(monthBudgets(spending).monthBudgets, [
      { name: 'all', limitUsd: 300, blocks: true },
      { name: 'softly', limitUsd: 450, blocks: false },
    ]);
  });

  it('in memory is no more than the process has seen itself', () => {
    const inMemory = budgets({ definitions: [MONTH], ledger: memoryLedger() });
    assert.equal(monthBudgets(inMemory).monthSpendNanoUsd, undefined);
    assert.equal(monthBudgets(inMemory).monthBudgets.length, 1);
  });
});

describe('the gauge of a key', () => {
  it('says what the alias says, from the start', async () => {
    const { shown } = watched({ keys: ['prod-checkout-api'] });
    assert.deepEqual(await shown('anthropic_key_info'), {
      'anthropic_key_info{environment="prod",key="prod-checkout-api",role="api",service="checkout",well_named="true"}': 1,
    });
  });

  it('says that a key is badly named, and for a key that appears later says it once', async () => {
    const { recorder, shown } = watched({ keys: [] });
    for (let call = 0; call < 3; call += 1) recorder.started(aCall({ key: 'checkout' }));
    assert.deepEqual(await shown('anthropic_key_info'), { 'anthropic_key_info{key="checkout",well_named="false"}': 1 });
  });

  it('is bounded: of 500 undeclared aliases it shows a hundred', async () => {
    const { recorder, shown } = watched({ keys: [] });
    for (let number = 0; number < 500; number += 1) recorder.started(aCall({ key: `dev-number${number}-key` }));
    assert.equal(Object.keys(await shown('anthropic_key_info')).length, 100);
  });
});

describe('what is known of an organization', () => {
  it('can be asked of the registry: headroom, progress and advice', () => {
    const { saw, store, clock } = watched({
      name: 'Start',
      monthBudgets: [{ name: 'all', limitUsd: 300, blocks: true }],
    });
    for (let minute = 0; minute < 100; minute += 1) {
      clock.nowMs += MINUTE;
      const rejection = minute % 25 === 0 ? refused('input_tokens') : null;
      saw(limiters(START, 0.5), { requestedModel: 'claude-sonnet-5' }, { rejection });
    }
    const tier = organizationTier(store) ?? assert.fail();
    assert.deepEqual(
      advice(tier.basis()).map(({ text }) => text),
      [
        'Throttled by input tokens on Sonnet 5 for 4% of active minutes this week; Build would lift that limit 2.5×.',
        'Your month budget of $300 keeps you under the cap of $500.',
      ],
    );
    assert.deepEqual(
      tier.headroom().map(({ modelClass, dimension, remaining }) => [modelClass, dimension, remaining]),
      [
        ['sonnet-5', 'requests', 500],
        ['sonnet-5', 'input_tokens', 1_000_000],
        ['sonnet-5', 'output_tokens', 200_000],
      ],
    );
    assert.equal(tier.progress()?.next?.name, 'Build');
    assert.equal(organizationTier(store, 'nobody'), null);
  });

  it('a tier that rose two days ago does not stagnate, one that stayed the same does', () => {
    const throttledWeek = (first: readonly [number, number, number]): readonly string[] => {
      const { saw, store, clock } = watched();
      saw(limiters(first), { requestedModel: 'claude-sonnet-5' });
      for (let day = 1; day <= 6; day += 1) {
        for (let minute = 0; minute < 100; minute += 1) {
          clock.nowMs = START_MS + day * DAY + minute * MINUTE;
          const rejection = minute < day * 2 ? refused('requests') : null;
          saw(limiters(day < 5 ? first : BUILD), { requestedModel: 'claude-sonnet-5' }, { rejection });
        }
      }
      const tier = organizationTier(store) ?? assert.fail();
      return advice(tier.basis()).map(({ kind }) => kind);
    };
    assert.deepEqual(throttledWeek(START), ['throttled']);
    assert.deepEqual(throttledWeek(BUILD), ['tier_stagnation', 'throttled']);
  });
});
