import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Difference, Line } from '../../src/organization/difference.ts';
import { exactUsdOfCents } from '../../src/organization/exact-usd.ts';
import { keyGroups, type OrganizationKey } from '../../src/organization/key-groups.ts';
import { viewRows, type Names, type View } from '../../src/organization/views.ts';

const cents = (text: string): bigint => exactUsdOfCents(text) ?? 0n;

const line = (own: Partial<Line>): Line => ({
  ...{ day: '2026-11-20', key: 'prod-shop-api', keyId: null, model: 'claude-opus-5-5' },
  ...{ recorded: 0n, listed: 0n, billed: 0n },
  ...own,
});

const key = (id: string, name: string, workspaceId: string | null): OrganizationKey => ({
  ...{ id, name, workspaceId, hint: null, status: 'active', createdAtMs: 0, expiresAtMs: null },
});

const KEYS = [key('apikey_01', 'shop', 'wrkspc_01'), key('apikey_02', 'nightly', null)];

const NAMES: Names = {
  keys: KEYS,
  workspaces: new Map([['wrkspc_01', 'Shop']]),
  groups: keyGroups(['prod-shop-api'], KEYS, { ids: { 'prod-shop-api': ['apikey_01'] } }),
};

const LINES = [
  line({ recorded: cents('100') }),
  line({ keyId: 'apikey_01', listed: cents('110'), billed: cents('99') }),
  line({ key: 'apikey_02', keyId: 'apikey_02', listed: cents('500'), billed: cents('450') }),
  line({ key: 'apikey_09', keyId: 'apikey_09', listed: cents('1'), billed: cents('1') }),
  line({ key: null, model: null, day: '2026-11-21', listed: cents('12.5'), billed: cents('12.5') }),
  line({ day: '2026-11-22', recorded: cents('900') }),
  line({ model: 'claude-haiku-4-5' }),
];

const OF = { lines: LINES, closedDays: ['2026-11-20', '2026-11-21'] } as unknown as Difference;

const rows = (view: View): readonly string[] =>
  viewRows(OF, view, NAMES).map(
    ({ name, recorded, listed }) => `${name}: ${recorded / cents('1')} ${listed / cents('1')}`,
  );

test('keys are called by their alias, else by their name and id, the largest amount first', () => {
  assert.deepEqual(rows('key'), [
    'nightly (apikey_02): 0 500',
    'prod-shop-api: 100 110',
    'no key: 0 12',
    'apikey_09: 0 1',
  ]);
});

test('a workspace is that of the key, on either side', () => {
  assert.deepEqual(rows('workspace'), ['all workspaces: 0 500', 'Shop: 100 110', 'no key: 0 12', 'not known: 0 1']);
});

test('days are in their order, those that are not complete are left out, and so is what cost nothing', () => {
  assert.deepEqual(rows('day'), ['2026-11-20: 100 611', '2026-11-21: 0 12']);
  assert.deepEqual(rows('model'), ['claude-opus-5-5: 100 611', 'no model: 0 12']);
});
