import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import type { CostListParams } from '@anthropic-ai/sdk/resources/beta/organization/analytics/cost';
import type { PartialUsage, SimulatorOptions, WireUsage } from 'plimsoll/simulator';
import { NOW_MS, StandingClock, bench } from '../../../testing/simulator-bench.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ADMIN_KEY = 'sk-ant-admin01-simulated-books-of-the-house';
const API_KEY = ['sk-ant-api03', 'R2Dmany-more-characters-igAA'].join('-');
const USAGE: PartialUsage = {
  input_tokens: 1_000,
  cache_read_input_tokens: 300,
  cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 5 },
  output_tokens: 70,
};
const START = '2026-11-24T00:00:00Z';
const KEYS = [{ name: 'prod-shop-api', key: API_KEY }];

/** An organization whose shop made a call a day ago, and a client with its admin key. */
async function organization(options: SimulatorOptions = {}, model = 'claude-sonnet-5-5') {
  const clock = new StandingClock();
  const { claude, sdk } = bench(
    { clock, keys: KEYS, respond: () => ({ usage: USAGE }), ...options },
    { apiKey: API_KEY },
  );
  await sdk.messages.create({ model, max_tokens: 100, messages: [{ role: 'user', content: 'Ahoy' }] });
  clock.advance(DAY_MS);
  const admin = new Anthropic({ apiKey: ADMIN_KEY, fetch: claude.fetch, maxRetries: 0, logLevel: 'off' });
  return { claude, clock, sdk, admin, analytics: admin.beta.organization.analytics };
}

const DAY = { starting_at: START, ending_at: '2026-11-25T00:00:00Z', time_bucket_width: '1d' } as const;

describe('usage and cost through the real SDK', () => {
  test('a call is in both reports, in cents, exact to its last digit', async () => {
    const { analytics } = await organization({ organization: { discountPercent: '5' } });
    const usage = await analytics.usage.list({ ...DAY, group_by: ['api_key_id', 'model'] });
    assert.deepEqual(
      usage.data.map((row) => [row.group.model, row.usage.total_tokens, row.usage.cache_creation, row.usage.requests]),
      [['claude-sonnet-5-5', 1_415, { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 5 }, 1]],
    );
    const cost = await analytics.cost.list(DAY);
    // 1,000 × $2 + 300 × $0.10 + 40 × $2.50 + 5 × $4 + 70 × $10, each a million: $0.00285, which is 0.285 cents.
    assert.deepEqual(
      cost.data.map((row) => [row.cost.list_amount, row.cost.amount, row.cost.requests]),
      [['0.285', '0.27075', 1]],
    );
    assert.equal(cost.data_refreshed_at, '2026-11-25T07:00:00.000Z');
  });

  test('amounts of less than a nano-dollar are shown: half the price of a batch, a tenth more in the US', async () => {
    const { analytics, claude } = await organization();
    const usage = { ...REAL_USAGE, service_tier: 'batch' as const, inference_geo: 'us' };
    claude.enterUse({ atMs: NOW_MS, used: { model: 'claude-haiku-5-5', usage } });
    const cost = await analytics.cost.list({ ...DAY, models: ['claude-haiku-5-5'] });
    // 1 × $0.125 + 1 × $0.01, halved and a tenth more: $0.00000007425.
    assert.deepEqual(
      cost.data.map((row) => row.cost.list_amount),
      ['0.000007425'],
    );
  });

  test('a dimension that nothing has is null in every group, whether or not it is asked for', async () => {
    const { analytics } = await organization();
    const none = ['actor', 'agent_id', 'claude_tag_category', 'organization_id', 'session_id', 'user_profile_id'];
    for (const query of [DAY, { ...DAY, group_by: ['actor' as const, 'session_id' as const, 'model' as const] }]) {
      const { group = {} } = (await analytics.usage.list(query)).data[0] ?? {};
      const values = new Map(Object.entries(group));
      assert.deepEqual(
        none.map((name) => values.get(name)),
        none.map(() => null),
      );
    }
    assert.deepEqual((await analytics.usage.list({ ...DAY, agent_ids: ['agent_01'] })).data, []);
  });

  test('rows are ranked by what is asked for; by time the largest of a bucket comes first', async () => {
    const { analytics, claude } = await organization();
    const usage = { ...REAL_USAGE, input_tokens: 5, output_tokens: 90 };
    claude.enterUse({ atMs: NOW_MS, used: { model: 'claude-haiku-4-5', usage } });
    const ranked = async (query: object) =>
      (await analytics.usage.list({ ...DAY, ...query, group_by: ['model'] })).data.map(({ group }) => group.model);
    assert.deepEqual(await ranked({}), ['claude-sonnet-5-5', 'claude-haiku-4-5']);
    assert.deepEqual(await ranked({ order_by: 'output_tokens' }), ['claude-haiku-4-5', 'claude-sonnet-5-5']);
    assert.deepEqual(await ranked({ order_by: 'output_tokens', order: 'asc' }), [
      'claude-sonnet-5-5',
      'claude-haiku-4-5',
    ]);
    assert.deepEqual(await ranked({ order_by: 'time', order: 'asc' }), ['claude-sonnet-5-5', 'claude-haiku-4-5']);
  });

  test('token types do not count towards the page, and have no requests', async () => {
    const { analytics } = await organization();
    const cost = await analytics.cost.list({ ...DAY, limit: 1, group_by: ['model', 'cost_type', 'token_type'] });
    assert.deepEqual(cost.data.map((row) => [row.group.token_type, row.cost.list_amount, row.cost.requests]).sort(), [
      ['cache_creation.ephemeral_1h_input_tokens', '0.002', null],
      ['cache_creation.ephemeral_5m_input_tokens', '0.01', null],
      ['cache_read_input_tokens', '0.003', null],
      ['output_tokens', '0.07', null],
      ['uncached_input_tokens', '0.2', null],
    ]);
  });

  test('use without a key is a group of null, and an empty filter finds it', async () => {
    const { analytics, claude } = await organization();
    claude.enterUse({ atMs: NOW_MS, charged: { costType: 'code_execution', cents: '12.5' } });
    const cost = await analytics.cost.list({ ...DAY, group_by: ['api_key_id', 'cost_type'], api_key_ids: [''] });
    assert.deepEqual(
      cost.data.map((row) => [row.group.api_key_id, row.group.cost_type, row.cost.list_amount]),
      [[null, 'code_execution', '12.5']],
    );
  });

  test('what has not landed yet is not shown, and before the first use nothing is known', async () => {
    const { analytics, clock } = await organization({ organization: { lagMs: 40 * HOUR_MS } });
    const early = await analytics.cost.list(DAY);
    assert.deepEqual([early.data, early.data_refreshed_at], [[], null]);
    clock.advance(20 * HOUR_MS);
    assert.equal((await analytics.cost.list(DAY)).data.length, 1);
  });

  test('late use lands later, and a correction changes an amount without tokens', async () => {
    const cell = { day: '2026-11-24', key: 'prod-shop-api', model: 'claude-sonnet-5-5' };
    const late = { ...cell, fromMs: NOW_MS + 2 * DAY_MS };
    const revised = { ...cell, fromMs: NOW_MS + 3 * DAY_MS, addCents: '-0.01' };
    const { analytics, clock } = await organization({ organization: { late: [late], revised: [revised] } });
    assert.deepEqual((await analytics.cost.list(DAY)).data, []);
    clock.advance(DAY_MS);
    assert.equal((await analytics.cost.list(DAY)).data[0]?.cost.list_amount, '0.285');
    clock.advance(DAY_MS);
    assert.equal((await analytics.cost.list(DAY)).data[0]?.cost.list_amount, '0.275');
    assert.equal((await analytics.usage.list(DAY)).data[0]?.usage.total_tokens, 1_415);
  });

  test('pages go on where the last one ended; an expired cursor is a 410, one of another query a 400', async () => {
    const { analytics, claude, clock } = await organization();
    for (const model of ['claude-opus-5-5', 'claude-haiku-5-5'])
      claude.enterUse({ atMs: NOW_MS, used: { model, usage: REAL_USAGE } });
    const query: CostListParams = { ...DAY, limit: 1, group_by: ['model'] };
    const models: (string | null)[] = [];
    for await (const page of (await analytics.cost.list(query)).iterPages())
      models.push(...page.data.map((row) => row.group.model));
    assert.deepEqual(models, ['claude-sonnet-5-5', 'claude-opus-5-5', 'claude-haiku-5-5']);
    const { next_page: page } = await analytics.cost.list(query);
    await assert.rejects(analytics.cost.list({ ...query, limit: 2, page: page ?? '' }), { status: 400 });
    clock.advance(HOUR_MS);
    await assert.rejects(analytics.cost.list({ ...query, page: page ?? '' }), { status: 410 });
  });
});

const REAL_USAGE: WireUsage = {
  ...{ input_tokens: 0, cache_creation_input_tokens: 1, cache_read_input_tokens: 1, output_tokens: 0 },
  cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 0 },
  service_tier: 'standard',
  inference_geo: 'global',
};
