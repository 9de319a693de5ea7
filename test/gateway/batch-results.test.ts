import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { answering, asked, bench, bytesOf } from '../../testing/gateway/written-api.ts';
import { withOwnResults } from '../../src/gateway/batch-results.ts';

const OWN = 'https://claude.example.com';

test('addresses of results lead to the gateway, and nothing else changes', () => {
  const results = (address: string): string => `{ "id": "a", "results_url" : "${address}", "n": 1 }`;
  const path = '/v1/messages/batches/msgbatch_1/results';
  for (const before of ['https://api.anthropic.com', 'http://127.0.0.1:9', 'https://proxy.example/claude'])
    assert.equal(withOwnResults(results(before + path), OWN), results(OWN + path));
  const untouched = [results('ftp://x/v1/messages/batches/1'), results('https://x/elsewhere'), '{"results_url":null}'];
  for (const text of [
    ...untouched,
    '{"results_url":7,"a":"https://x/v1/messages/batches/"}',
    '"results_url":"',
    '',
    '{}',
  ])
    assert.equal(withOwnResults(text, OWN), text);
  const two = `[${results(`https://a${path}`)},${results(`https://b${path}`)}]`;
  assert.equal(withOwnResults(two, OWN), `[${results(OWN + path)},${results(OWN + path)}]`);
});

test('an address without an end is read once, not once for each of its characters', () => {
  // A reading that begins again at each of a million places would take hours.
  for (const endless of [
    'https://x'.repeat(200_000),
    `https://x${'/v1/messages/batches'.repeat(100_000)}`,
    '"results_url"'.repeat(100_000),
  ])
    assert.ok(withOwnResults(`{"results_url":"${endless}`, OWN).length > 0);
});

const BATCH = JSON.stringify({
  id: 'msgbatch_1',
  results_url: 'https://api.anthropic.com/v1/messages/batches/msgbatch_1/results',
});

const LIST = { method: 'GET', path: '/v1/messages/batches' };

for (const [encoding, bytes] of Object.entries({
  identity: Buffer.from(BATCH),
  gzip: gzipSync(BATCH),
  deflate: deflateSync(BATCH),
  br: brotliCompressSync(BATCH),
  zstd: zstdCompressSync(BATCH),
}))
  test(`a body that comes as ${encoding}, though the API was asked not to, leads to the gateway`, async (t) => {
    const { url } = await bench(
      t,
      answering((outgoing) => outgoing.writeHead(200, { 'content-encoding': encoding }).end(bytes)),
    );
    const answer = await asked(url, LIST);
    const { results_url: address } = JSON.parse((await bytesOf(answer)).toString()) as { readonly results_url: string };
    assert.equal(address, `${url}/v1/messages/batches/msgbatch_1/results`);
  });

const UNREAD: Readonly<Record<string, readonly [encoding: string, body: Buffer]>> = {
  'in an encoding that nobody knows': ['compress', gzipSync(BATCH)],
  'that is not what it says': ['gzip', Buffer.from(BATCH)],
  'that is too long when it is decompressed': ['gzip', gzipSync(Buffer.alloc(9 << 20))],
  'without an address': ['br', brotliCompressSync('{}')],
  'that is no text': ['identity', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
};

for (const [what, [encoding, body]] of Object.entries(UNREAD))
  test(`a body ${what} goes on byte for byte`, async (t) => {
    const { url } = await bench(
      t,
      answering((outgoing) => outgoing.writeHead(200, { 'content-encoding': encoding }).end(body)),
    );
    const answer = await asked(url, LIST);
    assert.equal(answer.headers['content-encoding'], encoding);
    assert.deepEqual(await bytesOf(answer), body);
  });
