import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { authenticator } from '../../../src/gateway/access/authenticator.ts';
import { unboundClient } from '../../../src/gateway/access/client.ts';
import { sqliteTokens } from '../../../src/gateway/access/sqlite-tokens.ts';
import { newToken, secretHash, tokenText, type TokenStore } from '../../../src/gateway/access/tokens.ts';
import { aRecord } from '../../../testing/gateway/token-records.ts';

/** Puts and revokes tokens without end; says the number of each when it is done. */
const WRITER = `
import { sqliteTokens } from ${JSON.stringify(import.meta.resolve('../../../src/gateway/access/sqlite-tokens.ts'))};
const store = sqliteTokens(process.argv[1]);
for (let n = 1; ; n++) {
  await store.put({ id: 'token' + n, hash: 'ab'.repeat(32), client: 'c', createdAtMs: n, expiresAtMs: null, revokedAtMs: null, note: '', minted: null, member: null });
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
    [join(tmpdir(), 'plimsoll-absent.db'), 'existing', /which does not exist: check the path/],
  ] as const) {
    assert.throws(() => sqliteTokens(path, open), { code: 'PLIMSOLL_TOKENS_INVALID', message: expected });
  }
});

test('a token that is known is not read again until the file changes, and is refused as soon as anybody has revoked it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tokens-'));
  const path = join(folder, 'tokens.db');
  const [own, command] = [sqliteTokens(path), sqliteTokens(path)];
  let reads = 0;
  const store: TokenStore = {
    ...own,
    find(id) {
      reads += 1;
      return own.find(id);
    },
  };
  const authenticate = authenticator({ store, clients: new Map([['checkout', unboundClient('checkout', 'k')]]) });
  const tokens = [newToken(), newToken()];
  for (const { id, secret } of tokens)
    await command.put({ ...aRecord(), id, hash: secretHash(secret), client: 'checkout', expiresAtMs: null });
  const [first, second] = tokens.map((parts) => ({ token: tokenText(parts), origin: null }));
  assert.ok(first !== undefined && second !== undefined);
  const grants = [await authenticate(first), await authenticate(first), await authenticate(first)];
  assert.ok(typeof grants[0] === 'object' && grants[1] === grants[0] && grants[2] === grants[0]);
  assert.equal(reads, 1);
  await authenticate(second);
  await command.revoke(tokens[0]?.id ?? '', 1);
  // Another process commits between two requests, and each of those comes in a turn of its own.
  await turn();
  assert.equal(await authenticate(first), 'revoked');
  assert.equal(typeof (await authenticate(second)), 'object');
  await own.revoke(tokens[1]?.id ?? '', 1);
  assert.equal(await authenticate(second), 'revoked');
  await Promise.all([own.close(), command.close()]);
  rmSync(folder, { recursive: true });
});
