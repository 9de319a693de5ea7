import assert from 'node:assert/strict';
import test from 'node:test';
import { defaultPrices } from '../../../src/pricing/prices.ts';
import { usageBook, type UsagePosting, type UsageRow, type UsageStore } from '../../../src/gateway/access/usage.ts';
import { aCall, aPart, aUsage, record, START_MS } from '../../../testing/calls.ts';

function book(fails = 0) {
  const postings: UsagePosting[] = [];
  const errors: unknown[] = [];
  let left = fails;
  const store: UsageStore = {
    kind: 'sqlite',
    add(posting) {
      postings.push(posting);
      if ((left -= 1) >= 0) throw new Error('away');
    },
    read: () => [],
    forget: () => 0,
    close: () => undefined,
  };
  const clock = { epochMs: () => START_MS, monotonicMs: () => 0 };
  const kept = usageBook({ store, prices: defaultPrices(), onError: (error) => errors.push(error), clock });
  return { ...kept, postings, errors, rows: (): readonly UsageRow[] => postings.flatMap(({ rows }) => rows) };
}

const owned = (owner: string) => ({ client: 'platform', attribution: { owner } });

test('a call that was refused here is counted as refused, and an unknown model under no name of its own', async () => {
  const { recorder, flush, rows } = book();
  record(recorder, aCall({ ...owned('ada'), outcome: 'blocked', requestedModel: 'any text of a request' }));
  record(recorder, aCall({ ...owned('ada'), outcome: 'rate_limited' }));
  record(recorder, aCall({ ...owned('ada'), operation: 'models.list' }));
  await flush();
  const counted = rows().map(({ cell: { model }, counts: { calls, refused } }) => [model, calls, refused]);
  assert.deepEqual(counted, [
    ['other', 0n, 1n],
    ['claude-haiku-4-5', 1n, 0n],
  ]);
});

test('tokens of a call without a price are counted, and so is that their cost is missing', async () => {
  const { recorder, flush, rows } = book();
  const usage = aUsage([aPart({ input: 7, output: 3 })]);
  const cost = { parts: [{ model: null, cost: null }], totalNanoUsd: 0, priced: false, doubts: [] };
  record(recorder, aCall({ ...owned('ada'), usage, cost }));
  await flush();
  const [{ counts } = { counts: null }] = rows();
  assert.deepEqual([counts?.unpriced, counts?.input, counts?.output, counts?.cost_nano_usd], [1n, 7n, 3n, 0n]);
});

test('of a hundred thousand owners on a day, those beyond the cap are counted together', async () => {
  const { recorder, flush, rows } = book();
  for (let owner = 0; owner < 100_000; owner += 1) record(recorder, aCall(owned(`owner ${owner}`)));
  await flush();
  assert.equal(rows().length, 20_001);
  assert.equal(rows().find(({ cell }) => cell.owner === 'other')?.counts.calls, 80_000n);
});

test('usage that the store did not take is posted again as it was, and what came meanwhile after it', async () => {
  const { recorder, flush, postings } = book(1);
  record(recorder, aCall(owned('ada')));
  await assert.rejects(flush());
  record(recorder, aCall(owned('bob')));
  await flush();
  const posted = postings.map(({ sequence, rows }) => [sequence, rows.map(({ cell }) => cell.owner)]);
  assert.deepEqual(posted, [
    [1, ['ada']],
    [1, ['ada']],
    [2, ['bob']],
  ]);
});
