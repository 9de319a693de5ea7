import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheItems } from '../../src/advice/cache.ts';
import { samplesIn } from '../../src/advice/samples.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';

const JUDGING = { prices: defaultPrices(), nowMs: Date.UTC(2026, 10, 26) };

const MODEL = 'claude-haiku-4-5';

/** A page of one client's calls, by kind of tokens. */
function adviceOn(tokens: Readonly<Record<string, number>>, { calls = 200, client = 'shop', model = MODEL } = {}) {
  const labels = (more: string): string =>
    `operation="messages.create",key="k",model="${model}",client="${client}",${more}`;
  const lines = [
    `anthropic_requests_total{${labels('outcome="ok"')}} ${calls}`,
    ...Object.entries(tokens).map(([kind, count]) => `anthropic_tokens_total{${labels(`kind="${kind}"`)}} ${count}`),
  ];
  return cacheItems(samplesIn(`${lines.join('\n')}\n`) ?? [], JUDGING);
}

test('a client whose cache pays is told its hit rate, and what it saved', () => {
  // Haiku 4.5: $1 a million, $1.25 to write, $0.10 to read.
  const [item, ...others] = adviceOn({ input: 100_000, cache_write_5m: 100_000, cache_read: 800_000 });
  assert.deepEqual(others, []);
  assert.deepEqual([item?.kind, item?.severity], ['cache_hit_rate', 'info']);
  assert.equal(
    item?.text,
    'Client shop reads 80% of its prompts to claude-haiku-4-5 from the cache, which saved $0.70.',
  );
  const saved = (900_000 - 125_000 - 80_000) / 1e6;
  const evidence = { client: 'shop', model: MODEL, written: 100_000, read: 800_000, neverRead: 0, hitRate: 0.8 };
  assert.deepEqual(item?.evidence, { ...evidence, savedUsd: saved });
});

test('a client that writes what nobody reads is told how much, what it costs, and what to do', () => {
  const [item] = adviceOn({ input: 0, cache_write_5m: 1_000_000, cache_read: 100_000 });
  assert.deepEqual([item?.kind, item?.severity], ['cache_unread', 'warning']);
  assert.equal(item?.evidence['neverRead'], 900_000);
  // A quarter more on what was written, less nine tenths on what was read.
  assert.equal(item.evidence['savedUsd'], -(250_000 - 90_000) / 1e6);
  assert.match(
    item.text,
    /cost \$0\.16 more than no cache: of 1,000,000 tokens written, at least 900,000 were never read\./,
  );
});

test('an hour costs twice, and has to be read more often', () => {
  assert.equal(adviceOn({ cache_write_1h: 100_000, cache_read: 110_000 })[0]?.kind, 'cache_unread');
  assert.equal(adviceOn({ cache_write_1h: 100_000, cache_read: 112_000 })[0]?.kind, 'cache_hit_rate');
});

test('long prompts without a cache are named, short or few ones are not', () => {
  const [item] = adviceOn({ input: 200 * 5_000 });
  assert.deepEqual([item?.kind, item?.severity], ['cache_unused', 'info']);
  assert.match(
    String(item?.text),
    /^Client shop: 200 prompts of 5,000 tokens on average to claude-haiku-4-5, and none is cached\./,
  );
  assert.deepEqual(adviceOn({ input: 200 * 4_000 }), []);
  assert.deepEqual(adviceOn({ input: 99 * 50_000 }, { calls: 99 }), []);
  assert.deepEqual(adviceOn({}, { calls: 0 }), []);
});

test('a model without a price has a hit rate and no dollars', () => {
  const [item] = adviceOn({ cache_write_5m: 1_000_000, cache_read: 1_000_000 }, { model: 'claude-unheard-of' });
  assert.equal(item?.text, 'Client shop reads 50% of its prompts to claude-unheard-of from the cache.');
});

test('a page without clients, and one with little, gets no advice on caches', () => {
  assert.deepEqual(adviceOn({ cache_write_5m: 1_000_000 }, { client: '' }), []);
  assert.deepEqual(adviceOn({ cache_write_5m: 99_000 }), []);
});
