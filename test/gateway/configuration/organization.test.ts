import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { inspect } from 'node:util';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import { configurationInFile } from '../../../src/gateway/configuration/file.ts';
import { plantedSecret } from '../../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gateway-organization-'));
after(() => rmSync(folder, { recursive: true }));

type Env = Readonly<Record<string, string>>;

const ENV: Env = { ANTHROPIC_API_KEY: plantedSecret(0) };

const path = join(folder, 'gateway.json');

function read(content: object, env: Env = ENV) {
  const small = { keys: { 'prod-api-key': { env: 'ANTHROPIC_API_KEY' } }, clients: { checkout: {} } };
  writeFileSync(path, JSON.stringify({ ...small, ...content }));
  return configurationInFile(path, env);
}

/** The problems, each without the name of the file. */
function wrong(content: object, env?: Env): readonly string[] {
  try {
    read(content, env);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.problems.map((problem) => sentenceOf(problem).slice(path.length + 2));
  }
  return [];
}

describe("the organization of a gateway's configuration", () => {
  const ADMIN = ['sk-ant-admin01', 'of-nobody-'.repeat(4)].join('-');
  const env = { ...ENV, ADMIN };
  const ledger = { sqlite: 'ledger.db' };

  test('is read with an admin key, and shows none', () => {
    const file = join(folder, 'admin-key');
    writeFileSync(file, `${ADMIN}\n`);
    const organization = {
      adminKey: { file },
      ids: { 'prod-api-key': ['apikey_01Ab'] },
      balance: { usd: 500, at: '2026-11-01' },
      credit: [{ usd: 200, at: '2026-11-15' }],
      everyMinutes: 20,
    };
    const configuration = read({ organization, ledger });
    const { adminKey, ids, credit, everyMs, hints } = configuration.organization ?? assert.fail();
    assert.equal(adminKey(), ADMIN);
    assert.deepEqual(ids, { 'prod-api-key': ['apikey_01Ab'] });
    assert.deepEqual(credit, { balance: organization.balance, credit: organization.credit });
    assert.equal(everyMs, 1_200_000);
    assert.deepEqual([...hints.keys()], ['prod-api-key']);
    assert.ok(!inspect(configuration, { depth: 9 }).includes(ADMIN));
    assert.deepEqual(configuration.notices, []);
  });

  test('is none where nothing is said, and has a notice without a ledger', () => {
    assert.equal(read({}).organization, null);
    const { organization, notices } = read({ organization: { adminKey: { env: 'ADMIN' } } }, env);
    assert.equal(organization?.credit, undefined);
    assert.match(notices[0]?.text ?? '', /without a ledger/);
  });

  test('says what is wrong with it', () => {
    const adminKey = { env: 'ADMIN' };
    const [api] = wrong({ organization: { adminKey: { env: 'ANTHROPIC_API_KEY' } }, ledger });
    assert.match(api ?? '', /^organization\.adminKey: expected an admin key.* got an API key/);
    const cases: readonly (readonly [object, RegExp])[] = [
      [{}, /^organization\.adminKey: expected \{ env: NAME \}/],
      [{ adminKey, ids: { other: ['apikey_01'] } }, /^organization\.ids\.other: expected an alias of `keys`/],
      [
        { adminKey, ids: { 'prod-api-key': ['prod'] } },
        /^organization\.ids\.prod-api-key\[0\]: expected the id of a key/,
      ],
      [{ adminKey, everyMinutes: 1 }, /^organization\.everyMinutes: expected whole minutes from 5/],
      [{ adminKey, balance: { usd: '5', at: '2026-11-01' } }, /^organization\.balance: expected \{ usd: 500/],
      [{ adminKey, balance: { usd: 5, at: '2026-11-31' } }, /^organization\.balance: expected \{ usd: 500/],
      [{ adminKey, credit: [{ usd: 5, at: '2026-11-01' }] }, /^organization\.balance: .*what there was before/],
      [{ adminKey, key: 1 }, /^organization\.key: /],
    ];
    for (const [organization, expected] of cases) {
      const found = wrong({ organization, ledger }, env);
      assert.equal(found.length, 1, found.join());
      assert.match(found[0] ?? '', expected);
    }
  });
});
