import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { StandingClock, bench } from '../../../testing/simulator-bench.ts';

const API_KEY = ['sk-ant-api03', 'R2Dmany-more-characters-igAA'].join('-');

interface Report {
  readonly data: readonly { readonly starting_at: string; readonly results: readonly Record<string, unknown>[] }[];
}

/** An organization with a call of 10 input tokens yesterday, and its older reports. */
async function reports() {
  const clock = new StandingClock();
  const { claude, sdk } = bench(
    {
      clock,
      keys: [{ name: 'shop', key: API_KEY }],
      respond: () => ({ usage: { input_tokens: 10, output_tokens: 1 } }),
    },
    { apiKey: API_KEY },
  );
  await sdk.messages.create({ model: 'claude-opus-5-5', max_tokens: 9, messages: [{ role: 'user', content: 'Ahoy' }] });
  clock.advance(24 * 3_600_000);
  const admin = new Anthropic({ apiKey: 'sk-ant-admin01-books-of-the-house', fetch: claude.fetch, maxRetries: 0 });
  return (path: string, query: Record<string, unknown>): Promise<Report> =>
    admin.get(`/v1/organizations/${path}`, { query });
}

describe('the older reports', () => {
  test('every day has a bucket, oldest first, also one without use; the open day has none', async () => {
    const get = await reports();
    const { data } = await get('usage_report/messages', { starting_at: '2026-11-23T00:00:00Z', group_by: ['model'] });
    assert.deepEqual(
      data.map((bucket) => [bucket.starting_at, bucket.results.map((row) => row['uncached_input_tokens'])]),
      [
        ['2026-11-23T00:00:00.000Z', []],
        ['2026-11-24T00:00:00.000Z', [10]],
      ],
    );
  });

  test('the default workspace is null, and costs are described', async () => {
    const get = await reports();
    const { data } = await get('cost_report', {
      starting_at: '2026-11-24T00:00:00Z',
      group_by: ['workspace_id', 'description'],
    });
    assert.deepEqual(
      data
        .flatMap(({ results }) => results)
        .map((row) => [row['workspace_id'], row['model'], row['token_type'], row['amount']]),
      [
        [null, 'claude-opus-5-5', 'uncached_input_tokens', '0.004'],
        [null, 'claude-opus-5-5', 'output_tokens', '0.002'],
      ],
    );
  });

  test('grouping costs by key is refused, as is speed without its beta header', async () => {
    const get = await reports();
    const since = { starting_at: '2026-11-24T00:00:00Z' };
    await assert.rejects(get('cost_report', { ...since, group_by: ['api_key_id'] }), { status: 400 });
    await assert.rejects(get('usage_report/messages', { ...since, group_by: ['speed'] }), { status: 400 });
  });
});
