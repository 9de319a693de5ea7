import assert from 'node:assert/strict';
import test from 'node:test';
import { redisAddress } from '../src/redis-address.ts';

test('the address of one server is its URL, and is shown without its password', () => {
  const url = 'rediss://app:hush@cache.example:6380/2';
  assert.deepEqual(redisAddress(url), { kind: 'server', shown: 'redis at cache.example:6380', url });
});

test('Sentinels are a list of hosts, with the name of the master and the database after it', () => {
  assert.deepEqual(
    redisAddress('redis+sentinel://app:p%40ss@one.example,two.example:26380,[::1]:7/mymaster/3?sentinelPassword=hush'),
    {
      kind: 'sentinel',
      shown: 'redis mymaster of the Sentinels at one.example:26379, two.example:26380, ::1:7',
      nodes: [
        { host: 'one.example', port: 26_379 },
        { host: 'two.example', port: 26_380 },
        { host: '::1', port: 7 },
      ],
      master: 'mymaster',
      database: 3,
      isTls: false,
      login: { username: 'app', password: 'p@ss' },
      sentinelLogin: { password: 'hush' },
    },
  );
});

test('a Cluster is a list of some of its servers', () => {
  assert.deepEqual(redisAddress('rediss+cluster://:hush@one.example:7000,two.example/'), {
    kind: 'cluster',
    shown: 'redis cluster at one.example:7000, two.example:6379',
    nodes: [
      { host: 'one.example', port: 7_000 },
      { host: 'two.example', port: 6_379 },
    ],
    isTls: true,
    login: { password: 'hush' },
  });
});

for (const text of [
  'memory',
  'ledger.db',
  'http://cache.example',
  'redis://',
  'redis://not a host',
  'redis+sentinel://one.example',
  'redis+sentinel://one.example/mymaster/zero',
  'redis+sentinel://one.example/mymaster?password=1',
  'redis+sentinel://one.example:99999/mymaster',
  'redis+cluster://one.example/0',
  'redis+cluster://one.example,,two.example',
  'redis+cluster://:%zz@one.example',
  'redis+other://one.example',
])
  test(`${text} is no address of a Redis`, () => assert.equal(redisAddress(text), null));
