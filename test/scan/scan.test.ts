import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { brotliCompressSync, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { Scan } from '../../src/scan/scan.ts';
import { SecretScanner } from '../../src/scan/secret-scanner.ts';
import { zipped } from '../../testing/archives.ts';
import { plantedSecret, plantedToken } from '../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-scan-'));
after(() => rmSync(folder, { recursive: true }));

function scanned(name: string, bytes: Buffer | string) {
  const scan = new Scan();
  scan.add({ name, bytes: Buffer.from(bytes) });
  return scan.result;
}

function places(name: string, bytes: Buffer | string): readonly string[] {
  return scanned(name, bytes).findings.map(({ path, line, column }) => `${path}:${line}:${column}`);
}

/** By the tar of the system, not one written for the test. */
function tarred(name: string, text: string): Buffer {
  writeFileSync(join(folder, name), text);
  execFileSync('tar', ['-czf', 'made.tgz', name], { cwd: folder });
  return readFileSync(join(folder, 'made.tgz'));
}

const SECRET = plantedSecret(0);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Each puts one secret into a file of its kind, and says where it is to be found. */
const FILE_KINDS: readonly (readonly [name: string, file: (secret: string) => Buffer | string, place: string])[] = [
  ['.env', (secret) => `# the service\nANTHROPIC_API_KEY=${secret}\nPORT=80\n`, '.env:2:19'],
  ['config.json', (secret) => JSON.stringify({ é: 1, key: secret, next: 'x' }), 'config.json:1:15'],
  ['secret.yaml', (secret) => `kind: Secret\ndata:\n  key: ${base64(secret)}\n`, 'secret.yaml:3:8'],
  ['client.ts', (secret) => `const client = new Anthropic({ apiKey: '${secret}' });\r\n`, 'client.ts:1:41'],
  ['notebook.ipynb', (secret) => JSON.stringify({ source: [`key = "${secret}"\n`] }), 'notebook.ipynb:1:21'],
  ['trace.har', (secret) => `{"url":"https://h/?key=${secret.replaceAll('-', '%2D')}&a=1"}`, 'trace.har:1:24'],
  ['page.html', (secret) => `<p>\n<script>k="${secret.replaceAll('-', '\\u002d')}"</script>`, 'page.html:2:12'],
  [
    'app.js.map',
    (secret) => JSON.stringify({ sources: ['a.ts', 'b.ts'], sourcesContent: ['//\n', `\n\tk('${secret}')`] }),
    'app.js.map!b.ts:2:5',
  ],
  ['app.tgz', (secret) => tarred('index.js', `\nk = '${secret}'`), 'app.tgz!app.tar!index.js:2:6'],
  ['app.whl', (secret) => zipped({ 'a.py': '', 'b.py': `\nk = '${secret}'` }), 'app.whl!b.py:2:6'],
  ['dump.sql.gz', (secret) => gzipSync(`INSERT '${secret}'`), 'dump.sql.gz!dump.sql:1:9'],
  ['app.js.br', (secret) => brotliCompressSync(`k="${secret}"`), 'app.js.br!app.js:1:4'],
  ['log.zst', (secret) => zstdCompressSync(`k ${secret}\n`), 'log.zst!log:1:3'],
  ['out.txt', (secret) => Buffer.from(`\ufeffkey ${secret}\r\n`, 'utf16le'), 'out.txt:1:5'],
  ['bundle.js', (secret) => `//# sourceMappingURL=data:;base64,${base64(`{"x":["é ${secret}"]}`)}`, ''],
];

describe('a scan', () => {
  it('finds all of three hundred planted secrets of all prefixes in fifteen kinds of files, each once', () => {
    const missed: string[] = [];
    for (let n = 0; n < 300; n++) {
      const [name, file, place] = FILE_KINDS[n % FILE_KINDS.length] ?? ['', () => '', ''];
      const secret = plantedSecret(Math.floor(n / FILE_KINDS.length));
      const found = scanned(name, file(secret)).findings;
      const shown = `${/^sk-ant-[a-z]+\d+-/.exec(secret)?.[0]}…`;
      const where = found.map(({ path, line, column }) => `${path}:${line}:${column}`);
      if (found.length !== 1 || found[0]?.shown !== shown || (place !== '' && where[0] !== place)) {
        missed.push(`${n} ${name}: ${where.join(', ') || 'nothing'}`);
      }
    }
    assert.deepEqual(missed, []);
  });

  it('finds tokens of a gateway in all of them too, and shows the id by which each is revoked', () => {
    const missed: string[] = [];
    for (let n = 0; n < 300; n++) {
      const [name, file] = FILE_KINDS[n % FILE_KINDS.length] ?? ['', () => ''];
      const { id, token } = plantedToken(n);
      const found = scanned(name, file(token)).findings.map(({ kind, shown }) => `${kind} ${shown}`);
      if (found.join() !== `gateway_token plk_${id}_…`) missed.push(`${n} ${name}: ${found.join()}`);
    }
    assert.deepEqual(missed, []);
    for (const underscore of ['%5F', '\\u005f', '\\x5f', '&#95;']) {
      const escaped = plantedToken(0).token.replaceAll('_', underscore);
      assert.deepEqual(places('page.html', `?key=${escaped}&a=1`), ['page.html:1:6'], underscore);
    }
    assert.deepEqual(places('.env', `${plantedToken(0).token}0 plk_0123456789ab_${'0'.repeat(40)}`), []);
  });

  it('gives a secret the same fingerprint in whatever disguise', () => {
    const fingerprints = FILE_KINDS.flatMap(([name, file]) =>
      scanned(name, file(SECRET)).findings.map(({ fingerprint }) => fingerprint),
    );
    assert.equal(fingerprints.length, FILE_KINDS.length);
    assert.equal(new Set(fingerprints).size, 1);
  });

  it('says nothing of a secret but its prefix', () => {
    for (const [name, file] of FILE_KINDS) {
      const said = JSON.stringify(scanned(name, file(SECRET)));
      const body = SECRET.slice('sk-ant-api03-'.length);
      for (let at = 0; at + 6 <= body.length; at++) assert.ok(!said.includes(body.slice(at, at + 6)));
    }
  });

  it('finds the same, however a text is split', () => {
    const text = Buffer.from(
      ['é', plantedSecret(1), '', base64(`ab${plantedSecret(2)}`), `\n x ${plantedSecret(3)}`, 'end'].join('\n'),
    );
    const whole = new SecretScanner().end(text);
    assert.equal(whole.length, 3);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), text.length];
        const scanner = new SecretScanner();
        const hits = ends.flatMap((end, index) => scanner.feed(text.subarray(ends[index - 1] ?? 0, end)));
        assert.deepEqual([...hits, ...scanner.end()], whole);
      }),
    );
  });

  it('knows the line and the column in a long text that comes in pieces', async () => {
    const text = Buffer.from(`${'0123456789\n'.repeat(300_000)}  ${SECRET}`);
    const scan = new Scan();
    const pieces = async function* () {
      for (let at = 0; at < text.length; at += 65_521) yield text.subarray(at, at + 65_521);
    };
    await scan.addStream('log', pieces());
    const found = scan.result.findings.map(({ line, column }) => [line, column]);
    assert.deepEqual(found, [[300_001, 3]]);
  });

  it('finds a secret in base64 that is wrapped, and where it begins in the middle of three bytes', () => {
    for (const before of ['', 'a', 'ab', 'abc', 'a longer text in front of it, then: ']) {
      const wrapped = base64(`${before}${SECRET}\n`).replace(/.{76}/g, '$&\r\n');
      assert.equal(places('mail', wrapped).length, 1, before);
    }
  });

  for (const text of [
    'ANTHROPIC_API_KEY=<REPLACE_WITH_KEY>',
    'sk-ant-api03-…',
    'sk-ant-api03-...',
    'sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    'sk-ant-api03-XXXXXXXX-XXXXXXXXXXXXXXX-XXXXXXXX-00000000000000000000',
    'sk-ant-api03-your-api-key-goes-here-0000000000000',
    'sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789',
    'sk-ant-api03-abcabcabcabcabc1abcabcabcabcabc1',
    'sk-ant-api03-my-secret-key-for-production-use-2026',
    'sk-ant-api03-$ANTHROPIC_KEY_FROM_THE_ENVIRONMENT',
    'sk-ant-api03-[A-Za-z0-9_-]{93}AA',
    'disk-ant-colony-of-twenty-characters-and-more',
    base64('the text sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is a placeholder'),
  ])
    it(`takes no notice of ${text.slice(0, 60)}`, () => assert.deepEqual(places('readme.md', text), []));

  it('passes over binary files and counts them', () => {
    const result = scanned('a.out', `\x7fELF\0\0${SECRET}`);
    assert.deepEqual([result.findings.length, result.files, result.binaryFiles], [0, 1, 1]);
  });

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

  it('says of an archive that it could not be opened, and why', () => {
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
