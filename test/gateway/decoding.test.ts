import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { decoded, isReadable } from '../../src/gateway/decoding.ts';

const TEXT = Buffer.from('{"data":[]}');

const MOST = 1_000;

for (const [encoding, body] of Object.entries({
  identity: TEXT,
  gzip: gzipSync(TEXT),
  'X-Gzip ': gzipSync(TEXT),
  deflate: deflateSync(TEXT),
  BR: brotliCompressSync(TEXT),
  zstd: zstdCompressSync(TEXT),
}))
  test(`a whole body in ${encoding} is read, and as no other encoding`, async () => {
    assert.ok(isReadable(encoding));
    assert.deepEqual(await decoded(body, encoding, MOST), TEXT);
    const others = ['gzip', 'deflate', 'br', 'zstd'].filter((other) => other !== encoding.trim().toLowerCase());
    for (const other of others.filter((name) => !(name === 'gzip' && encoding === 'X-Gzip ')))
      assert.equal(await decoded(body, other, MOST), null, other);
  });

test('a body is not read that is cut, longer than allowed, or in an encoding that nobody knows', async () => {
  assert.equal(await decoded(gzipSync(TEXT).subarray(0, -4), 'gzip', MOST), null);
  assert.equal(await decoded(gzipSync(Buffer.alloc(MOST + 1)), 'gzip', MOST), null);
  assert.equal(await decoded(gzipSync(Buffer.alloc(MOST)), 'gzip', MOST).then((read) => read?.length), MOST);
  assert.equal(await decoded(TEXT, 'compress', MOST), null);
  assert.ok(!isReadable('gzip, br'));
});
