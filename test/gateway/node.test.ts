import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import express from 'express';
import type { GatewayOptions } from 'plimsoll/gateway';
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

test('middleware that changes what is written gets the body of a stream as it is', async (t) => {
  const written: Buffer[] = [];
  const before = express().use((_request, response, next) => {
    const write = response.write.bind(response);
    response.write = ((bytes: Buffer) => {
      written.push(bytes);
      return write(bytes);
    }) as typeof response.write;
    next();
  });
  const { url } = await mounted(t, before);
  const headers = { 'x-api-key': TOKEN, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };
  const body = JSON.stringify({ ...PARAMS, stream: true });
  const response = await fetch(`${url}/claude/v1/messages`, { method: 'POST', headers, body });
  const text = await response.text();
  assert.match(text, /^event: message_start\n/);
  assert.equal(Buffer.concat(written).toString(), text);
});

test('a response whose head cannot be written costs its own exchange, and is counted', async (t) => {
  let isBroken = true;
  const before = express().use((_request, response, next) => {
    if (isBroken) {
      response.writeHead = () => {
        throw new Error('no head');
      };
    }
    isBroken = false;
    next();
  });
  const { url, registry } = await mounted(t, before);
  await assert.rejects(fetch(`${url}/claude/healthz`), TypeError);
  assert.equal((await fetch(`${url}/claude/healthz`)).status, 200);
  assert.deepEqual(await samples(registry, 'plimsoll_errors_total'), { 'stage=gateway': 1 });
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

/** Where the results of a batch are, according to the gateway, for a request with these headers. */
async function resultsAt(
  t: test.TestContext,
  headers: Readonly<Record<string, string>>,
  options: Partial<GatewayOptions>,
) {
  const bench = await gatewayBench({ gateway: options });
  t.after(() => bench.close());
  const claude = bench.claude({ defaultHeaders: headers });
  const { id } = await claude.messages.batches.create({ requests: [{ custom_id: 'a', params: PARAMS }] });
  const { results_url: results } = await claude.messages.batches.retrieve(id);
  return { results: results?.slice(0, results.indexOf('/v1/')), url: bench.url };
}

const FORWARDED = { 'x-forwarded-host': 'Claude.example.com:8443', 'x-forwarded-proto': 'https' };

test('a proxy on this machine says what address a client called', async (t) => {
  assert.equal((await resultsAt(t, FORWARDED, {})).results, 'https://claude.example.com:8443');
});

test('of several forwarded hosts, only the one that the nearest proxy added counts', async (t) => {
  const listed = { 'x-forwarded-host': 'thief.example, claude.example.com', 'x-forwarded-proto': 'http, https' };
  assert.equal((await resultsAt(t, listed, {})).results, 'https://claude.example.com');
});

test('a sender that is no trusted proxy says nothing about the address', async (t) => {
  const { results, url } = await resultsAt(t, FORWARDED, { trustProxy: ['10.0.0.0/8', '::1'] });
  assert.equal(results, url);
  const none = await resultsAt(t, FORWARDED, { trustProxy: [] });
  assert.equal(none.results, none.url);
});

for (const host of ['thief.example/x', 'a"b', 'user@thief.example', 'a b', '', 'x:123456', '[::1'])
  test(`a forwarded host that is none is ignored: ${JSON.stringify(host)}`, async (t) => {
    const { results, url } = await resultsAt(t, { 'x-forwarded-host': host, 'x-forwarded-proto': 'javascript' }, {});
    assert.equal(results, url);
  });

test('publicUrl says it, whatever the headers say', async (t) => {
  for (const publicUrl of ['https://claude.example.com/api', 'https://claude.example.com/api/'])
    assert.equal((await resultsAt(t, FORWARDED, { publicUrl })).results, 'https://claude.example.com/api');
});
