import assert from 'node:assert/strict';
import { test } from 'node:test';
import { valuesOf } from '../../../testing/gateway/http-bytes.ts';
import { rawClient, type RawAnswer } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, requestTo, subject } from '../../../testing/gateway/subject.ts';

const HIDDEN = 'GET /v1/models HTTP/1.1\r\nHost: hidden\r\nX-Hidden: yes\r\n\r\n';
const CHUNKED = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
const framed = (lines: readonly string[], rest: string): string => requestTo('POST /v1/messages', lines) + rest;
const length = `Content-Length: ${BODY.length}`;

/** Two who read these may see different requests: nobody answers them, and the connection is closed. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  'a length and chunks': framed(['Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${HIDDEN}`),
  'chunks and a length': framed(['Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${HIDDEN}`),
  'two lengths': framed(['Content-Length: 0', `Content-Length: ${HIDDEN.length}`], HIDDEN),
  'the same length twice': framed([length, length], BODY + HIDDEN),
  'two lengths in one header': framed([`Content-Length: ${BODY.length}, ${BODY.length}`], BODY + HIDDEN),
  'a length with a sign': framed([`Content-Length: +${BODY.length}`], BODY + HIDDEN),
  'a length below zero': framed(['Content-Length: -1'], HIDDEN),
  'a hexadecimal length': framed([`Content-Length: 0x${BODY.length.toString(16)}`], BODY + HIDDEN),
  'a length that no number can hold': framed(['Content-Length: 99999999999999999999999'], BODY),
  'an empty length': framed(['Content-Length:'], HIDDEN),
  'a space before the colon of a length': framed([`Content-Length : ${BODY.length}`], BODY + HIDDEN),
  'a space before the colon of an encoding': framed(['Transfer-Encoding : chunked'], CHUNKED + HIDDEN),
  'a vertical tab before an encoding': framed(['Transfer-Encoding:\x0bchunked'], CHUNKED + HIDDEN),
  'chunks that something else is around': framed(['Transfer-Encoding: chunked, identity'], CHUNKED + HIDDEN),
  'chunks and another encoding in a second header': framed(
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    CHUNKED + HIDDEN,
  ),
  'an encoding that nobody knows': framed(['Transfer-Encoding: xchunked'], CHUNKED + HIDDEN),
  'an encoding with a parameter': framed(['Transfer-Encoding: chunked;q=1'], CHUNKED + HIDDEN),
  'a header that is folded': framed(['X-Folded: a', ' b', length], BODY + HIDDEN),
  'an encoding that is folded': framed(['Transfer-Encoding:', ' chunked'], CHUNKED + HIDDEN),
  'lines that end with a bare LF': framed(['X-A: a\nX-B: b', length], BODY + HIDDEN),
  'a head of bare LFs': framed([length], '').replaceAll('\r\n', '\n') + BODY + HIDDEN,
  'a bare CR in a header': framed(['X-A: a\rX-B: b', length], BODY + HIDDEN),
  'a NUL in a header': framed(['X-A: a\0b', length], BODY + HIDDEN),
  'a header without a name': framed([': x', length], BODY + HIDDEN),
  'a line without a colon': framed(['hidden', length], BODY + HIDDEN),
  'chunks that end with bare LFs': framed(['Transfer-Encoding: chunked'], CHUNKED.replaceAll('\r\n', '\n') + HIDDEN),
  'a chunk extension that ends with a bare LF': framed(
    ['Transfer-Encoding: chunked'],
    `2;a\nxx${BODY.length}\r\n${BODY}\r\n0\r\n\r\n${HIDDEN}`,
  ),
  'a chunk longer than it says': framed(['Transfer-Encoding: chunked'], `2\r\n${BODY}\r\n0\r\n\r\n${HIDDEN}`),
  'a chunk below zero': framed(['Transfer-Encoding: chunked'], `-1\r\n${BODY}\r\n0\r\n\r\n${HIDDEN}`),
  'a chunk size that wraps around': framed(
    ['Transfer-Encoding: chunked'],
    `1000000000000000a\r\n${BODY}\r\n0\r\n\r\n${HIDDEN}`,
  ),
  'a chunk size with a prefix': framed(['Transfer-Encoding: chunked'], `0x${CHUNKED}${HIDDEN}`),
  'no host': framed(['Host-Not: x', length], BODY).replace(/Host: .*\r\n/, ''),
  'a version that does not exist': framed([length], BODY).replace('HTTP/1.1', 'HTTP/3.7'),
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a method that does not exist': framed([length], BODY).replace('POST', 'GPOST'),
  'a method in small letters': framed([length], BODY).replace('POST', 'post'),
  'a space within the target': framed([length], BODY).replace('/v1/messages', '/v1/messages HTTP/1.1 x'),
};

for (const [what, bytes] of Object.entries(AMBIGUOUS))
  test(`a request with ${what} is refused, its connection closed, and nothing of it sent on`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const client = await rawClient(gateway.port);
    await client.send(Buffer.from(bytes.replace('TOKEN', gateway.token), 'latin1'));
    const answer = await client.answer();
    assert.match(answer?.startLine ?? '', /^HTTP\/1\.1 4\d\d /);
    assert.equal((await client.closed()).toString(), '', 'a second answer came');
    assert.ok(!upstream.bytes().includes('X-Hidden'));
    assert.ok(!upstream.requests.some(({ whole }) => whole), 'the upstream got a whole request');
  });

/** These are clear: one request is sent on, framed by the gateway, and nothing of how it was framed before. */
const CLEAR: Readonly<Record<string, string>> = {
  'of one chunk': framed(['Transfer-Encoding: chunked'], CHUNKED),
  'of a chunk a byte': framed(
    ['Transfer-Encoding: chunked'],
    `${[...BODY].map((byte) => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`,
  ),
  'of a chunk with an extension': framed(['Transfer-Encoding: chunked'], CHUNKED.replace('\r\n', ';hidden=yes\r\n')),
  'with trailers': framed(
    ['Transfer-Encoding: chunked'],
    `${CHUNKED.slice(0, -2)}X-Api-Key: hidden\r\nX-Hidden: yes\r\n\r\n`,
  ),
  'with a length': framed([length], BODY),
  'that offers to switch to HTTP/2': framed(
    ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA', length],
    BODY,
  ),
};

for (const [what, bytes] of Object.entries(CLEAR))
  test(`a body ${what} is sent on whole, once, in the gateway's own framing`, async (t) => {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const client = await rawClient(gateway.port);
    await client.send(bytes.replace('TOKEN', gateway.token));
    assert.equal((await client.answer())?.status, 200);
    client.leave();
    assert.equal(upstream.requests.length, 1);
    const [sent] = upstream.requests;
    assert.ok(sent);
    assert.equal(sent.body.toString(), BODY);
    const framing = [...valuesOf(sent, 'content-length'), ...valuesOf(sent, 'transfer-encoding')];
    assert.equal(framing.length, 1, 'one way to find its end');
    assert.deepEqual(valuesOf(sent, 'host'), [`127.0.0.1:${upstream.port}`]);
    assert.doesNotMatch(upstream.bytes().toString(), /hidden|upgrade|http2-settings/i);
  });

test('a body in an encoding besides chunks is not guessed at: it is refused, or sent on as one request', async (t) => {
  for (const encoding of ['gzip, chunked', 'identity, chunked']) {
    const upstream = await rawUpstream(t);
    const gateway = await subject(t, { upstream });
    const client = await rawClient(gateway.port);
    const bytes = framed([`Transfer-Encoding: ${encoding}`, 'Connection: close'], CHUNKED);
    await client.send(bytes.replace('TOKEN', gateway.token));
    await client.closed();
    assert.ok(upstream.requests.length <= 1);
    assert.ok(!upstream.bytes().includes(encoding), encoding);
  }
});

test('a body that came with a GET is not the next request', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  const get = requestTo('GET /v1/models', [`Content-Length: ${HIDDEN.length}`, 'Connection: close']) + HIDDEN;
  await client.send(get.replace('TOKEN', gateway.token));
  await client.closed();
  assert.ok(!upstream.bytes().includes('X-Hidden: yes') || upstream.requests[0]?.body.toString() === HIDDEN);
  assert.ok(upstream.requests.length <= 1);
});

test('requests in a row on one connection are answered in order, each by its own token', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const client = await rawClient(gateway.port);
  const good = framed([length], BODY).replace('TOKEN', gateway.token);
  const bad = framed([length], BODY).replace('TOKEN', 'plk_nobody');
  await client.send(good + good + bad);
  const statuses: (number | undefined)[] = [];
  for (let answer = 0; answer < 3; answer++) statuses.push((await client.answer())?.status);
  client.leave();
  assert.deepEqual(statuses, [200, 200, 401]);
  assert.equal(upstream.requests.length, 2);
});

test('a head that is split at any byte is the same head', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const bytes = framed([length], BODY).replace('TOKEN', gateway.token);
  const client = await rawClient(gateway.port);
  for (const cut of [1, 5, 16, 17, 40, bytes.length - BODY.length - 3, bytes.length - BODY.length - 1]) {
    await client.send(bytes.slice(0, cut));
    await client.send(bytes.slice(cut));
    const answer: RawAnswer | null = await client.answer();
    assert.equal(answer?.status, 200);
  }
  client.leave();
  assert.ok(upstream.requests.every(({ body }) => body.toString() === BODY));
  assert.equal(upstream.requests.length, 7);
  assert.ok(upstream.requests.every((request) => valuesOf(request, 'x-api-key').join() === gateway.realKey));
});
