import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { sqliteLedger } from 'plimsoll/budget';
import { Redis } from 'ioredis';
import { redisLedger } from 'plimsoll/redis';
import { redis, redisServer } from '../../../testing/redis-server.ts';
import { api, balanceIn, BUDGET, gatewayPlace, hasAll, PARAMS, sdk } from '../../../testing/gateway/processes.ts';

const ON_REDIS = '{ redis: { env: PLIMSOLL_REDIS_URL } }';

function overloaded(error: unknown): true {
  assert.ok(error instanceof APIError && !(error instanceof APIConnectionError), String(error));
  assert.equal(error.status, 529);
  assert.match(JSON.stringify(error.error), /"type":"overloaded_error"/);
  const headers = error.headers as Headers | undefined;
  assert.match(headers?.get('retry-after') ?? '', /^\d+$/);
  return true;
}

test(
  'while the Redis with the tokens is down, requests are refused as overload; what was under way ends, and nothing is lost',
  { skip: redis.skip },
  async (t) => {
    const server = await redisServer();
    t.after(() => server.end());
    const upstream = await api(t, { scenario: { latency: { perTokenMs: { kind: 'constant', value: 5 } } } });
    const lines = [`budgets: [${JSON.stringify(BUDGET)}]`, `ledger: ${ON_REDIS}`, `tokens: ${ON_REDIS}`];
    const place = await gatewayPlace(t, upstream, { lines, env: { PLIMSOLL_REDIS_URL: server.url } });
    const token = await place.token();
    const gateway = await place.start();
    const claude = sdk(gateway, token, { maxRetries: 0 });
    for (let calls = 0; calls < 5; calls++) await claude.messages.create(PARAMS);

    const stream = await claude.messages.create({ ...PARAMS, stream: true });
    const events = stream[Symbol.asyncIterator]();
    await events.next();
    await server.stop('SIGKILL');
    while ((await events.next()).done !== true);
    const before = upstream.sim.truth.requests.length;
    for (let calls = 0; calls < 3; calls++) await assert.rejects(claude.messages.create(PARAMS), overloaded);
    assert.equal(upstream.sim.truth.requests.length, before);

    const patient = sdk(gateway, token, { maxRetries: 20 }).messages.create(PARAMS);
    await server.start();
    await patient;
    await hasAll(() => redisLedger(server.url), upstream);
    assert.equal(await gateway.stop('SIGTERM'), 0);
    const ledger = redisLedger(server.url);
    assert.deepEqual(await balanceIn(ledger), { spent: upstream.billed(), reserved: 0n });
    assert.ok(!place.said().includes(upstream.key) && !place.said().includes(token));
  },
);

test(
  'a Redis that hangs is asked for one request only; the others are refused at once, until a probe is answered',
  { skip: redis.skip },
  async (t) => {
    const server = await redisServer();
    t.after(() => server.end());
    const upstream = await api(t);
    const lines = [`budgets: [${JSON.stringify(BUDGET)}]`, `ledger: ${ON_REDIS}`];
    const place = await gatewayPlace(t, upstream, { lines, env: { PLIMSOLL_REDIS_URL: server.url } });
    const token = await place.token();
    const gateway = await place.start();
    const claude = sdk(gateway, token, { maxRetries: 0 });
    await sdk(gateway, token, { maxRetries: 20 }).messages.create(PARAMS);
    const asked = async () => {
      const stats = await new Promise<string>((resolve, reject) => {
        const client = new Redis(server.url);
        void client
          .info('commandstats')
          .then(resolve, reject)
          .finally(() => client.disconnect());
      });
      return Number(/cmdstat_hgetall:calls=(\d+)/.exec(stats)?.[1]);
    };
    const up = async () => {
      const page = await (await fetch(gateway.metricsUrl)).text();
      return /^plimsoll_gateway_redis_up\{.*store="tokens".*\} (\d)$/m.exec(page)?.[1];
    };
    const before = await asked();
    server.pause();
    for (let calls = 0; calls < 20; calls++) await assert.rejects(claude.messages.create(PARAMS), overloaded);
    assert.equal(await up(), '0');
    server.resume();
    assert.equal(await asked(), before + 1);
    await sdk(gateway, token, { maxRetries: 20 }).messages.create(PARAMS);
    assert.equal(await up(), '1');
    const page = await (await fetch(gateway.metricsUrl)).text();
    assert.match(page, /^plimsoll_gateway_redis_outages_total\{.*store="tokens",cause="timeout".*\} 1$/m);
    const told = [...place.said().matchAll(/"event":"redis","store":"tokens","outage":("\w+"|null)/g)];
    assert.deepEqual(
      told.map(([, outage]) => outage),
      ['"timeout"', 'null'],
    );
  },
);

for (const [onLedgerDown, then] of [
  ['open', 'goes on, and settles what was spent when it is back'],
  ['closed', 'refuses as overload, and goes on when it is back'],
] as const)
  test(`a gateway whose budget is ${onLedgerDown} while its Redis is down ${then}`, { skip: redis.skip }, async (t) => {
    const server = await redisServer();
    t.after(() => server.end());
    const upstream = await api(t);
    const lines = [
      `budgets: [${JSON.stringify({ ...BUDGET, onLedgerDown })}]`,
      `ledger: ${ON_REDIS}`,
      'tokens: { sqlite: tokens.db }',
    ];
    const place = await gatewayPlace(t, upstream, { lines, env: { PLIMSOLL_REDIS_URL: server.url } });
    const token = await place.token();
    const gateway = await place.start();
    const claude = sdk(gateway, token, { maxRetries: 0 });
    // On a busy machine Redis may miss a deadline while it is up: these come again until they are answered.
    const patient = sdk(gateway, token, { maxRetries: 20 });
    for (let calls = 0; calls < 5; calls++) await patient.messages.create(PARAMS);
    await server.stop('SIGKILL');
    for (let calls = 0; calls < 5; calls++) {
      if (onLedgerDown === 'open') await claude.messages.create(PARAMS);
      else await assert.rejects(claude.messages.create(PARAMS), overloaded);
    }
    await server.start();
    await patient.messages.create(PARAMS);
    await hasAll(() => redisLedger(server.url), upstream);
    assert.equal(await gateway.stop('SIGTERM'), 0);
    assert.equal(upstream.sim.truth.requests.length, onLedgerDown === 'open' ? 11 : 6);
    assert.deepEqual(await balanceIn(redisLedger(server.url)), { spent: upstream.billed(), reserved: 0n });
  });

test('a ledger in a file that is locked for a while holds nobody up for long, and has everything in the end', async (t) => {
  const upstream = await api(t);
  const lines = [
    `budgets: [${JSON.stringify({ ...BUDGET, onLedgerDown: 'bounded' })}]`,
    'ledger: { sqlite: ledger.db }',
    'tokens: { sqlite: tokens.db }',
  ];
  const place = await gatewayPlace(t, upstream, { lines });
  const token = await place.token();
  const gateway = await place.start();
  const claude = sdk(gateway, token, { maxRetries: 0 });
  await claude.messages.create(PARAMS);
  const { DatabaseSync } = await import('node:sqlite');
  const other = new DatabaseSync(join(place.folder, 'ledger.db'));
  other.exec('PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE');
  for (let calls = 0; calls < 3; calls++) await claude.messages.create(PARAMS);
  other.exec('COMMIT');
  other.close();
  await claude.messages.create(PARAMS);
  await hasAll(() => sqliteLedger(join(place.folder, 'ledger.db')), upstream);
  assert.equal(await gateway.stop('SIGTERM'), 0);
  assert.deepEqual(await balanceIn(sqliteLedger(join(place.folder, 'ledger.db'))), {
    spent: upstream.billed(),
    reserved: 0n,
  });
});
