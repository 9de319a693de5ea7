import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CostListParams } from '@anthropic-ai/sdk/resources/beta/organization/analytics/cost';
import { bench } from '../../../testing/simulator-bench.ts';

const SINCE = '2026-11-24T00:00:00Z';

const costs = () => {
  const { sdk } = bench({}, { apiKey: 'sk-ant-admin01-simulated-books-of-the-house' });
  return (query: Partial<CostListParams>) =>
    sdk.beta.organization.analytics.cost.list({ starting_at: SINCE, ...query });
};

const refused: readonly (readonly [what: string, query: Partial<CostListParams>])[] = [
  ['before 2026', { starting_at: '2025-12-31T00:00:00Z' }],
  ['longer than 31 days', { ending_at: '2026-12-26T00:00:00Z' }],
  ['longer than a day by the minute', { ending_at: '2026-11-26T00:00:00Z', time_bucket_width: '1m' }],
  ['buckets without an end', { time_bucket_width: '1d' }],
  ['an end before the start', { ending_at: '2026-11-23T00:00:00Z' }],
  ['a time without a zone', { starting_at: '2026-11-24T00:00:00' }],
  ['more rows than a page has', { limit: 1_001 }],
  ['a page of nobody', { page: 'made-up' }],
  ['an order by time without buckets', { order_by: 'time' }],
  ['an order of the other report', { order_by: 'total_tokens' as 'amount' }],
  ['a direction of its own', { order: 'upwards' as 'asc' }],
  ['deleted users left out of what is not by user', { exclude_deleted_users: true }],
  ['six dimensions', { group_by: ['model', 'product', 'speed', 'service_tier', 'inference_geo', 'api_key_id'] }],
];

describe('queries that the API refuses', () => {
  for (const [what, query] of refused)
    test(what, async () => {
      await assert.rejects(costs()(query), { status: 400 });
    });

  test('types of cost are not among the five dimensions', async () => {
    const by: CostListParams['group_by'] = [
      'model',
      'speed',
      'service_tier',
      'inference_geo',
      'api_key_id',
      'token_type',
    ];
    assert.deepEqual((await costs()({ group_by: by })).data, []);
  });
});
