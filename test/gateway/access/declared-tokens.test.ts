import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { withDeclared } from '../../../src/gateway/access/declared-tokens.ts';
import { sqliteTokens } from '../../../src/gateway/access/sqlite-tokens.ts';
import { TokenStoreError } from '../../../src/gateway/access/tokens.ts';
import { aRecord, NOW_MS } from '../../../testing/gateway/token-records.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-declared-'));
after(() => rmSync(folder, { recursive: true }));

const DECLARED = aRecord({ id: 'token0000007' });

test('a store that has lost everything still knows the tokens that are declared, and one that is revoked stays so', async () => {
  const store = sqliteTokens(join(folder, 'tokens.db'));
  const tokens = withDeclared(store, () => new Map([[DECLARED.id, DECLARED]]));
  assert.deepEqual(await tokens.find(DECLARED.id), DECLARED);
  assert.deepEqual(await tokens.list(), [DECLARED]);
  assert.equal(await tokens.find('token0000008'), null);
  assert.equal(await tokens.revoke(DECLARED.id, NOW_MS + 5, 'eve'), true);
  assert.equal((await tokens.find(DECLARED.id))?.revokedAtMs, NOW_MS + 5);
  assert.deepEqual(
    (await tokens.list()).map(({ revokedAtMs }) => revokedAtMs),
    [NOW_MS + 5],
  );
  assert.deepEqual(
    (await tokens.audit()).map(({ action, actor }) => [action, actor]),
    [['revoked', 'eve']],
  );
  assert.equal(await tokens.revoke('token0000008', NOW_MS), false);
  await tokens.close();
});

test('a store that does not answer vouches for no declared token: it may have been revoked', async () => {
  const store = sqliteTokens(join(folder, 'closed.db'));
  await store.close();
  const tokens = withDeclared(store, () => new Map([[DECLARED.id, DECLARED]]));
  await assert.rejects(tokens.find(DECLARED.id), TokenStoreError);
});
