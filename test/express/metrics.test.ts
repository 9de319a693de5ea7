import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import express, { type Express } from 'express';
import { metricsHandler } from 'plimsoll';
import { livePage, metrics } from 'plimsoll/express';
import { Counter, Registry, register } from 'prom-client';
import { exchanged } from '../../testing/gateway/raw-client.ts';

async function listening(t: test.TestContext, app: Express): Promise<string> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function counted(): Registry {
  const registry = new Registry();
  new Counter({ name: 'tides_total', help: 'Tides.', registers: [registry] }).inc(2);
  return registry;
}

test("the page is the handler's response, in the requested format", async (t) => {
  const registry = counted();
  const url = await listening(t, express().use('/metrics', metrics({ registry })));
  for (const accept of ['text/plain', 'application/openmetrics-text; version=1.0.0']) {
    const response = await fetch(`${url}/metrics`, { headers: { accept } });
    const expected = await metricsHandler({ registry })(new Request(`${url}/metrics`, { headers: { accept } }));
    assert.equal(response.headers.get('content-type'), expected.headers.get('content-type'));
    assert.match(response.headers.get('vary') ?? '', /Accept/);
    const text = await response.text();
    assert.equal(text, await expected.text());
    assert.match(text, /^tides_total 2$/m);
  }
});

test('the page is compressed for clients that ask for it, and plain for others', async (t) => {
  const url = await listening(t, express().use('/metrics', metrics({ registry: counted() })));
  const coded = async (encoding: string) => {
    const response = await fetch(`${url}/metrics`, { headers: { 'accept-encoding': encoding } });
    assert.match(await response.text(), /^tides_total 2$/m);
    return response.headers.get('content-encoding');
  };
  assert.equal(await coded('gzip'), 'gzip');
  assert.equal(await coded('identity'), null);
});

test('HEAD has no body, and other methods are refused', async (t) => {
  const url = await listening(t, express().use('/metrics', metrics({ registry: counted() })));
  assert.equal(await (await fetch(`${url}/metrics`, { method: 'HEAD' })).text(), '');
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405);
});

test("without a registry the page shows prom-client's own", async (t) => {
  const counter = new Counter({ name: 'boats_total', help: 'Boats.' });
  t.after(() => register.removeSingleMetric('boats_total'));
  counter.inc(3);
  const url = await listening(t, express().use('/metrics', metrics()));
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^boats_total 3$/m);
});

test('the live page stands at its mount path, with or without a slash at the end', async (t) => {
  const registry = new Registry();
  const url = await listening(t, express().use('/live', livePage({ registry, name: 'harbor' })));
  for (const path of ['/live', '/live/']) {
    const response = await fetch(`${url}${path}`);
    assert.equal(response.url, `${url}/live/`);
    assert.match(await response.text(), /^<!doctype html>/);
  }
  assert.match(await (await fetch(`${url}/live/runbooks/PlimsollRateLimited`)).text(), /<h1>PlimsollRateLimited<\/h1>/);
  assert.match((await fetch(`${url}/live/page.js`)).headers.get('content-type') ?? '', /javascript/);
  const data = (await (await fetch(`${url}/live/data?range=300`)).json()) as { name: string; rangeSeconds: number };
  assert.deepEqual([data.name, data.rangeSeconds], ['harbor', 300]);
});

test('a page of another site that points a name of its own at this machine reads neither page', async (t) => {
  const registry = counted();
  const reached = { registry, names: ['live.harbor.example'] };
  const app = express().use('/metrics', metrics(reached)).use('/', livePage(reached));
  const { port } = new URL(await listening(t, app));
  for (const path of ['/metrics', '/', '/data']) {
    for (const [host, status] of Object.entries({ 'evil.example': 421, 'live.harbor.example': 200, localhost: 200 })) {
      const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', '', ''];
      assert.equal((await exchanged(Number(port), lines.join('\r\n')))?.status, status, `${path} as ${host}`);
    }
  }
});
