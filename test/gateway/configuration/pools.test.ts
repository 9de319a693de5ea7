import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { ConfigurationError, sentenceOf } from 'plimsoll';
import { configurationInFile } from '../../../src/gateway/configuration/file.ts';
import { plantedSecret } from '../../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-pools-'));
after(() => rmSync(folder, { recursive: true }));

const ENV = { KEY_A: plantedSecret(0), KEY_B: plantedSecret(7), KEY_C: 'a-key-of-another-api' };

const SMALL = {
  keys: { 'prod-a-api': { env: 'KEY_A' }, 'prod-b-api': { env: 'KEY_B' } },
  pools: { team: { keys: { 'prod-a-api': 3, 'prod-b-api': 1 } } },
  clients: { checkout: { key: 'team' } },
};

function read(content: object) {
  const path = join(folder, 'gateway.json');
  writeFileSync(path, JSON.stringify({ ...SMALL, ...content }));
  return configurationInFile(path, ENV);
}

function problems(content: object): readonly string[] {
  try {
    read(content);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.problems.map(sentenceOf).map((sentence) => sentence.slice(join(folder, 'gateway.json: ').length));
  }
}

test('a pool has keys with weights, is sticky, and goes by weight alone unless it says otherwise', () => {
  const { pools, clients } = read({});
  const keys = new Map([
    ['prod-a-api', 3],
    ['prod-b-api', 1],
  ]);
  assert.deepEqual(pools, new Map([['team', { keys, choose: 'weight', sticky: true }]]));
  assert.equal(clients.get('checkout')?.key, 'team');
  const other = { keys: SMALL.pools.team.keys, choose: 'headroom', sticky: false };
  assert.deepEqual(read({ pools: { team: other } }).pools.get('team'), { keys, choose: 'headroom', sticky: false });
});

test('a key may have an address of its own, and is then no key of the API', () => {
  const keys = { ...SMALL.keys, 'prod-eu-api': { env: 'KEY_C', baseUrl: 'https://eu.example.com/' } };
  const { keyUrls, notices } = read({ keys });
  assert.deepEqual(keyUrls, new Map([['prod-eu-api', 'https://eu.example.com']]));
  assert.deepEqual(notices, []);
});

test('a key may name the organization whose limits it shares', () => {
  const keys = { ...SMALL.keys, 'prod-c-api': { env: 'KEY_A', organization: 'main' } };
  assert.deepEqual(read({ keys }).keyOrganizations, new Map([['prod-c-api', 'main']]));
  const wrong = { ...SMALL.keys, 'prod-c-api': { env: 'KEY_A', organization: 'a b' } };
  assert.match(problems({ keys: wrong }).join(), /keys\.prod-c-api\.organization: expected up to 64 letters/);
});

test('rules of a client are kept in their order', () => {
  const fallback = [
    { on: ['overloaded'], models: ['claude-sonnet-5-5', 'claude-haiku-5-5'] },
    { on: ['spend_limited', 'rate_limited'], key: 'prod-b-api' },
  ];
  const clients = { checkout: { key: 'prod-a-api', fallback } };
  assert.deepEqual(read({ clients }).clients.get('checkout')?.fallback, fallback);
});

test('lists all that is wrong with pools and rules', () => {
  const pools = {
    'prod-a-api': { keys: { 'prod-a-api': 1 } },
    team: { keys: { 'prod-a-api': 0, 'prod-x-api': 1 }, choose: 'luck', sticky: 'no' },
    none: {},
  };
  const fallback = [
    { on: ['bored'], key: 'nowhere' },
    { models: ['claude-opus-5-5'] },
    'overloaded',
    { on: ['overloaded'] },
  ];
  const keys = { ...SMALL.keys, 'prod-b-api': { env: 'KEY_B', baseUrl: 'ftp://eu.example.com' } };
  const clients = { checkout: { key: 'team', models: ['claude-haiku-5-5'], fallback } };
  const names = 'keys (prod-a-api, prod-b-api)';
  const aliases = 'keys or pools (prod-a-api, prod-b-api, prod-a-api, team, none)';
  assert.deepEqual(problems({ keys, pools, clients }), [
    'clients.checkout.fallback[2]: expected a rule, got "overloaded": write it with its fields below it',
    'clients.checkout.fallback[0].on[0]: expected one of rate_limited, spend_limited, unauthorized, overloaded, unreachable, got "bored": change it',
    `clients.checkout.fallback[0].key: expected one of the aliases in ${aliases}, got something else: name one of them`,
    'clients.checkout.fallback[1].on: expected some of rate_limited, spend_limited, unauthorized, overloaded, unreachable, got nothing: say after which refusals',
    'clients.checkout.fallback[1].models: expected models that the client may use, got claude-opus-5-5: add it to the models of the client, or leave it out',
    'clients.checkout.fallback[3].key: expected a key, a pool or models to go to, got nothing: name one',
    'keys.prod-b-api.baseUrl: expected the address of an API, such as https://api.anthropic.com, got "ftp://eu.example.com": begin with https://',
    'pools.prod-a-api: expected up to 64 letters, digits, ".", "_" and "-", other than the alias of a key, got another name: rename it',
    'pools.team.keys.prod-a-api: expected a whole weight from 1 to 1000, got 0: change it',
    `pools.team.keys.(an alias): expected one of the aliases in ${names}, got something else: name one of them`,
    'pools.team.sticky: expected true or false, got "no": change it',
    'pools.team.choose: expected one of weight, headroom, got "luck": use one of them',
    'pools.none.keys: expected aliases of keys, each with its weight, got nothing: name at least two, as { prod-a-api: 1, prod-b-api: 1 }',
  ]);
});

test('a client of subscribers needs no key, and its calls have one name', () => {
  const path = join(folder, 'subscribers.json');
  writeFileSync(path, JSON.stringify({ clients: { laptops: { credential: 'client' } } }));
  const { clients, keys } = configurationInFile(path, {});
  assert.deepEqual([clients.get('laptops')?.credential, clients.get('laptops')?.key], ['client', 'own-credential']);
  assert.deepEqual([...keys.keys()], ['own-credential']);
  const laptops = { credential: 'client', key: 'team', mints: true, fallback: [{ on: ['overloaded'], key: 'team' }] };
  assert.deepEqual(problems({ clients: { laptops } }), [
    'clients.laptops.key: expected none beside credential: client, got one: leave it out',
    'clients.laptops.mints: expected none beside credential: client, got one: leave it out',
    'clients.laptops.fallback: expected none beside credential: client, got one: leave it out',
  ]);
});
