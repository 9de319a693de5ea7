import assert from 'node:assert/strict';
import test, { after, describe, mock } from 'node:test';
import type { AuditEntry } from '../../../src/gateway/access/audit.ts';
import { NO_LIMITS } from '../../../src/gateway/access/member.ts';
import {
  MINTED_KEPT_MS,
  recordOrNull,
  rowOf,
  TokenStoreError,
  type TokenRecord,
} from '../../../src/gateway/access/tokens.ts';
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

const OWNED = aRecord({
  id: 'token0000003',
  createdAtMs: NOW_MS + 2,
  member: {
    owner: 'Ädä Lovelace+2@example.com',
    models: ['claude-haiku-5-5'],
    requestsPerMinute: 60,
    inputTokensPerMinute: null,
    outputTokensPerMinute: 8_000,
    parallelRequests: 4,
    budget: { nanoUsd: 9_007_199_254_740_993n, period: 'month' },
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
      await writer.put(OWNED);
      assert.deepEqual(await reader.find(OWNED.id), OWNED);
      assert.deepEqual(await reader.list(), [plain, MINTED, OWNED]);
    });

    kept('shows a revocation at once to those who have read the token before', async (place) => {
      const [gateway, command] = [place.open(), place.open()];
      await command.put(aRecord());
      assert.equal((await gateway.find('token0000001'))?.revokedAtMs, null);
      assert.equal(await command.revoke('token0000001', NOW_MS + 5), true);
      assert.equal((await gateway.find('token0000001'))?.revokedAtMs, NOW_MS + 5);
    });

    kept('adds to its audit log who made and revoked what, and nothing about minted tokens', async (place) => {
      const [command, other] = [place.open(), place.open()];
      await command.put(OWNED, 'eve');
      await command.put(MINTED, 'nobody');
      await other.revoke(OWNED.id, NOW_MS + 5, 'mallory "m"');
      await other.revoke(OWNED.id, NOW_MS + 9, 'late');
      await other.revoke('token0000009', NOW_MS + 9, 'late');
      const about = { token: OWNED.id, client: OWNED.client, owner: OWNED.member?.owner ?? null };
      const detail =
        '$9007199.254740993/month, 60 requests a minute, 8000 output tokens a minute, 4 requests at the same time, claude-haiku-5-5';
      assert.deepEqual(await command.audit(), [
        { atMs: NOW_MS + 2, action: 'created', actor: 'eve', ...about, detail },
        { atMs: NOW_MS + 5, action: 'revoked', actor: 'mallory "m"', ...about, detail: '' },
      ]);
    });

    kept('forgets an owner who has no valid token, and old entries, and says so in its audit log', async (place) => {
      const store = place.open();
      const named = (id: string, owner: string, createdAtMs = NOW_MS): TokenRecord => ({
        ...aRecord({ id, createdAtMs, note: `of ${owner}` }),
        member: { ...NO_LIMITS, owner, models: null, budget: null },
      });
      for (const record of [
        named('token0000004', 'ada'),
        named('token0000005', 'bob'),
        named('token0000006', 'ada', 7),
      ])
        await store.put(record, 'eve');
      await store.revoke('token0000004', NOW_MS + 1, 'eve');
      const forgotten: AuditEntry = {
        ...{
          atMs: NOW_MS + 2,
          action: 'forgotten',
          actor: 'eve',
          token: '',
          client: '',
          owner: null,
          detail: 'an owner',
        },
      };
      assert.equal(await store.forget({ owner: 'ada', beforeMs: null }, forgotten), 3);
      assert.deepEqual(
        (await store.audit()).map(({ action, owner }) => [action, owner]),
        [
          ['created', 'forgotten'],
          ['created', 'bob'],
          ['created', 'forgotten'],
          ['revoked', 'forgotten'],
          ['forgotten', null],
        ],
      );
      const owners = (await store.list()).map(({ id, note, member }) => [id, note, member?.owner]);
      assert.deepEqual(owners, [
        ['token0000006', 'of ada', 'ada'],
        ['token0000004', '', 'forgotten'],
        ['token0000005', 'of bob', 'bob'],
      ]);
      assert.equal(await store.forget({ owner: null, beforeMs: NOW_MS }, { ...forgotten, atMs: NOW_MS + 3 }), 1);
      assert.deepEqual(
        (await store.audit()).map(({ atMs }) => atMs - NOW_MS),
        [0, 0, 1, 2, 3],
      );
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
  const rows = [undefined, ...[aRecord({}), MINTED, OWNED].map((record) => ({ ...rowOf(record) }))];
  assert.deepEqual(rows.map(parsed), [2, 2, 2, 2]);
  assert.equal(recordOrNull(undefined), null);
  assert.deepEqual(recordOrNull({ ...rowOf(MINTED) }), MINTED);
  assert.equal(recordOrNull({ ...rowOf(aRecord({})) })?.minted, null);
});
