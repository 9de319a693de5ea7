import assert from 'node:assert/strict';
import { test } from 'node:test';
import { valuesOf } from '../../../testing/gateway/http-bytes.ts';
import { exchanged } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { post, requestTo, subject } from '../../../testing/gateway/subject.ts';

const PAGE = 'https://app.example.com';

function preflight(origin: string, path = '/v1/messages'): string {
  const lines = [
    `Origin: ${origin}`,
    'Access-Control-Request-Method: POST',
    'Access-Control-Request-Headers: content-type,x-api-key,anthropic-version',
  ];
  return requestTo(`OPTIONS ${path}`, lines).replace('X-Api-Key: TOKEN\r\n', '');
}

const ALLOWING = /access-control-allow/i;

test('no page of another origin may call the gateway unless its origin is named', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  assert.doesNotMatch((await exchanged(gateway.port, preflight(PAGE)))?.head ?? '', ALLOWING);
  const answered = await exchanged(gateway.port, post(gateway.token, [`Origin: ${PAGE}`]));
  assert.equal(answered?.status, 200);
  assert.doesNotMatch(answered.head, ALLOWING);
});

test('a page of a named origin may ask, without a token and without the API being asked', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, options: { corsOrigins: [PAGE] } });
  const answered = await exchanged(gateway.port, preflight(PAGE));
  assert.equal(answered?.status, 204);
  assert.deepEqual(valuesOf(answered, 'access-control-allow-origin'), [PAGE]);
  assert.deepEqual(valuesOf(answered, 'access-control-allow-credentials'), []);
  assert.match(valuesOf(answered, 'vary').join(), /origin/i);
  assert.match(valuesOf(answered, 'access-control-allow-headers').join(), /x-api-key/);
  assert.equal(upstream.connections, 0);
});

for (const origin of [
  'https://app.example.com.evil.example',
  'https://evil.example',
  'https://sub.app.example.com',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://APP.example.com',
  'https://app.example.com/',
  'null',
  '*',
  `${PAGE}, https://evil.example`,
])
  test(`the origin ${origin} is not the one that is named`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream, options: { corsOrigins: [PAGE] } });
    const asked = await exchanged(gateway.port, preflight(origin));
    assert.doesNotMatch(asked?.head ?? '', ALLOWING);
    assert.ok((asked?.status ?? 0) >= 400, asked?.startLine);
    const answered = await exchanged(gateway.port, post(gateway.token, [`Origin: ${origin}`]));
    assert.doesNotMatch(answered?.head ?? '', ALLOWING);
  });

test('a page may read why it was refused, as it may read an answer', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, options: { corsOrigins: [PAGE] } });
  for (const token of [gateway.token, 'plk_nobody']) {
    const answered = await exchanged(gateway.port, post(token, [`Origin: ${PAGE}`]));
    assert.deepEqual(answered && valuesOf(answered, 'access-control-allow-origin'), [PAGE]);
  }
});

test('what the API says of origins does not hold for the gateway', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n');
    socket.write('Content-Length: 2\r\n\r\nhi');
  });
  const gateway = await subject(t, { upstream, options: { corsOrigins: [PAGE] } });
  const own = await exchanged(gateway.port, post(gateway.token, [`Origin: ${PAGE}`]));
  assert.deepEqual(own && valuesOf(own, 'access-control-allow-origin'), [PAGE]);
  assert.deepEqual(own && valuesOf(own, 'access-control-allow-credentials'), []);
  const other = await exchanged(gateway.port, post(gateway.token, ['Origin: https://evil.example']));
  assert.doesNotMatch(other?.head ?? '', ALLOWING);
});

test('every response of the API’s paths says that it depends on the origin, once any origin is named', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, options: { corsOrigins: [PAGE] } });
  for (const lines of [[], [`Origin: ${PAGE}`], ['Origin: https://evil.example']]) {
    const answered = await exchanged(gateway.port, post(gateway.token, lines));
    assert.match(answered === null ? '' : valuesOf(answered, 'vary').join(), /origin/i, lines.join());
  }
});
