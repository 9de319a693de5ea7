import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminClient } from '../../src/organization/admin-client.ts';
import { nanoUsdOf } from '../../src/organization/exact-usd.ts';
import { readAnalytics } from '../../src/organization/read-analytics.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';

// Tools have stored the reports' amounts a hundred times too high, and no cache writes at all (langwatch#6977,
// claude-code#51198): amounts are cents, with more digits than nano-dollars have, and cache writes stand one level down.

const GROUP = {
  api_key_id: 'apikey_01',
  model: 'claude-opus-5-5',
  service_tier: 'standard',
  speed: null,
  inference_geo: null,
};
const DAY = { starting_at: '2026-11-20T00:00:00Z', ending_at: '2026-11-21T00:00:00Z' };
const USAGE = {
  ...{ uncached_input_tokens: 1, cache_read_input_tokens: 2, output_tokens: 3, total_tokens: 13, requests: 1 },
  cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
  server_tool_use: { web_search_requests: 0 },
};
const COST = { amount: '1234.567890123', list_amount: '1234.567890123', currency: 'USD', requests: null };

/** Answers as the documentation writes them down, whatever is asked. */
const documented: typeof fetch = async (input) => {
  const url = new URL(input instanceof Request ? input.url : input);
  if (url.protocol === 'data:') return new Response('{}');
  const isGrouped = url.searchParams.has('group_by[]');
  const group = isGrouped ? { ...GROUP, cost_type: 'tokens', token_type: 'output_tokens' } : {};
  const row = url.pathname.endsWith('/cost') ? { ...DAY, group, cost: COST } : { ...DAY, group, usage: USAGE };
  return Response.json({ data: [row], has_more: false, next_page: null, data_refreshed_at: '2026-11-26T08:00:00Z' });
};

test('1234.567890123 in a report is 12.35 dollars, and cache writes are counted', async () => {
  const client = adminClient({ adminKey: () => 'sk-ant-admin01-any', fetch: documented, maxRetries: 0 });
  const source = { client, prices: defaultPrices(), now: () => 0 };
  const { days } = await readAnalytics(source, '2026-11-20', '2026-11-21');
  const [cell] = days[0]?.cells ?? [];
  assert.equal(nanoUsdOf(cell?.billed ?? 0n), 12_345_678_901n);
  assert.deepEqual([cell?.tokens.cache_write_5m, cell?.tokens.cache_write_1h], [3n, 4n]);
  assert.deepEqual([cell?.speed, cell?.geo, days[0]?.controlFailures], ['standard', 'global', []]);
});
