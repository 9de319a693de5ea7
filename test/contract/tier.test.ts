import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { tierReport, type TierReport } from 'plimsoll';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import type { TierName } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { PARAMS, samples, workbench, type Workbench } from '../../testing/client-workbench.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 24, 12);

/** One clock for plimsoll and for the simulator. */
function aClock(nowMs: number) {
  let now = nowMs;
  const read = () => now;
  const forward = (ms: number) => (now += ms);
  return { now: read, epochMs: read, monotonicMs: read, forward, sleep: () => Promise.resolve() };
}

function benchOn(tier: TierName, nowMs = NOW) {
  const clock = aClock(nowMs);
  const bench = workbench({
    simulator: { tier, clock },
    client: { maxRetries: 0 },
    instrument: { clock, key: 'prod-checkout-api' },
  });
  return { ...bench, clock };
}

/** What the simulator billed, in USD. */
function billedUsd({ sim }: Workbench): number {
  return [...sim.truth.totals().values()].reduce((sum, { totalNanoUsd }) => sum + totalNanoUsd, 0) / 1e9;
}

const knownOf = ({ registry }: Workbench): TierReport => tierReport({ registry }) ?? assert.fail();

describe('the tier of a client on the API', () => {
  const MODELS = ['claude-opus-5-5', 'claude-fable-5-1', 'claude-sonnet-5', 'claude-opus-4-8'];
  const TIERS: readonly (readonly [tier: TierName, name: string])[] = [
    ['start', 'Start'],
    ['build', 'Build'],
    ['scale', 'Scale'],
    ['custom', 'Custom'],
  ];
  for (const [tier, name] of TIERS) {
    it(`on ${name} is told by the headers of any of its models, and not confused by one without published limits`, async () => {
      for (const model of MODELS) {
        const bench = benchOn(tier);
        await bench.claude.messages.create({ ...PARAMS, model: 'claude-opus-5-5' });
        assert.deepEqual(await samples(bench.registry, 'anthropic_tier_info'), {}, 'nothing is published for Opus 5.5');
        if (model === 'claude-opus-5-5') continue;
        await bench.claude.messages.create({ ...PARAMS, model });
        const [info = '', ...others] = Object.keys(await samples(bench.registry, 'anthropic_tier_info'));
        assert.deepEqual(others, []);
        assert.match(info, new RegExp(`tier=${name},.*source=headers`));
      }
    });
  }

  it('was one of Tier 1 to 4 in April 2026', async () => {
    for (const [tier, name] of [
      ['tier1', 'Tier 1'],
      ['tier2', 'Tier 2'],
      ['tier3', 'Tier 3'],
      ['tier4', 'Tier 4'],
    ] as const) {
      const bench = benchOn(tier, Date.UTC(2026, 3, 25));
      await bench.claude.messages.create({ ...PARAMS, model: 'claude-opus-4-6' });
      await bench.claude.messages.create({ ...PARAMS, model: 'claude-haiku-4-5' });
      assert.equal(knownOf(bench).verdict.tier, name);
    }
  });

  it('shows what the truth says was spent this month, against the cap', async () => {
    const bench = benchOn('build');
    for (const model of ['claude-sonnet-5', 'claude-haiku-4-5']) {
      await bench.claude.messages.create({ ...PARAMS, model });
      await bench.claude.messages.stream({ ...PARAMS, model }).finalMessage();
    }
    const spent = Object.values(await samples(bench.registry, 'anthropic_tier_spend_usd'));
    const truthUsd = billedUsd(bench);
    assert.ok(truthUsd > 0);
    assert.deepEqual(spent, [truthUsd]);
    assert.deepEqual(Object.values(await samples(bench.registry, 'anthropic_tier_progress_ratio')), [truthUsd / 1_000]);
  });

  it('with a ledger shows what all replicas spent, whichever of them is asked', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tier-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const all = { name: 'all', period: 'month', usd: 300 } as const;
    // The second has a budget that was added in the middle of the month: it has counted less.
    const replicas = [[all], [{ ...all, name: 'added' }, all]].map((definitions) => {
      const spending = budgets({
        definitions,
        ledger: sqliteLedger(join(folder, 'budgets.db')),
      });
      return { ...workbench({ instrument: { tier: { name: 'Start' }, budgets: spending } }), spending };
    });
    for (const { claude } of replicas) await claude.messages.create(PARAMS);
    await setImmediate(); // a settlement is in the ledger before its process waits for anything
    const truthUsd = replicas.reduce((sum, replica) => sum + billedUsd(replica), 0);
    for (const { registry, spending } of replicas) {
      await spending.refresh();
      const [spent = 0] = Object.values(await samples(registry, 'anthropic_tier_spend_usd'));
      assert.ok(Math.abs(spent - truthUsd) < 1e-9, `${spent} of ${truthUsd}`);
    }
    for (const { spending } of replicas) await spending.close();
  });

  it('that refuses for its spend cap says so, and when access returns', async () => {
    const bench = benchOn('start');
    await bench.claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' });
    bench.sim.script([{ fault: 'tier_spend_cap' }]);
    await assert.rejects(bench.claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' }), { status: 429 });
    await bench.log.finishedCalls(2);
    assert.equal(
      knownOf(bench).advice[0]?.text,
      'The API refused calls on 24 November because the monthly spend cap of $500 was reached. Access returns on 1 December, 00:00 UTC, or with a higher tier.',
    );
  });

  it('that throttles is advised on, from what its own headers and refusals say', async () => {
    const bench = benchOn('start');
    for (let minute = 0; minute < 20; minute += 1) {
      bench.clock.forward(MINUTE);
      if (minute % 5 === 0) bench.sim.script([{ fault: 'input_tokens_limit' }]);
      await bench.claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' }).catch(() => undefined);
    }
    await bench.log.finishedCalls(20);
    assert.equal(
      knownOf(bench).advice[0]?.text,
      'Throttled by input tokens on Sonnet 5 for 20% of active minutes this week; Build would lift that limit 2.5×.',
    );
  });

  it('has the headroom that the API has, after any number of calls', async () => {
    const bench = benchOn('start');
    for (let call = 0; call < 50; call += 1) {
      await bench.claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' });
      bench.clock.forward(20);
    }
    const requests = () => knownOf(bench).headroom.find(({ dimension }) => dimension === 'requests');
    // A request each 20 ms are 3,000 a minute, and 1,000 flow in: of 1,000 some 33 are gone after the second.
    assert.equal(requests()?.modelClass, 'sonnet-5');
    assert.ok(Math.abs((requests()?.remaining ?? 0) - 967) < 20, String(requests()?.remaining));
    bench.clock.forward(30_000);
    assert.equal(requests()?.remaining, 1_000);
  });

  it('is reported for its own organization, and a registry that nobody feeds stays empty', async () => {
    const bench = benchOn('build');
    await bench.claude.messages.create({ ...PARAMS, model: 'claude-sonnet-5' });
    const { verdict, progress, advice } = knownOf(bench);
    assert.equal(verdict.source, 'headers');
    assert.equal(progress?.next?.name, 'Scale');
    assert.deepEqual(
      advice.map(({ kind }) => kind),
      ['limits_ample'],
    );
    assert.equal(tierReport({ registry: bench.registry, organization: 'another' }), null);
    const empty = new Registry();
    assert.equal(tierReport({ registry: empty }), null);
    assert.deepEqual(empty.getMetricsAsArray(), []);
  });
});

describe('the key of a client', () => {
  it('is read by the rule env-service-role', async () => {
    const bench = benchOn('start');
    assert.deepEqual(await samples(bench.registry, 'anthropic_key_info'), {
      'key=prod-checkout-api,environment=prod,service=checkout,role=api,well_named=true': 1,
    });
  });
});
