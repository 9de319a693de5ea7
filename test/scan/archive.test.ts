import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, after, describe, it } from 'node:test';

import zlib, { gunzipSync, gzipSync } from 'node:zlib';
import { open } from '../../src/scan/archive.ts';
import { zipped } from '../../testing/archives.ts';
import { plantedSecret } from '../../testing/planted.ts';
import { places, scanned, tarred } from '../../testing/scanned.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-archive-'));
after(() => rmSync(folder, { recursive: true }));

const SECRET = plantedSecret(0);

describe('a scan of an archive', () => {
  it('looks into archives in archives, and no deeper than four', () => {
    const nested = (times: number): Buffer => {
      let bytes = Buffer.from(SECRET);
      for (let at = 0; at < times; at++) bytes = gzipSync(bytes);
      return bytes;
    };
    assert.deepEqual(places('a.gz', nested(4)), ['a.gz!a!a!a!a:1:1']);
    assert.deepEqual(scanned('a.gz', nested(5)).skipped, [
      { path: 'a.gz!a!a!a!a', reason: 'too deep in other archives' },
    ]);
  });

  it('says that an archive could not be opened, and why', () => {
    const bomb = gzipSync(Buffer.alloc((256 << 20) + 1));
    assert.deepEqual(scanned('bomb.gz', bomb).skipped, [{ path: 'bomb.gz', reason: 'too large when unpacked' }]);
    const cut = gzipSync(SECRET).subarray(0, 30);
    assert.deepEqual(scanned('cut.gz', cut).skipped, [{ path: 'cut.gz', reason: 'damaged' }]);
    const locked = zipped({ a: SECRET });
    locked.writeUInt16LE(1, locked.indexOf('PK\x01\x02') + 8);
    assert.deepEqual(scanned('b.zip', locked).skipped, [{ path: 'b.zip!a', reason: 'encrypted' }]);
    const huge = zipped({ a: SECRET });
    huge.writeUInt32LE(0xffffffff, huge.length - 6);
    assert.deepEqual(scanned('d.zip', huge).skipped, [{ path: 'd.zip', reason: 'zip64' }]);
    const broken = zipped({ a: '', b: SECRET });
    broken.write('XX', broken.lastIndexOf('PK\x01\x02', undefined, 'latin1'), 'latin1');
    assert.deepEqual(scanned('e.zip', broken).skipped, [{ path: 'e.zip', reason: 'damaged' }]);
    const tar = gunzipSync(tarred('long.txt', `${SECRET}\n${'x\n'.repeat(2_000)}`));
    const short = scanned('f.tar', tar.subarray(0, 2_048));
    assert.deepEqual(short.skipped, [{ path: 'f.tar!long.txt', reason: 'cut off' }]);
    assert.equal(short.findings.length, 1);
    const garbled = Buffer.concat([tar.subarray(0, 5_120), Buffer.alloc(512, 'x')]);
    assert.deepEqual(scanned('g.tar', garbled).skipped, [{ path: 'g.tar', reason: 'damaged' }]);
    assert.deepEqual(scanned('c.zip', zipped({ a: SECRET }).subarray(0, 60)).skipped, [
      { path: 'c.zip', reason: 'damaged' },
    ]);
  });

  it('finds a file of a tar under its long name', () => {
    const long = `${'long/'.repeat(25)}name.js`;
    execFileSync('mkdir', ['-p', join(folder, long.slice(0, -8))]);
    for (const format of ['gnu', 'pax', 'ustar']) {
      writeFileSync(join(folder, long), SECRET);
      execFileSync('tar', [`--format=${format}`, '-cf', 'long.tar', long], { cwd: folder });
      assert.deepEqual(places('a.tar', readFileSync(join(folder, 'long.tar'))), [`a.tar!${long}:1:1`], format);
    }
  });
});

it('a zip of many files that are too large is unpacked a few times, and each of them is named', () => {
  const bomb = 'A'.repeat(10_000);
  const bytes = zipped(Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`bomb-${index}`, bomb])));
  const inflate = mock.method(zlib, 'inflateRawSync');
  syncBuiltinESMExports();
  const opened = open('a.zip', bytes, 1_000);
  const most = inflate.mock.calls.reduce((sum, { arguments: [, options] }) => sum + (options?.maxOutputLength ?? 0), 0);
  inflate.mock.restore();
  syncBuiltinESMExports();
  assert.ok(opened !== null && typeof opened !== 'string');
  assert.equal(opened.skipped.length, 200);
  assert.ok(most <= 4 * 1_000 + 200, `${most} bytes could have been unpacked`);
});
