import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import express from 'express';
import { PARAMS, collected, samples } from '../../testing/client-workbench.ts';
import { gatewayBench, TOKEN } from '../../testing/gateway/workbench.ts';

async function mounted(t: test.TestContext, before = express()) {
  const bench = await gatewayBench();
  const app = before.get('/', (_, response) => void response.send('a service'));
  const server = app.use('/claude', bench.gateway.listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await bench.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { ...bench, url, claude: new Anthropic({ apiKey: TOKEN, baseURL: `${url}/claude`, logLevel: 'off' }) };
}

test('mounted in an Express service, the gateway answers below its path and leaves the rest to the service', async (t) => {
  const { url, claude, log } = await mounted(t);
  assert.equal((await claude.messages.create(PARAMS)).role, 'assistant');
  const events = await collected(await claude.messages.create({ ...PARAMS, stream: true }));
  assert.equal(events.at(-1)?.type, 'message_stop');
  assert.equal(await (await fetch(url)).text(), 'a service');
  assert.deepEqual(
    log.calls.map(({ outcome }) => outcome),
    ['ok', 'ok'],
  );
});

test('mounted in an Express service, results of batches are found below its path', async (t) => {
  const { claude, log } = await mounted(t);
  const { id } = await claude.messages.batches.create({ requests: [{ custom_id: 'a', params: PARAMS }] });
  const lines = await collected(await claude.messages.batches.results(id));
  assert.deepEqual(
    lines.map(({ custom_id }) => custom_id),
    ['a'],
  );
  assert.equal(log.calls.at(-1)?.operation, 'messages.batches.results');
});

test('mounted behind a body parser, the gateway says so and waits for no body', async (t) => {
  const { url, registry } = await mounted(t, express().use(express.json()));
  const headers = { 'x-api-key': TOKEN, 'content-type': 'application/json' };
  const response = await fetch(`${url}/claude/v1/messages`, { method: 'POST', headers, body: JSON.stringify(PARAMS) });
  assert.equal(response.status, 500);
  assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=gateway': 1 });
});
