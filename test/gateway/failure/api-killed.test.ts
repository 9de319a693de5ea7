import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { sqliteLedger } from 'plimsoll/budget';
import { api, balanceIn, BUDGET, gatewayPlace, PARAMS, sdk } from '../../../testing/gateway/processes.ts';

const LINES = [
  `budgets: [${JSON.stringify(BUDGET)}]`,
  'ledger: { sqlite: ledger.db }',
  'tokens: { sqlite: tokens.db }',
];

test('a stream whose API is killed in the middle breaks for its client, and what it used until then is spent', async (t) => {
  // Slow enough that no stream ends by itself before the end of the API.
  const server = await api(t, { scenario: { latency: { perTokenMs: { kind: 'constant', value: 200 } } } });
  const place = await gatewayPlace(t, server, { lines: LINES });
  const gateway = await place.start();
  const claude = sdk(gateway, await place.token(), { maxRetries: 0 });
  const streams = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const stream = await claude.messages.create({ ...PARAMS, stream: true });
      const events = stream[Symbol.asyncIterator]();
      const first = await events.next();
      assert.equal(first.done, false);
      return events;
    }),
  );
  await server.kill();
  for (const events of streams)
    await assert.rejects(async () => {
      while ((await events.next()).done !== true);
    });
  await assert.rejects(claude.messages.create(PARAMS), (error) => {
    assert.ok(error instanceof APIError && !(error instanceof APIConnectionError));
    assert.equal(error.status, 502);
    assert.match(JSON.stringify(error.error), /"type":"api_error"/);
    assert.match(error.requestID ?? '', /^req_/);
    return true;
  });
  assert.equal(await gateway.stop('SIGTERM'), 0);
  const { spent, reserved } = await balanceIn(sqliteLedger(join(place.folder, 'ledger.db')));
  assert.equal(reserved, 0n);
  // Of a stream that is cut the API bills what it had generated; the gateway has its input and an estimate of that.
  assert.ok(spent > 0n && spent <= 2n * server.billed(), `${spent} of ${server.billed()}`);
  assert.ok(2n * spent >= server.billed(), `${spent} of ${server.billed()}`);
});

test('an API that is killed and comes back costs clients that try again nothing but time', async (t) => {
  const server = await api(t, { scenario: { latency: { firstByteMs: { kind: 'constant', value: 30 } } } });
  const place = await gatewayPlace(t, server, { lines: LINES });
  const gateway = await place.start();
  const claude = sdk(gateway, await place.token(), { maxRetries: 20 });
  await claude.messages.create(PARAMS);
  const underWay = Array.from({ length: 5 }, () => claude.messages.create(PARAMS));
  await server.kill();
  await server.restart();
  await Promise.all(underWay);
  await claude.messages.create(PARAMS);
  assert.equal(await gateway.stop('SIGTERM'), 0);
  const { requests } = server.sim.truth;
  const answered = requests.filter(({ delivery }) => delivery === 'complete');
  assert.equal(answered.length, 7);
  const { spent, reserved } = await balanceIn(sqliteLedger(join(place.folder, 'ledger.db')));
  assert.equal(reserved, 0n);
  // What was answered into the broken connection is billed, and nobody was told.
  const untold = server.billed() - spent;
  assert.ok(untold >= 0n && (untold === 0n) === (requests.filter(({ billed }) => billed.length > 0).length === 7));
});
