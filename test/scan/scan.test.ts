import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Scan } from '../../src/scan/scan.ts';
import { zipped } from '../../testing/archives.ts';
import { plantedSecret, plantedToken } from '../../testing/planted.ts';
import { places, scanned, tarred } from '../../testing/scanned.ts';

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

  it('shows nothing of a secret but its prefix', () => {
    for (const [name, file] of FILE_KINDS) {
      const said = JSON.stringify(scanned(name, file(SECRET)));
      const body = SECRET.slice('sk-ant-api03-'.length);
      for (let at = 0; at + 6 <= body.length; at++) assert.ok(!said.includes(body.slice(at, at + 6)));
    }
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

  it('skips binary files and counts them', () => {
    const result = scanned('a.out', `\x7fELF\0\0${SECRET}`);
    assert.deepEqual([result.findings.length, result.files, result.binaryFiles], [0, 1, 1]);
  });
});
