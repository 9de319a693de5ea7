import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchanged, rawClient } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, errorIn, requestTo, subject } from '../../../testing/gateway/subject.ts';

/** What has to be decoded, joined or cut to become a path of the API, and what is none. */
const TRICKS = [
  '/',
  '/v1',
  '/v1/',
  '/admin',
  '/v1/organizations/usage_report/messages',
  '/v1/../admin',
  '/v1/messages/../../admin',
  '/v1/messages/..',
  '/v1/./messages',
  '/./v1/messages',
  '/../v1/messages',
  '/v1/%2e%2e/admin',
  '/v1/%2E%2E/admin',
  '/v1/.%2e/messages',
  '/v1/%2e/messages',
  '/v1/messages%2f..%2f..%2fadmin',
  '/v1%2fmessages',
  '/v1/messages%2fbatches',
  '/v1/%6dessages',
  '/v1/messages%00',
  '/v1/messages%20',
  '/v1/messages%0d%0aX-Hidden:%20yes',
  '//v1/messages',
  '/v1//messages',
  '/v1/messages/',
  '/v1/messages//',
  '/v1/messages.',
  '/v1/messages;a=b',
  '/v1/messages.json',
  '/v1/Messages',
  '/V1/messages',
  '/v1\\messages',
  '/v1/messages\\..\\..\\admin',
  '\\v1\\messages',
  '/v1/messages#hidden',
  'v1/messages',
  'http://127.0.0.1/v1/messages',
  'http://evil.example/v1/messages',
  'https://evil.example/v1/messages',
  '//evil.example/v1/messages',
  '/http://evil.example/v1/messages',
  '/v1/messages@evil.example',
  '@evil.example/v1/messages',
  '/v1/messages/batches/../../../admin',
  '/v1/files/..',
  '/v1/files/%2e%2e/content',
  '/v1/files/a%2fb',
  '/v1/files/a/b/content',
  '/v1/models/../messages',
  '/v1/messages?a=b#c',
  '/v1/messages?a=\\',
  '/v1/messages?%0d%0aX-Hidden',
  '/v2/messages',
  '/metrics',
  '/plimsoll/../v1/messages',
  '*',
] as const;

/** Each is for a path of that method; a GET reaches models and files, a POST messages. */
for (const method of ['POST', 'GET', 'DELETE'] as const)
  for (const target of TRICKS.filter((each) => method === 'POST' || each.includes('files') || each.includes('models')))
    test(`${method} ${target} is answered with an error of the API's kind, and never sent on`, async (t) => {
      const upstream = await rawUpstream(t);
      const gateway = await subject(t, { upstream });
      const head = requestTo(`${method} ${target}`, [`Content-Length: ${BODY.length}`]);
      const answer = await exchanged(gateway.port, (head + BODY).replace('TOKEN', gateway.token));
      if (target.includes('%0d%0aX-Hidden') && answer?.status === 200) {
        // A query goes on as it came, escapes and all: they are no ends of lines to anybody.
        assert.ok(!upstream.bytes().includes('\r\nX-Hidden'));
        return;
      }
      assert.ok(answer?.status === 404 || answer?.status === 400, `${answer?.startLine}`);
      assert.equal(upstream.connections, 0);
    });

test('a path that is not served is a not_found_error with a request id', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const answer = await exchanged(gateway.port, requestTo('GET /v1/organizations', []).replace('TOKEN', gateway.token));
  assert.equal(answer?.status, 404);
  assert.equal(errorIn(answer).type, 'not_found_error');
});

/** Bytes that no target may have. */
for (const [what, target] of Object.entries({
  'a NUL': '/v1/messages\0',
  'a tab': '/v1/messages\t',
  'a character beyond ASCII': '/v1/messages\xff',
  'a delete': '/v1/messages\x7f',
  'a bare CR': '/v1/messages\r',
}))
  test(`a target with ${what} is refused, and never sent on`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const head = requestTo(`POST ${target}`, [`Content-Length: ${BODY.length}`]);
    const answer = await exchanged(gateway.port, Buffer.from((head + BODY).replace('TOKEN', gateway.token), 'latin1'));
    assert.match(answer?.startLine ?? '', /^HTTP\/1\.1 4\d\d /);
    assert.equal(upstream.connections, 0);
  });

for (const method of ['HEAD', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'] as const)
  test(`${method} is not allowed for messages: nothing is sent on`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const client = await rawClient(gateway.port);
    await client.send(requestTo(`${method} /v1/messages`, []).replace('TOKEN', gateway.token));
    const answer = await client.answer({ bodiless: method === 'HEAD' });
    client.leave();
    assert.ok([204, 400, 404, 405].includes(answer?.status ?? 0), `${answer?.startLine}`);
    assert.equal(upstream.connections, 0);
    assert.ok(!answer?.body.includes(gateway.token), 'the request is not sent back');
  });

for (const [what, lines] of Object.entries({
  CONNECT: ['CONNECT 127.0.0.1:80 HTTP/1.1', 'Host: 127.0.0.1:80'],
  'CONNECT to the upstream by a path': ['CONNECT /v1/messages HTTP/1.1', 'Host: x'],
  'OPTIONS *': ['OPTIONS * HTTP/1.1', 'Host: x'],
}))
  test(`${what} opens no tunnel: it ends without anything sent on`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const client = await rawClient(gateway.port);
    await client.send([...lines, `X-Api-Key: ${gateway.token}`, 'Connection: close', '', ''].join('\r\n'));
    const answer = await client.answer();
    await client.closed();
    assert.ok(answer === null || answer.status >= 400, `${answer?.startLine}`);
    assert.equal(upstream.connections, 0);
  });

test('a request to change to a WebSocket is answered as if it had not asked', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const lines = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
  const answer = await exchanged(gateway.port, requestTo('GET /v1/models', lines).replace('TOKEN', gateway.token));
  assert.notEqual(answer?.status, 101);
  assert.doesNotMatch(upstream.bytes().toString(), /upgrade|websocket/i);
});

test('a query goes to the API as it came', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const target = '/v1/models?limit=2&after_id=claude-haiku-4-5&x=%2e%2e%2f&beta=true';
  await exchanged(gateway.port, requestTo(`GET ${target}`, []).replace('TOKEN', gateway.token));
  assert.equal(upstream.requests[0]?.target, target);
});
