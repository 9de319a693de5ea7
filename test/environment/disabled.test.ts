import assert from 'node:assert/strict';
import test, { afterEach, mock } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { clientFromEnvironment, instrument } from 'plimsoll';
import { budgets, sqliteLedger } from 'plimsoll/budget';
import { startTelemetry } from 'plimsoll/otel';
import { simulator } from 'plimsoll/simulator';
import { Registry } from 'prom-client';
import { isDisabled } from '../../src/environment/disabled.ts';
import { PARAMS, total } from '../../testing/client-workbench.ts';

afterEach(() => {
  delete process.env['PLIMSOLL_DISABLED'];
  mock.restoreAll();
});

/** The warnings of the process while `run` runs. */
function warningsOf(run: () => unknown): readonly string[] {
  const emitWarning = mock.method(process, 'emitWarning', () => undefined);
  run();
  return emitWarning.mock.calls.map((call) =>
    String((call as { readonly arguments: readonly unknown[] }).arguments[0]),
  );
}

/** A budget that no call fits into. */
const EMPTY = { name: 'nothing', period: 'month', usd: '0.000000001', mode: 'block' } as const;

test('PLIMSOLL_DISABLED=1 leaves a client as it is, measures nothing, and says which budgets block no call', async () => {
  const sim = simulator();
  const plain = new Anthropic({ apiKey: 'test', fetch: sim.fetch });
  const before = [...plain.middleware];
  const registry = new Registry();
  const held = budgets({
    definitions: [EMPTY, { ...EMPTY, name: 'seen', mode: 'observe' }],
    ledger: sqliteLedger(':memory:'),
  });
  process.env['PLIMSOLL_DISABLED'] = '1';
  const warnings = warningsOf(() => instrument(plain, { registry, budgets: held }));
  assert.deepEqual(warnings, [
    'PLIMSOLL_DISABLED is set: plimsoll measures nothing, and these budgets block no call (nothing).',
  ]);
  assert.deepEqual(plain.middleware, before);
  assert.equal(Object.hasOwn(plain, 'withOptions'), false);
  await plain.messages.create(PARAMS);
  assert.equal(sim.truth.requests.length, 1);
  assert.equal(await registry.metrics(), '\n');
  await held.close();
});

test('PLIMSOLL_DISABLED=1 turns an instrumented client back into a plain one', async () => {
  const registry = new Registry();
  const client = instrument(new Anthropic({ apiKey: 'test', fetch: simulator().fetch }), { registry });
  await client.messages.create(PARAMS);
  assert.equal(await total(registry, 'anthropic_requests_total'), 1);
  process.env['PLIMSOLL_DISABLED'] = 'true';
  warningsOf(() => instrument(client, { registry }));
  await client.messages.create(PARAMS);
  assert.equal(await total(registry, 'anthropic_requests_total'), 1);
});

test('PLIMSOLL_DISABLED=1 opens no ledger for a client from the environment, and starts no telemetry', async () => {
  process.env['PLIMSOLL_DISABLED'] = '1';
  const env = { ...process.env, ANTHROPIC_AUTH_TOKEN: 'token-1', PLIMSOLL_DISABLED: '1' };
  let client: Anthropic | undefined;
  warningsOf(() => (client = clientFromEnvironment({ env, onNotice: () => undefined })));
  assert.deepEqual(client?.middleware, []);
  assert.equal((await startTelemetry()).started, false);
});

test('only words that mean yes turn plimsoll off', () => {
  for (const value of ['1', 'true', 'YES', ' on ']) assert.equal(isDisabled({ PLIMSOLL_DISABLED: value }), true);
  for (const value of ['', '0', 'false', 'no', 'off']) assert.equal(isDisabled({ PLIMSOLL_DISABLED: value }), false);
  assert.equal(isDisabled({}), false);
});
