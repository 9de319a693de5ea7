import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulator, type OrganizationOptions } from 'plimsoll/simulator';
import { adminClient } from '../../src/organization/admin-client.ts';
import { readKeyUse } from '../../src/organization/key-use.ts';
import { ADMIN_KEY, SetClock } from '../../testing/organization/books-bench.ts';

const NOW_MS = Date.UTC(2026, 10, 26, 9);
const DAY_MS = 86_400_000;

/** An organization of two keys, used so many days ago, that is read at once. */
function books(options: OrganizationOptions, daysAgo: Readonly<Record<string, number>>) {
  const clock = new SetClock(NOW_MS);
  const keys = ['a', 'b'].map((name) => ({ name, id: `apikey_${name}`, key: `sk-ant-api03-${name}` }));
  const sim = simulator({ clock, keys, organization: options });
  const usage = {
    ...{ input_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    ...({ service_tier: 'standard', inference_geo: 'global' } as const),
  };
  for (const [key, days] of Object.entries(daysAgo))
    sim.enterUse({ atMs: NOW_MS - days * DAY_MS, key, used: { model: 'claude-haiku-4-5', usage } });
  return { sim, client: adminClient({ adminKey: () => ADMIN_KEY, fetch: sim.fetch, maxRetries: 0 }) };
}

test('no further back is read than until each key has been found', async () => {
  const { sim, client } = books({}, { a: 2, b: 40 });
  const { lastUsed, fromDay } = await readKeyUse(client, ['apikey_a', 'apikey_b'], NOW_MS);
  assert.deepEqual(Object.fromEntries(lastUsed), { apikey_a: '2026-11-24', apikey_b: '2026-10-17' });
  assert.equal(fromDay, '2026-09-26');
  assert.equal(sim.truth.requests.length, 2);
});

test('a key that is nowhere is looked for to the beginning of the report', async () => {
  const { client } = books({}, { a: 2 });
  const { lastUsed, fromDay } = await readKeyUse(client, ['apikey_a', 'apikey_b'], NOW_MS);
  assert.deepEqual([...lastUsed.keys()], ['apikey_a']);
  assert.equal(fromDay, '2026-01-01');
});

test('the older reports answer where the others do not', async () => {
  const { client } = books({ kind: 'legacy' }, { a: 2, b: 100 });
  const { lastUsed } = await readKeyUse(client, ['apikey_a', 'apikey_b'], NOW_MS);
  assert.deepEqual(Object.fromEntries(lastUsed), { apikey_a: '2026-11-24', apikey_b: '2026-08-18' });
});
