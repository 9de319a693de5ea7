import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyGroups, type OrganizationKey } from '../../src/organization/key-groups.ts';

const key = (id: string, name: string, hint: string | null): OrganizationKey => ({
  ...{ id, name, hint, status: 'active', createdAtMs: 0, expiresAtMs: null, workspaceId: null },
});

const KEYS = [
  key('apikey_01', 'checkout', 'sk-ant-api03-R2D...igAA'),
  key('apikey_02', 'search', 'sk-ant-api03-Xyz...q9AA'),
  key('apikey_03', 'prod-old-api', 'sk-ant-api03-Xyz...q9AA'),
];

test('a key is known by the hint that the Console shows', () => {
  const hints = new Map([['prod-checkout-api', 'sk-ant-api03-R2D...igAA']]);
  const groups = keyGroups(['prod-checkout-api'], KEYS, { hints });
  assert.deepEqual(
    [groups.ofAlias('prod-checkout-api'), groups.ofId('apikey_01'), groups.ofId('apikey_02')],
    ['prod-checkout-api', 'prod-checkout-api', null],
  );
  assert.deepEqual(groups.doubts, []);
});

test('the configuration wins, and an alias may have had several keys', () => {
  const ids = { 'prod-checkout-api': ['apikey_02', 'apikey_03'] };
  const groups = keyGroups(['prod-checkout-api'], KEYS, {
    ids,
    hints: new Map([['prod-checkout-api', 'sk-ant-api03-R2D...igAA']]),
  });
  assert.deepEqual(
    [groups.ofId('apikey_01'), groups.ofId('apikey_02'), groups.ofId('apikey_03')],
    [null, 'prod-checkout-api', 'prod-checkout-api'],
  );
});

test('one hint on two keys is one group, and is said', () => {
  const groups = keyGroups(['prod-search-api'], KEYS, {
    hints: new Map([['prod-search-api', 'sk-ant-api03-Xyz...q9AA']]),
  });
  assert.deepEqual([groups.ofId('apikey_02'), groups.ofId('apikey_03')], ['prod-search-api', 'prod-search-api']);
  assert.match(groups.doubts.join(), /prod-search-api: 2 keys have its hint/);
});

test('one key under two aliases is compared as one, and is said', () => {
  const ids = { 'prod-a-api': ['apikey_01'], 'prod-b-api': ['apikey_01'] };
  const groups = keyGroups(['prod-a-api', 'prod-b-api'], KEYS, { ids });
  assert.deepEqual(
    [groups.ofAlias('prod-a-api'), groups.ofAlias('prod-b-api')],
    ['prod-a-api + prod-b-api', 'prod-a-api + prod-b-api'],
  );
  assert.match(groups.doubts.join(), /these aliases share a key/);
});

test('a key of the same name is a suggestion, and no more', () => {
  const groups = keyGroups(['prod-old-api'], KEYS);
  assert.equal(groups.ofAlias('prod-old-api'), null);
  assert.match(groups.doubts.join(), /if it is apikey_03, which has that name, write that into the configuration/);
});
