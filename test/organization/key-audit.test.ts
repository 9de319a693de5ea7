import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditedKey, hintOf } from '../../src/organization/key-audit.ts';
import type { OrganizationKey } from '../../src/organization/key-groups.ts';

const NOW_MS = Date.UTC(2026, 10, 26);
const KEY: OrganizationKey = {
  ...{ id: 'apikey_01', name: 'prod-checkout-api', hint: null, status: 'active', workspaceId: 'wrkspc_01' },
  ...{ createdAtMs: Date.UTC(2026, 5, 1), expiresAtMs: null },
};
const FACTS = { nowMs: NOW_MS, lastUsed: '2026-11-25', isWatched: true };

test('a key in use that is well named has nothing to look at', () => {
  assert.deepEqual(auditedKey(KEY, FACTS), []);
});

test('what there is to look at is named, each for itself', () => {
  const cases: readonly (readonly [Partial<OrganizationKey>, Partial<typeof FACTS | { lastUsed: null }>, string])[] = [
    [{ expiresAtMs: Date.UTC(2026, 11, 26) }, {}, 'expires_soon'],
    [{ createdAtMs: Date.UTC(2025, 10, 26) }, {}, 'old'],
    [{}, { lastUsed: null }, 'unused'],
    [{ name: "Bob's key" }, {}, 'badly_named'],
    [{}, { isWatched: false }, 'not_watched'],
    [{ workspaceId: null }, {}, 'no_workspace'],
    [{ status: 'expired', name: 'x' }, {}, 'expired'],
  ];
  for (const [key, facts, finding] of cases)
    assert.deepEqual(auditedKey({ ...KEY, ...key }, { ...FACTS, ...facts }), [finding]);
});

test('neither a day before its time, nor a key that is switched off', () => {
  const early = { ...KEY, expiresAtMs: Date.UTC(2026, 11, 27), createdAtMs: Date.UTC(2025, 10, 27) };
  assert.deepEqual(auditedKey(early, FACTS), []);
  assert.deepEqual(auditedKey({ ...KEY, status: 'inactive', name: 'x' }, { ...FACTS, lastUsed: null }), []);
});

test('the hint of a key is what the Console shows, and nothing of another text', () => {
  assert.equal(hintOf(['sk-ant-api03', 'R2Dmany-more-characters-igAA'].join('-')), 'sk-ant-api03-R2D...igAA');
  assert.equal(hintOf('plk_0123456789ab_secret'), null);
});
