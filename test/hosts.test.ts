import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from 'plimsoll/http';
import { isOwnHost } from '../src/hosts.ts';
import { exchanged } from '../testing/gateway/raw-client.ts';
import { rawUpstream } from '../testing/gateway/raw-upstream.ts';
import { post, subject } from '../testing/gateway/subject.ts';

test('a server that lists its names answers to those, to IP addresses and to localhost', () => {
  const own = [
    '127.0.0.1',
    '127.0.0.1:9464',
    '10.2.3.4:9464',
    '[::1]:9464',
    '[2001:db8::1]',
    'localhost',
    'LOCALHOST:80',
  ];
  for (const host of [...own, 'a.localhost', 'gateway:9464', 'gateway'])
    assert.equal(isOwnHost(host, ['gateway']), true, host);
  const foreign = [
    'evil.example',
    'evil.example:9464',
    'gateway.evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil',
  ];
  for (const host of [...foreign, '', '2130706433', '0x7f.1', 'gateways'])
    assert.equal(isOwnHost(host, ['gateway']), false, host);
});

const get = (...hosts: readonly string[]): string =>
  ['GET /metrics HTTP/1.1', ...hosts.map((host) => `Host: ${host}`), '', ''].join('\r\n');

test('a page of another site that points a name of its own here reads nothing', async (t) => {
  const handler = () => Promise.resolve(new Response('what it costs'));
  const serving = await serve(handler, { port: 0, names: ['gateway'] });
  t.after(() => serving.close(0));
  const statuses = { 'evil.example': 421, 'gateway:9464': 200, '127.0.0.1': 200, localhost: 200 };
  for (const [host, status] of Object.entries(statuses)) {
    const answered = await exchanged(serving.port, get(host));
    assert.equal(answered?.status, status, host);
    assert.equal(answered?.body.includes('costs'), status === 200);
  }
});

test('where only this machine reaches it, no other name is answered unless it is listed', async (t) => {
  const serving = await serve(() => Promise.resolve(new Response('what it costs')), { port: 0 });
  t.after(() => serving.close(0));
  assert.equal((await exchanged(serving.port, get('evil.example')))?.status, 421);
  assert.equal((await exchanged(serving.port, get('localhost:9464')))?.status, 200);
});

test('a request with two hosts, or none, is a 400', async (t) => {
  const serving = await serve(() => Promise.resolve(new Response('served')), { port: 0 });
  t.after(() => serving.close(0));
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  for (const hosts of [['a', 'b'], ['a', 'a'], []]) {
    assert.equal((await exchanged(serving.port, get(...hosts)))?.status, 400);
    const lines = hosts.map((host) => `Host: ${host}`);
    const request = post(gateway.token, lines).replace('Host: gateway\r\n', '');
    assert.equal((await exchanged(gateway.port, request))?.status, 400);
  }
  assert.equal(upstream.connections, 0);
});
