import assert from 'node:assert/strict';
import { test } from 'node:test';
import { valuesOf } from '../../../testing/gateway/http-bytes.ts';
import { exchanged } from '../../../testing/gateway/raw-client.ts';
import { answer, MESSAGE, rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, errorIn, post, subject } from '../../../testing/gateway/subject.ts';

/** Names and values of what the client sends, each unlike any that the gateway makes. */
const KEPT_BACK: Readonly<Record<string, string>> = {
  Connection: 'keep-alive, X-Listed, TE',
  'X-Listed': 'client-listed',
  'Keep-Alive': 'timeout=client',
  TE: 'trailers',
  Trailer: 'client-trailer',
  'Proxy-Authorization': 'Basic client-proxy',
  'Proxy-Connection': 'client-proxy-connection',
  Cookie: 'session=client-cookie',
  Cookie2: 'client-cookie-2',
  Forwarded: 'for=client-forwarded',
  'X-Forwarded-For': 'client-x-forwarded',
  'X-Forwarded-Host': 'client-x-forwarded-host',
  'X-Real-IP': 'client-real-ip',
  Via: '1.1 client-via',
  Origin: 'https://client-origin.example',
  Referer: 'https://client-referer.example/secret',
  'X-Plimsoll-Feature': 'client-feature',
  'x-plimsoll-anything': 'client-anything',
  'Sec-Fetch-Site': 'client-fetch-site',
};

test('headers for the gateway alone are not sent on', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const lines = Object.entries(KEPT_BACK).map(([name, value]) => `${name}: ${value}`);
  const answered = await exchanged(gateway.port, post(gateway.token, lines));
  assert.equal(answered?.status, 200);
  const [sent] = upstream.requests;
  assert.ok(sent);
  for (const [name, value] of Object.entries(KEPT_BACK)) {
    assert.ok(!sent.head.includes(value), `${name} was sent on`);
    if (!/^(connection|keep-alive)$/i.test(name)) assert.deepEqual(valuesOf(sent, name.toLowerCase()), [], name);
  }
});

test('headers of the API are sent on as they are: names, values, order and repetitions', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const lines = [
    'Anthropic-Version: 2023-06-01',
    'anthropic-beta: one-2026-01-01',
    'anthropic-beta: two-2026-01-01',
    'Content-Type: application/json; charset=utf-8',
    'ACCEPT-ENCODING: gzip, br',
    'User-Agent: Anthropic/JS 1.12.0 (a; b) "quoted"',
    'x-stainless-retry-count: 0',
    'X-Empty:',
    'X-Long: ' + 'v'.repeat(4_000),
  ];
  await exchanged(gateway.port, post(gateway.token, lines));
  const [sent] = upstream.requests;
  assert.ok(sent);
  const names = new Set(lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase()));
  const kept = sent.headers.filter(([name]) => names.has(name.toLowerCase()));
  assert.deepEqual(
    kept.map(([name, value]) => `${name}:${value === '' ? '' : ' '}${value}`),
    lines,
  );
});

test('the real key goes to the API once, and the token of the client nowhere', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  await exchanged(gateway.port, post(gateway.token, [`Authorization: Bearer ${gateway.token}`]));
  const [sent] = upstream.requests;
  assert.ok(sent);
  assert.deepEqual(valuesOf(sent, 'x-api-key'), [gateway.realKey]);
  assert.deepEqual(valuesOf(sent, 'authorization'), []);
  assert.ok(!upstream.bytes().includes('plk_'));
});

test('a client cannot have the real key or the length taken away by naming them in Connection', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const lines = ['Connection: keep-alive, X-Api-Key, Content-Length, Host, Authorization'];
  const answered = await exchanged(gateway.port, post(gateway.token, lines));
  assert.equal(answered?.status, 200);
  const [sent] = upstream.requests;
  assert.ok(sent);
  assert.deepEqual(valuesOf(sent, 'x-api-key'), [gateway.realKey]);
  assert.equal(sent.body.toString(), BODY);
});

test('two tokens in one request are no token', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const answered = await exchanged(gateway.port, post(gateway.token, [`X-Api-Key: ${gateway.token}`]));
  assert.equal(answered?.status, 401);
  assert.equal(upstream.connections, 0);
});

test('escaped ends of lines in a header stay what they are: text', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const value = 'a%0d%0aX-Hidden: yes\\r\\nX-Hidden: yes';
  await exchanged(gateway.port, post(gateway.token, [`anthropic-beta: ${value}`, `x-plimsoll-feature: ${value}`]));
  const [sent] = upstream.requests;
  assert.ok(sent);
  assert.deepEqual(valuesOf(sent, 'anthropic-beta'), [value]);
  assert.deepEqual(valuesOf(sent, 'x-hidden'), []);
});

test('what a client writes into a label cannot write a line of metrics', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, options: { attribution: { feature: [] }, labelHeaders: ['feature'] } });
  const value = 'x"} 1 anthropic_requests_total{forged="yes';
  await exchanged(gateway.port, post(gateway.token, [`x-plimsoll-feature: ${value}`]));
  const page = await gateway.metrics();
  assert.ok(page.includes('anthropic_requests_total'));
  assert.doesNotMatch(page, /forged="yes/);
});

test('headers of one connection stay with it on the way back, and so do cookies of the API', async (t) => {
  const back = [
    'Connection: keep-alive, X-Listed',
    'Keep-Alive: timeout=99',
    'X-Listed: upstream-listed',
    'Proxy-Authenticate: upstream-proxy',
    'Trailer: X-Trailer',
    'Upgrade: upstream-upgrade',
    'Set-Cookie: upstream-cookie=1',
    'X-Kept: upstream-kept',
    'request-id: req_kept',
  ];
  const upstream = await rawUpstream(t, (socket) =>
    answer(socket, [...back, `Content-Length: ${MESSAGE.length}`], MESSAGE),
  );
  const gateway = await subject(t, { upstream });
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.ok(answered);
  for (const gone of [
    'timeout=99',
    'upstream-listed',
    'upstream-proxy',
    'X-Trailer',
    'upstream-upgrade',
    'upstream-cookie',
  ])
    assert.ok(!answered.head.includes(gone), `${gone} came through`);
  assert.deepEqual(valuesOf(answered, 'x-kept'), ['upstream-kept']);
  assert.deepEqual(valuesOf(answered, 'request-id'), ['req_kept']);
  assert.equal(answered.body.toString(), MESSAGE);
});

test('a header of the API that is not ASCII comes through byte for byte', async (t) => {
  const bytes = Buffer.from('X-Name: \xfcber \xe2\x9a\x93', 'latin1').toString('latin1');
  const upstream = await rawUpstream(t, (socket) => {
    socket.write(Buffer.from(`HTTP/1.1 200 OK\r\n${bytes}\r\nContent-Length: 2\r\n\r\nhi`, 'latin1'));
  });
  const gateway = await subject(t, { upstream });
  const answered = await exchanged(gateway.port, post(gateway.token));
  assert.ok(answered?.head.includes(bytes));
});

test('a token in the query is refused, not used, not sent on and not in the answer', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  for (const name of ['api_key', 'x-api-key', 'token', 'access_token']) {
    const target = `/v1/messages?${name}=${gateway.token}`;
    for (const key of [gateway.token, '']) {
      const answered = await exchanged(gateway.port, post(key, [], { target }));
      assert.equal(answered?.status, 400);
      assert.equal(errorIn(answered).type, 'invalid_request_error');
      assert.ok(!answered.body.includes(gateway.token));
    }
  }
  assert.equal(upstream.connections, 0);
  assert.ok(!(await gateway.metrics()).includes(gateway.token));
  assert.ok(!JSON.stringify(gateway.errors.map(String)).includes(gateway.token));
});

test('headers by which a framework would take another method or path are not sent on', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const names = [
    'Method-Override',
    'HTTP-Method',
    'HTTP-Method-Override',
    'Original-URL',
    'Original-Method',
    'Rewrite-URL',
  ];
  const lines = names.map((name) => `X-${name}: /v1/organizations/api_keys`);
  assert.equal((await exchanged(gateway.port, post(gateway.token, lines)))?.status, 200);
  assert.ok(!upstream.bytes().includes('organizations'));
});
