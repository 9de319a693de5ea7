import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test, type TestContext } from 'node:test';
import { exchanged, rawClient, type RawAnswer } from '../../../testing/gateway/raw-client.ts';
import { answer, answersWell, rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { CANARY, errorIn, post, requestTo, subject } from '../../../testing/gateway/subject.ts';

/** Another character of the alphabet in that place. */
function changed(token: string, at: number): string {
  const other = token.at(at) === '0' ? '1' : '0';
  const index = at < 0 ? token.length + at : at;
  return token.slice(0, index) + other + token.slice(index + 1);
}

interface Compared {
  readonly bytes: number;
}

/** All comparisons in constant time, and all hashes, until the test ends. */
function watched(t: TestContext): { readonly comparisons: Compared[]; readonly hashes: string[] } {
  const comparisons: Compared[] = [];
  const hashes: string[] = [];
  const { timingSafeEqual, hash } = crypto;
  t.mock.method(crypto, 'timingSafeEqual', (one: NodeJS.ArrayBufferView, other: NodeJS.ArrayBufferView) => {
    assert.equal(one.byteLength, other.byteLength);
    comparisons.push({ bytes: one.byteLength });
    return timingSafeEqual(one, other);
  });
  t.mock.method(crypto, 'hash', (...asked: Parameters<typeof hash>) => {
    hashes.push(asked[0]);
    return hash(...asked);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return { comparisons, hashes };
}

test('judging a token takes the same effort whether its id is known, and however much of its secret is right', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const { comparisons, hashes } = watched(t);
  const { token } = gateway;
  const work = [];
  for (const tried of [token, changed(token, -1), changed(token, -20), changed(token, -40), changed(token, 5)]) {
    comparisons.length = hashes.length = 0;
    const answered = await exchanged(gateway.port, post(tried));
    assert.equal(answered?.status, tried === token ? 200 : 401);
    work.push({ comparisons: [...comparisons], hashes: [...hashes] });
  }
  for (const each of work) assert.deepEqual(each, { comparisons: [{ bytes: 32 }], hashes: ['sha256'] });
});

test('on a connection, only the token that came last on it is known without its hash', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const { comparisons, hashes } = watched(t);
  const { token } = gateway;
  const client = await rawClient(gateway.port);
  const seen: unknown[] = [];
  for (const tried of [token, token, changed(token, -1), changed(token, -1), `${token}0`, changed(token, 5), token]) {
    comparisons.length = hashes.length = 0;
    await client.send(requestTo('GET /v1/models', []).replace('TOKEN', tried));
    seen.push([(await client.answer())?.status, hashes.length, comparisons.length]);
  }
  client.leave();
  assert.deepEqual(seen, [
    [200, 1, 1],
    [200, 0, 1],
    [401, 1, 1],
    [401, 0, 1],
    [401, 0, 0],
    [401, 1, 1],
    [200, 1, 1],
  ]);
  assert.equal(upstream.requests.length, 3);
});

test('an unknown id and a wrong secret are refused in the same words', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const said = async (token: string): Promise<string> => {
    const answered = await exchanged(gateway.port, post(token));
    const head = answered?.head.replace(/req_\w+|Date: .*/gi, '');
    return `${head}${JSON.stringify(errorIn(answered))}`;
  };
  const wrong = await said(changed(gateway.token, -1));
  assert.equal(wrong, await said(changed(gateway.token, 5)));
});

const BAD: Readonly<Record<string, (token: string) => string>> = {
  'cut short': (token) => token.slice(0, -1),
  'too long': (token) => `${token}0`,
  'in capital letters': (token) => token.toUpperCase(),
  'with a space in it': (token) => `${token.slice(0, 10)} ${token.slice(10)}`,
  'with a comma behind it': (token) => `${token},`,
  'written twice': (token) => `${token}, ${token}`,
  quoted: (token) => `"${token}"`,
  escaped: (token) => token.replace('plk_', '%70lk_'),
  'with a letter that only looks the same': (token) => token.replace('plk_', 'p\xedk_'),
  'without its secret': (token) => token.slice(0, 17),
  'a quote of SQL': () => "plk_' OR 1=1 --",
  'a key of the prototype': () => '__proto__',
  'the real key itself': () => CANARY,
  '10,000 characters': () => `plk_${'0'.repeat(10_000)}`,
};

for (const [what, tried] of Object.entries(BAD))
  test(`a token that is ${what} is an authentication_error that does not repeat it`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const token = tried(gateway.token);
    for (const header of ['X-Api-Key: ', 'Authorization: Bearer ']) {
      const bytes = Buffer.from(post('TOKEN').replace('X-Api-Key: TOKEN', header + token), 'latin1');
      const answered = await exchanged(gateway.port, bytes);
      assert.equal(answered?.status, 401);
      assert.equal(errorIn(answered).type, 'authentication_error');
      const said = `${answered.head}${answered.body.toString()}${await gateway.metrics()}${gateway.errors.map(String).join()}`;
      assert.ok(!said.includes(token));
    }
    assert.equal(upstream.connections, 0);
  });

test('a token as the user of Basic, or in a cookie, does not count', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const basic = Buffer.from(`${gateway.token}:`).toString('base64');
  for (const header of [
    `Authorization: Basic ${basic}`,
    `Cookie: x-api-key=${gateway.token}`,
    `Token: ${gateway.token}`,
  ]) {
    const answered = await exchanged(gateway.port, post('TOKEN').replace('X-Api-Key: TOKEN', header));
    assert.equal(answered?.status, 401);
  }
  assert.equal(upstream.connections, 0);
});

test('a token that is revoked stops at the next request of a connection that is open', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  const statuses: (number | undefined)[] = [];
  for (let request = 0; request < 3; request++) {
    if (request === 2) await gateway.store.revoke(gateway.tokenId, Date.now());
    await client.send(post(gateway.token));
    statuses.push((await client.answer())?.status);
  }
  client.leave();
  assert.deepEqual(statuses, [200, 200, 401]);
  assert.equal(upstream.requests.length, 2);
});

test('a token’s client cannot reach what only the API’s administrators may', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  for (const path of ['/v1/organizations/api_keys', '/v1/organizations/users', '/v1/organizations/cost_report']) {
    const answered = await exchanged(gateway.port, requestTo(`GET ${path}`, []).replace('TOKEN', gateway.token));
    assert.equal(answered?.status, 404);
  }
  assert.equal(upstream.connections, 0);
});

const MODEL = 'claude-haiku-4-5';
const OTHER = 'claude-opus-4-8';
const asks = (model: string): string => `"model":"${model}","max_tokens":10,"messages":[]`;

/** Bodies in which somebody could read a model, or a `max_tokens`, that the token may not ask for. */
const HIDDEN: Readonly<Record<string, string | Buffer>> = {
  'names another model': `{${asks(OTHER)}}`,
  'names no model': '{"max_tokens":10,"messages":[]}',
  'names a list of models': `{"model":["${OTHER}"],"max_tokens":10,"messages":[]}`,
  'names another model after the first': `{${asks(MODEL)},"model":"${OTHER}"}`,
  'names another model before the last': `{"model":"${OTHER}",${asks(MODEL)}}`,
  'names another model in an escaped name': `{"mod\\u0065l":"${OTHER}",${asks(MODEL)}}`,
  'says max_tokens twice, the first too high': `{"max_tokens":5000,${asks(MODEL)}}`,
  'says max_tokens twice, the last too high': `{${asks(MODEL)},"max_tokens":5000}`,
  'is no object': `[{${asks(OTHER)}}]`,
  'is no JSON': `{${asks(OTHER)}`,
  'has a byte order mark': Buffer.from(`\uFEFF{${asks(OTHER)}}`),
  'is UTF-16': Buffer.from(`{${asks(OTHER)}}`, 'utf16le'),
  'is empty': '',
  'has a fallback on another model': `{${asks(MODEL)},"fallbacks":[{"model":"${OTHER}"}]}`,
};

for (const [what, body] of Object.entries(HIDDEN))
  test(`a body that ${what} is refused to a token that is bound to a model and a ceiling`, async (t) => {
    const upstream = await rawUpstream(t);
    const client = { models: [MODEL], maxTokens: { tokens: 100, above: 'reject' } } as const;
    const gateway = await subject(t, { upstream, client });
    const head = post(gateway.token, [], { body: '', length: Buffer.byteLength(body) });
    const answered = await exchanged(gateway.port, Buffer.concat([Buffer.from(head), Buffer.from(body)]));
    assert.ok(answered?.status === 400 || answered?.status === 403, answered?.startLine);
    errorIn(answered);
    assert.equal(upstream.requests.length, 0);
  });

test('a compressed body is refused: nobody could see what it asks for', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const answered = await exchanged(gateway.port, post(gateway.token, ['Content-Encoding: gzip']));
  assert.equal(answered?.status, 400);
  assert.equal(upstream.connections, 0);
});

test('a batch is refused for any of its requests that the token may not make', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream, client: { models: [MODEL] } });
  const item = (model: string): string => `{"custom_id":"${model}","params":{${asks(model)}}}`;
  const sent = async (body: string): Promise<RawAnswer | null> =>
    exchanged(gateway.port, post(gateway.token, [], { target: '/v1/messages/batches', body }));
  assert.equal((await sent(`{"requests":[${item(MODEL)},${item(OTHER)}]}`))?.status, 403);
  assert.equal((await sent(`{"requests":[${item(OTHER)}],"requests":[${item(MODEL)}]}`))?.status, 400);
  assert.equal(upstream.requests.length, 0);
  assert.equal((await sent(`{"requests":[${item(MODEL)}]}`))?.status, 200);
});

test('what a client sends as its next attempt is held to the ceiling as the first was', async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    const body = '{"type":"error","error":{"type":"rate_limit_error","message":"slow"},"request_id":"req_1"}';
    socket.write(
      `HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  });
  const client = { maxTokens: { tokens: 100, above: 'reject' } } as const;
  const gateway = await subject(t, { upstream, client });
  const asked = async (maxTokens: number, count: number): Promise<number | undefined> => {
    const body = `{"model":"${MODEL}","max_tokens":${maxTokens},"messages":[]}`;
    const lines = [`x-stainless-retry-count: ${count}`];
    return (await exchanged(gateway.port, post(gateway.token, lines, { body })))?.status;
  };
  assert.equal(await asked(100, 0), 429);
  assert.equal(await asked(900, 1), 400);
  assert.equal(upstream.requests.length, 1);
});

test('a client’s rate is limited whatever it says about its attempts', async (t) => {
  const upstream = await rawUpstream(t, answersWell);
  const gateway = await subject(t, { upstream, client: { requestsPerMinute: 2 } });
  const statuses: (number | undefined)[] = [];
  for (let count = 0; count < 4; count++) {
    const lines = [`x-stainless-retry-count: ${count}`];
    statuses.push((await exchanged(gateway.port, post(gateway.token, lines)))?.status);
  }
  assert.deepEqual(statuses, [200, 200, 429, 429]);
  assert.equal(upstream.requests.length, 2);
});

test('labels of a token hold, whatever labels a request sets', async (t) => {
  const upstream = await rawUpstream(t, (socket) => answer(socket, ['Content-Length: 2'], '{}'));
  const gateway = await subject(t, {
    upstream,
    client: { labels: { team: 'granted' } },
    options: { attribution: { team: [], feature: [] }, labelHeaders: ['team', 'feature'] },
  });
  const lines = [
    'x-plimsoll-team: forged',
    'x-plimsoll-feature: asked',
    'x-plimsoll-key: forged',
    'x-plimsoll-model: forged',
  ];
  assert.equal((await exchanged(gateway.port, post(gateway.token, lines)))?.status, 200);
  const page = await gateway.metrics();
  assert.match(page, /granted/);
  assert.match(page, /asked/);
  assert.doesNotMatch(page, /forged/);
});
