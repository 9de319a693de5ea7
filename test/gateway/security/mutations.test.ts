import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { valuesOf } from '../../../testing/gateway/http-bytes.ts';
import { exchanged, rawClient } from '../../../testing/gateway/raw-client.ts';
import { rawUpstream } from '../../../testing/gateway/raw-upstream.ts';
import { BODY, post, requestTo, subject } from '../../../testing/gateway/subject.ts';

/** What makes servers disagree, and some noise. */
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '0\r\n\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: X-Api-Key\r\n',
  'Expect: 100-continue\r\n',
  'X-Api-Key: other\r\n',
  'Host: evil\r\n',
  'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n',
  '/../',
  '%2e%2e/',
  '//',
  '?',
  '#',
  '\\',
  'http://evil/',
  '\xff',
] as const;

/** Change, put in or take out something at a place. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(12) }),
  insert: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...PIECES) },
    { weight: 1, arbitrary: fc.string({ maxLength: 5 }) },
  ),
});

function mutated(text: string, { at, remove, insert }: { at: number; remove: number; insert: string }): string {
  // Most of what matters is in the head.
  const place = Math.floor(at * (text.length - BODY.length + 10));
  return text.slice(0, place) + insert + text.slice(place + remove);
}

const TARGETS =
  /^(POST \/v1\/(messages(\/count_tokens|\/batches(\/[\w.@:-]+\/cancel)?)?|files)|GET \/v1\/(models|files|messages\/batches)(\/[\w.@:/-]+)?|DELETE \/v1\/(files|messages\/batches)\/[\w.@:-]+)(\?\S*)?$/;

test('whatever is done to a request, what reaches the API is one of its own requests, with the key and in one framing', async (t) => {
  const upstream = await rawUpstream(t);
  const gateway = await subject(t, { upstream });
  const chunked = `${requestTo('POST /v1/messages', ['Transfer-Encoding: chunked'])}${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
  const seeds = [
    post(gateway.token),
    chunked.replace('TOKEN', gateway.token),
    requestTo('GET /v1/models', []).replace('TOKEN', gateway.token),
    requestTo('DELETE /v1/files/file_1', []).replace('TOKEN', gateway.token),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...seeds),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      async (seed, mutations) => {
        const client = await rawClient(gateway.port);
        await client.send(Buffer.from(mutations.reduce(mutated, seed) + post(gateway.token), 'latin1'));
        // A good request follows: what was made of the first must not make another of it.
        // Where something is missing the gateway waits for it, and nobody has to.
        await Promise.race([client.answer().catch(() => null), sleep(100)]);
        client.leave();
      },
    ),
    { numRuns: 400 },
  );
  for (const request of upstream.requests) {
    const { method, target, head } = request;
    assert.match(`${method} ${target}`, TARGETS);
    assert.deepEqual(valuesOf(request, 'host'), [`127.0.0.1:${upstream.port}`], head);
    assert.deepEqual(valuesOf(request, 'x-api-key'), [gateway.realKey], head);
    const framings = [...valuesOf(request, 'content-length'), ...valuesOf(request, 'transfer-encoding')];
    assert.ok(framings.length <= 1, head);
    for (const [name, value] of request.headers)
      assert.ok(/^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/[\r\n\0]/.test(value), head);
  }
  assert.ok(upstream.requests.length > 0, 'nothing got through at all');
  assert.ok(!upstream.bytes().includes('plk_'));
  assert.deepEqual(gateway.errors, []);
  assert.equal((await exchanged(gateway.port, post(gateway.token)))?.status, 200);
});
