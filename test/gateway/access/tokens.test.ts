import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { inspect } from 'node:util';
import { redisRateLimiter } from '../../../src/gateway/access/rate-limiter.ts';
import { redisTokens } from '../../../src/gateway/access/redis-tokens.ts';
import { sqliteTokens } from '../../../src/gateway/access/sqlite-tokens.ts';
import { MINTED_KEPT_MS, TokenStoreError, type TokenRecord } from '../../../src/gateway/access/tokens.ts';
import { storeCases, type StoreHome } from '../../../testing/gateway/stores.ts';
import { redis, redisServer } from '../../../testing/redis-server.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);

function aRecord(given: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id: 'token0000001',
    hash: 'ab'.repeat(32),
    client: 'checkout',
    createdAtMs: NOW_MS,
    expiresAtMs: null,
    revokedAtMs: null,
    note: '',
    minted: null,
    ...given,
  };
}

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

/** Puts and revokes tokens without end; says the number of each when it is done. */
const WRITER = `
import { sqliteTokens } from ${JSON.stringify(import.meta.resolve('../../../src/gateway/access/sqlite-tokens.ts'))};
const store = sqliteTokens(process.argv[1]);
for (let n = 1; ; n++) {
  await store.put({ id: 'token' + n, hash: 'ab'.repeat(32), client: 'c', createdAtMs: n, expiresAtMs: null, revokedAtMs: null, note: '', minted: null });
  await store.revoke('token' + n, n);
  process.stdout.write(n + '\\n');
}`;

test('a process that is killed while it writes a file of tokens loses nothing that it said was done', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tokens-'));
  const path = join(folder, 'tokens.db');
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', WRITER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
    if (said.split('\n').length > 20) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const done = Number(said.split('\n').at(-2));
  const store = sqliteTokens(path);
  const revoked = (await store.list()).filter(({ revokedAtMs }) => revokedAtMs !== null);
  assert.ok(done >= 20 && revoked.length >= done, `${revoked.length} of ${done}`);
  await store.close();
  rmSync(folder, { recursive: true });
});

test("a file of tokens is its owner's alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tokens-'));
  const path = join(folder, 'tokens.db');
  const store = sqliteTokens(path);
  await store.put(aRecord());
  for (const name of [path, `${path}-wal`]) assert.equal(statSync(name).mode & 0o077, 0, name);
  await store.close();
  rmSync(folder, { recursive: true });
});

test('a file of tokens that cannot be used is a mistake of configuration', () => {
  for (const [path, open, expected] of [
    ['/nowhere/tokens.db', 'create', /got "\/nowhere\/tokens\.db", which SQLite cannot open/],
    [
      'valkey://:hush@cache.example',
      'create',
      /^tokens: expected a path for an SQLite file, got a URL of valkey, (?!.*hush)/,
    ],
    [join(tmpdir(), 'plimsoll-absent.db'), 'existing', /where there is none: check the path/],
  ] as const) {
    assert.throws(() => sqliteTokens(path, open), { code: 'PLIMSOLL_TOKENS_INVALID', message: expected });
  }
});

test(
  'a Redis that is stopped is a store that does not answer, and one that comes back has its tokens',
  { skip: redis.skip },
  async () => {
    const server = await redisServer();
    const store = redisTokens(server.url);
    try {
      await store.put(aRecord());
      await server.stop();
      await assert.rejects(store.find('token0000001'), TokenStoreError);
      await server.start();
      const again = redisTokens(server.url);
      assert.deepEqual(await again.find('token0000001'), aRecord());
      await again.close();
    } finally {
      await store.close();
      await server.end();
    }
  },
);

test('a Redis that refuses the password is told without it', { skip: redis.skip }, async () => {
  const server = await redisServer(['--requirepass', 'another']);
  const url = `redis://:hush@127.0.0.1:${server.port}`;
  const [store, limiter] = [redisTokens(url), redisRateLimiter(url)];
  const told = (error: unknown): true => {
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('hush'));
    return true;
  };
  try {
    await assert.rejects(store.find('token0000001'), told);
    await assert.rejects(store.list(), told);
    await assert.rejects(Promise.resolve(limiter.take('client:shop', 1)), told);
  } finally {
    await store.close();
    limiter.close();
    await server.end();
  }
});

test('a Redis that hangs is given up after a second', { skip: redis.skip }, async () => {
  const server = await redisServer();
  const store = redisTokens(server.url);
  try {
    await store.put(aRecord());
    server.pause();
    await assert.rejects(store.find('token0000001'), { code: 'PLIMSOLL_TOKEN_STORE_UNAVAILABLE' });
  } finally {
    await store.close();
    await server.end();
  }
});
