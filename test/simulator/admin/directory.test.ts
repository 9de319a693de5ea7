import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SimulatorOptions } from 'plimsoll/simulator';
import { bench } from '../../../testing/simulator-bench.ts';

const KEYS = [
  { name: 'prod-shop-api', key: ['sk-ant-api03', 'R2Dmany-more-characters-igAA'].join('-'), workspace: 'wrkspc_shop' },
  { name: 'ci', key: ['sk-ant-api03', 'Xyzother-characters-q9AA'].join('-'), expiresAt: '2026-11-01T00:00:00Z' },
];

const admin = (options: SimulatorOptions = {}) =>
  bench({ keys: KEYS, ...options }, { apiKey: 'sk-ant-admin01-simulated-books-of-the-house' }).sdk;

describe('keys, workspaces and limits through the real SDK', () => {
  test('keys have the hint that the Console shows, and the workspace in their scope', async () => {
    const { data } = await admin().organization.apiKeys.list();
    assert.deepEqual(
      data.map((key) => [key.name, key.partial_key_hint, key.status, key.scope]),
      [
        [
          'prod-shop-api',
          ['sk-ant-api03', 'R2D...igAA'].join('-'),
          'active',
          { type: 'workspace', workspace_id: 'wrkspc_shop' },
        ],
        [
          'ci',
          ['sk-ant-api03', 'Xyz...q9AA'].join('-'),
          'expired',
          { type: 'workspace', workspace_id: 'wrkspc_01DefaultOfTheOrganization' },
        ],
      ],
    );
  });

  test('the default workspace is listed if it is requested', async () => {
    const { workspaces } = admin().organization;
    assert.deepEqual(
      (await workspaces.list()).data.map(({ name }) => name),
      ['shop'],
    );
    assert.deepEqual(
      (await workspaces.list({ include_default: true })).data.map(({ name }) => name),
      ['Default', 'shop'],
    );
  });

  test('rate limits are those of the tier, by the group of models that shares them', async () => {
    const { data } = await admin({ tier: 'build' }).organization.rateLimits.list({ model: 'claude-fable-5' });
    assert.deepEqual(data[0]?.limits, [
      { type: 'requests_per_minute', value: 2_000 },
      { type: 'input_tokens_per_minute_cache_aware', value: 1_500_000 },
      { type: 'output_tokens_per_minute', value: 300_000 },
    ]);
    assert.ok(data[0]?.models?.includes('claude-fable-5-1'));
    await assert.rejects(admin().organization.rateLimits.list({ model: 'claude-none' }), { status: 404 });
  });

  test("the tier's cap is read in cents, by those in the preview", async () => {
    const { spendLimits } = admin({ tier: 'start', organization: { spendLimits: true } }).beta.organization;
    const { data } = await spendLimits.list({ scope_type: ['usage_tier'] });
    assert.deepEqual(
      data.map(({ amount, period }) => [amount, period]),
      [['50000', 'monthly']],
    );
    await assert.rejects(admin().beta.organization.spendLimits.list(), { status: 403 });
  });

  test('spend limits of a scope that only Claude Enterprise has are refused', async () => {
    const { spendLimits } = admin({ organization: { spendLimits: true } }).beta.organization;
    await assert.rejects(spendLimits.list({ scope_type: ['seat_tier'] }), { status: 400 });
    assert.deepEqual((await spendLimits.list({ scope_type: ['workspace'] })).data, []);
  });

  test("a workspace shows what is lower than the organization's, and all of it if that is asked for", async () => {
    const workspaceLimits = { wrkspc_shop: { 'opus-5.5': { inputTokens: 50_000 } } };
    const { rateLimits } = admin({ tier: 'build', organization: { workspaceLimits } }).organization.workspaces;
    const lower = {
      ...{ type: 'input_tokens_per_minute_cache_aware', value: 50_000, org_limit: 5_000_000 },
      source: { type: 'workspace' },
    };
    const { data } = await rateLimits.list('wrkspc_shop');
    assert.deepEqual(
      data.map(({ group, workspace_id, limits }) => [group.type, workspace_id, limits]),
      [['model_group', 'wrkspc_shop', [lower]]],
    );
    const inherited = (await rateLimits.list('wrkspc_shop', { include_inherited: true })).data;
    const opus = inherited.find(({ models }) => models?.includes('claude-opus-5-5'));
    assert.deepEqual(
      opus?.limits.map(({ type, source }) => [type, source.type]),
      [
        ['requests_per_minute', 'organization'],
        ['input_tokens_per_minute_cache_aware', 'workspace'],
        ['output_tokens_per_minute', 'organization'],
      ],
    );
    assert.deepEqual((await rateLimits.list('wrkspc_01DefaultOfTheOrganization')).data, []);
    await assert.rejects(rateLimits.list('wrkspc_of_nobody'), { status: 404 });
  });
});
