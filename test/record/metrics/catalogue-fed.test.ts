import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { instrument, pricesFrom, retryPolicy, routes } from 'plimsoll';
import { budgets } from 'plimsoll/budget';
import { pace } from 'plimsoll/pace';
import type { Fault, Reply } from 'plimsoll/simulator';
import type { Registry } from 'prom-client';
import { CATALOGUE } from '../../../src/record/metrics/catalogue.ts';
import { collected, PARAMS, samples, workbench } from '../../../testing/client-workbench.ts';
import { WatchBench } from '../../../testing/organization/watch-bench.ts';
import { gatewayBench, REAL_KEY } from '../../../testing/gateway/workbench.ts';

/** An answer that has a bit of everything that is billed. */
const REPLY = {
  thinking: 'hm',
  text: 'Four fathoms, and the tide is out.',
  usage: { server_tool_use: { web_search_requests: 1 }, output_tokens_details: { thinking_tokens: 3 } },
};

/** A refusal of which nobody knows whether it is billed, and a prompt that missed the cache. */
const REFUSED = {
  content: [],
  stopReason: 'refusal',
  stopDetails: { category: 'of_next_year' },
  diagnostics: { cache_miss_reason: { type: 'tools_changed', cache_missed_input_tokens: 900 } },
} satisfies Reply;

const AGAIN: Fault = { fault: 'requests_limit', headers: { 'retry-after-ms': '1' } };

/** A day on which the API published what the next tier takes. */
const OLD_MS = Date.UTC(2026, 4, 4);

const NOW_MS = Date.UTC(2026, 10, 10);

const HALF_A_DAY_MS = 12 * 3_600_000;

/** A service in which everything happens once, and a gateway that refuses a request, in one registry. */
async function livedThrough(t: test.TestContext): Promise<Registry> {
  let laterMs = 0;
  const now = () => NOW_MS + laterMs;
  const clock = { epochMs: now, monotonicMs: () => performance.now() + laterMs };
  const bench = await gatewayBench({
    gateway: { clock },
    simulator: {
      respond: ({ body }) => (body.model === 'claude-opus-5-5' ? REFUSED : REPLY),
      unknownModels: 'serve',
      clock: { now, sleep: () => Promise.resolve() },
    },
  });
  t.after(() => bench.close());
  const { sim, registry } = bench;
  const plain = new Anthropic({ apiKey: REAL_KEY, fetch: sim.fetch, logLevel: 'off' });
  const old = { epochMs: () => OLD_MS, monotonicMs: () => performance.now() };
  const before = instrument(plain, { registry, clock: old, tier: { name: 'Tier 1', organization: 'before' } });
  await before.messages.create(PARAMS);
  const shop = routes({ chat: { maxTokens: 16 } });
  const claude = instrument(plain, {
    serviceVersion: '1.0.0',
    registry,
    clock,
    key: 'prod-checkout-api',
    attribution: { team: ['search'], tenant: [] },
    labels: { tenant: 'x'.repeat(1_000) },
    tier: { name: 'Build' },
    routes: shop,
    prices: pricesFrom({ extends: 'default', discounts: { 'prod-checkout-api': 0.05 } }),
    budgets: budgets({
      clock,
      definitions: [{ name: 'all', period: 'month', usd: '0.000001', thresholds: [0.5] }],
    }),
    retry: retryPolicy({ backoffMs: 1, fallbackModel: 'claude-sonnet-5-5' }),
    onCall: () => {
      throw new Error('of the service');
    },
  });
  sim.script([AGAIN, { fault: 'none' }, { fault: 'overloaded' }, { fault: 'none' }, { fault: 'tier_spend_cap' }]);
  await collected(await claude.messages.create({ ...PARAMS, stream: true }));
  await claude.messages.create(PARAMS);
  await assert.rejects(claude.messages.create(PARAMS));
  await claude.messages.create({ ...PARAMS, ...shop.route('chat'), max_tokens: 32 });
  await claude.messages.create({ ...PARAMS, model: 'claude-nobody-knows' });
  await claude.messages.create({ ...PARAMS, model: 'claude-opus-5-5' });
  await claude.beta.messages.create({
    ...{ ...PARAMS, user_profile_id: 'uprof_1' },
    billing_policy: { type: 'billing_policy', bill_to: 'user_profile' },
  });
  const { id } = await claude.messages.batches.create({ requests: [{ custom_id: 'a', params: PARAMS }] });
  await collected(await claude.messages.batches.results(id));
  laterMs = HALF_A_DAY_MS; // enough of the month for a forecast
  await claude.messages.create(PARAMS);
  assert.equal((await fetch(`${bench.url}/v1/messages`, { method: 'POST' })).status, 401);
  return registry;
}

/** An organization whose books are watched, with prepaid credit and a key that expires. */
async function watched(): Promise<Registry> {
  const bench = new WatchBench();
  await bench.live();
  const { watch, registry } = bench.watch({ credit: { balance: { usd: 100, at: '2026-10-20' } } });
  await bench.settle();
  await watch.close();
  return registry;
}

/** A client whose calls wait for the first answer, and meet a 429 that the headers contradict. */
async function paced(): Promise<Registry> {
  const own = pace({ limits: { 'haiku-4.5': { requests: 2 } } });
  const { sim, claude, registry } = workbench({ instrument: { pace: own }, client: { maxRetries: 0 } });
  await Promise.all(Array.from({ length: 5 }, () => claude.messages.create(PARAMS)));
  sim.script([{ fault: 'requests_limit', headers: { 'anthropic-ratelimit-requests-remaining': '900' } }]);
  await assert.rejects(claude.messages.create(PARAMS));
  await new Promise((resolve) => setImmediate(resolve));
  return registry;
}

/** Metrics that need a connection that breaks, more calls than a minute allows, or a command that is running, with the test that feeds them. */
const FED_ELSEWHERE = new Map([
  ['anthropic_pace_avoided_total', '../pace.test.ts'],
  ['plimsoll_gateway_resends_total', '../../gateway/upstream-resend.test.ts'],
  ['plimsoll_gateway_faults_total', '../../gateway/failure/causes.test.ts'],
  ['plimsoll_gateway_configuration_loads_total', '../../cli/gateway.test.ts'],
  ['plimsoll_gateway_workers', '../../cli/gateway-workers.test.ts'],
  ['plimsoll_gateway_worker_exits_total', '../../cli/gateway-workers.test.ts'],
  ['plimsoll_gateway_failovers_total', '../../gateway/forward-failover.test.ts'],
  ['plimsoll_gateway_detours_total', '../../gateway/forward-failover.test.ts'],
  ['plimsoll_gateway_key_state', '../../gateway/forward-failover.test.ts'],
  ['plimsoll_gateway_logins', '../../gateway/upstreams/logins.test.ts'],
  ['plimsoll_gateway_login_used_ratio', '../../gateway/upstreams/logins.test.ts'],
  ['plimsoll_gateway_redis_up', '../../gateway/failure/ledger-down.test.ts'],
  ['plimsoll_gateway_redis_outages_total', '../../gateway/failure/ledger-down.test.ts'],
]);

test('every metric of the catalogue is fed by something', async (t) => {
  const registries = [await livedThrough(t), await watched(), await paced()];
  const page = (await Promise.all(registries.map((registry) => registry.metrics()))).join('');
  const unfed: string[] = [];
  for (const { name, type } of CATALOGUE) {
    const isFed =
      type === 'gauge'
        ? new RegExp(`^${name}[{ ]`, 'm').test(page)
        : (await Promise.all(registries.map((registry) => samples(registry, name)))).some(
            (fed) => Object.keys(fed).length > 0,
          );
    const elsewhere = FED_ELSEWHERE.get(name);
    const isFedElsewhere =
      elsewhere !== undefined && readFileSync(join(import.meta.dirname, elsewhere), 'utf8').includes(name);
    if (!isFed && !isFedElsewhere) unfed.push(name);
  }
  assert.deepEqual(unfed, []);
});
