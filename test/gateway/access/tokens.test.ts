import assert from 'node:assert/strict';
import test, { after, describe, mock } from 'node:test';
import { MINTED_KEPT_MS, recordOrNull, rowOf, TokenStoreError } from '../../../src/gateway/access/tokens.ts';
import { storeCases, type StoreHome } from '../../../testing/gateway/stores.ts';
import { aRecord, NOW_MS } from '../../../testing/gateway/token-records.ts';

const MINTED = aRecord({
  id: 'token0000002',
  createdAtMs: NOW_MS + 1,
  expiresAtMs: NOW_MS + 300_000,
  minted: {
    parent: 'token0000001',
    subject: 'user "é" 1842',
    origin: 'https://app.example.com',
    models: ['claude-haiku-5-5'],
    spendNanoUsd: 9_007_199_254_740_993n,
  },
});

for (const { kind, skip, home, end } of await storeCases()) {
  after(end);

  const kept = (name: string, check: (place: StoreHome) => Promise<void>): void => {
    test(name, { skip }, async () => {
      const place = home();
      try {
        await check(place);
      } finally {
        await place.end();
      }
    });
  };

  describe(`a ${kind} store of tokens`, () => {
    kept('gives back what was put, to whoever opens it, to the last nano-dollar', async (place) => {
      const [writer, reader] = [place.open(), place.open()];
      const plain = aRecord({ note: "the shop's, 'quoted'", expiresAtMs: NOW_MS + 1 });
      await writer.put(plain);
      await writer.put(MINTED);
      assert.deepEqual(await reader.find(plain.id), plain);
      assert.deepEqual(await reader.find(MINTED.id), MINTED);
      assert.equal(await reader.find('token0000009'), null);
      assert.deepEqual(await reader.list(), [plain, MINTED]);
    });

    kept('shows a revocation at once to those who have read the token before', async (place) => {
      const [gateway, command] = [place.open(), place.open()];
      await command.put(aRecord());
      assert.equal((await gateway.find('token0000001'))?.revokedAtMs, null);
      assert.equal(await command.revoke('token0000001', NOW_MS + 5), true);
      assert.equal((await gateway.find('token0000001'))?.revokedAtMs, NOW_MS + 5);
    });

    kept('keeps the time of the first revocation, and knows what is not there to be revoked', async (place) => {
      const store = place.open();
      await store.put(aRecord());
      await store.revoke('token0000001', NOW_MS + 5);
      assert.equal(await store.revoke('token0000001', NOW_MS + 9), true);
      assert.equal((await store.find('token0000001'))?.revokedAtMs, NOW_MS + 5);
      assert.equal(await store.revoke('token0000009', NOW_MS), false);
      assert.equal(await store.find('token0000009'), null);
    });

    kept('never puts a token in the place of another', async (place) => {
      const store = place.open();
      await store.put(aRecord());
      await store.revoke('token0000001', NOW_MS);
      await assert.rejects(store.put(aRecord()), TokenStoreError);
      assert.equal((await store.find('token0000001'))?.revokedAtMs, NOW_MS);
    });

    kept('forgets minted tokens an hour after they ended, and no others', async (place) => {
      const store = place.open();
      const ended = aRecord({ id: 'token0000003', expiresAtMs: NOW_MS - 1 });
      await store.put(ended);
      await store.put(MINTED);
      const hourLater = NOW_MS + 300_000 + MINTED_KEPT_MS;
      const late = { ...MINTED, id: 'token0000004', createdAtMs: hourLater, expiresAtMs: hourLater + 1_000 };
      await store.put(late);
      assert.equal((await store.list()).length, 3);
      await store.put({ ...late, id: 'token0000005', createdAtMs: hourLater + 1 });
      assert.deepEqual((await store.list()).map(({ id }) => id).sort(), [ended.id, late.id, 'token0000005']);
    });
  });
}

test('an unknown id takes the same steps to look up as a known one', () => {
  const parsed = (row: Parameters<typeof recordOrNull>[0]): number => {
    const parse = mock.method(JSON, 'parse');
    recordOrNull(row);
    parse.mock.restore();
    return parse.mock.callCount();
  };
  const rows = [undefined, { ...rowOf(aRecord({})) }, { ...rowOf(MINTED) }];
  assert.deepEqual(rows.map(parsed), [1, 1, 1]);
  assert.equal(recordOrNull(undefined), null);
  assert.deepEqual(recordOrNull({ ...rowOf(MINTED) }), MINTED);
  assert.equal(recordOrNull({ ...rowOf(aRecord({})) })?.minted, null);
});
