import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { plantedSecret } from '../../testing/planted.ts';
import { BARE_ENV } from '../../testing/bare-env.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');
const SECRET = plantedSecret(0);
const ADMIN = plantedSecret(1);

/** Git knows nothing of who runs the tests, nor of a repository that their own git hook is in. */
const ENV: NodeJS.ProcessEnv = {
  ...BARE_ENV,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
};

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function scan(cwd: string, args: readonly string[], input = ''): Ran {
  const node = ['--conditions=plimsoll-source', MAIN, 'scan', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { cwd, env: ENV, input, encoding: 'utf8' });
  if (!args.includes('--format') && !args.includes('--json')) {
    for (const line of `${stdout}${stderr}`.split('\n')) assert.ok(line.length <= 80, line);
  }
  for (const secret of [SECRET, ADMIN]) assert.ok(!`${stdout}${stderr}`.includes(secret.slice(-20)));
  return { code: status, out: stdout, err: stderr };
}

function folder(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'plimsoll-cli-scan-'));
  t.after(() => rmSync(path, { recursive: true }));
  write(path, files);
  return path;
}

function write(path: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
}

function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd, env: ENV, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function repository(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const path = folder(t, files);
  git(path, 'init', '--quiet', '--initial-branch=main');
  return path;
}

function commit(cwd: string, message = 'change'): string {
  git(cwd, 'add', '--all');
  git(cwd, 'commit', '--quiet', '--message', message);
  return git(cwd, 'rev-parse', 'HEAD').trim();
}

describe('plimsoll scan', () => {
  it('finds nothing in this repository', () => {
    const { code, out, err } = scan(ROOT, ['.']);
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^No secrets; scanned \d+ files, /);
  });

  it('finds nothing in the installed SDK, which git ignores and the user names', () => {
    const { code, out } = scan(ROOT, ['node_modules/@anthropic-ai/sdk']);
    assert.equal(code, 0);
    const files = Number(/scanned (\d+) files/.exec(out)?.[1]);
    assert.ok(files > 1_000, out);
  });

  it('shows where a secret is, what it is and what to do, and ends with 1', (t) => {
    const cwd = folder(t, { 'a/config.ts': `\nexport const key = '${SECRET}';\n`, 'b.env': `KEY=${ADMIN}` });
    assert.deepEqual(scan(cwd, []), {
      code: 1,
      err: '',
      out: [
        'a/config.ts:2:21',
        '  an API key, sk-ant-api03-…',
        'b.env:1:5',
        '  an admin key, sk-ant-admin01-…',
        '',
        'Disable the key in the Console: https://platform.claude.com/settings/keys',
        'Deleting the text is not enough: whoever has seen a secret can use it.',
        '',
        '2 secrets in 2 places; scanned 2 files, 0.0 MB.',
        '',
      ].join('\n'),
    });
  });

  it('reads standard input where the path is -', (t) => {
    const { code, out } = scan(folder(t), ['-'], `one\ntwo ${SECRET}`);
    assert.equal(code, 1);
    assert.match(out, /^standard input:2:5\n/);
  });

  it('passes over what git ignores, until it is named', (t) => {
    const cwd = repository(t, { '.gitignore': 'dist/\n.env\n', 'dist/app.js': SECRET, '.env': SECRET, 'a.ts': '' });
    assert.equal(scan(cwd, []).code, 0);
    assert.match(scan(cwd, ['dist']).out, /^dist\/app\.js:1:1\n/);
    assert.match(scan(cwd, ['.env']).out, /^\.env:1:1\n/);
  });

  it('ends with 3 where something that was named cannot be read', (t) => {
    const { code, err } = scan(folder(t), ['missing.ts']);
    assert.deepEqual([code, err], [3, 'not scanned: missing.ts: no such file or folder\n']);
  });

  it('passes over pipes and devices that were named, and says so', (t) => {
    const cwd = folder(t, { 'a.ts': SECRET });
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    const { code, out, err } = scan(cwd, ['pipe', '/dev/zero', 'a.ts']);
    assert.equal(code, 1);
    assert.match(out, /^a\.ts:1:1\n/);
    const reason = 'no regular file; - is standard input';
    assert.equal(err, `not scanned: pipe: ${reason}\nnot scanned: /dev/zero: ${reason}\n`);
  });

  it('opens no pipe that it meets in a folder, and follows no link there', (t) => {
    const cwd = folder(t, { 'inside/a.ts': SECRET });
    execFileSync('mkfifo', [join(cwd, 'inside/pipe')]);
    symlinkSync('..', join(cwd, 'inside/up'));
    symlinkSync('itself', join(cwd, 'inside/itself'));
    const { code, out, err } = scan(cwd, []);
    assert.deepEqual([code, err], [1, '']);
    assert.match(out, /1 secret in 1 place; scanned 1 file/);
  });

  it('says that a link that was named leads back to itself', (t) => {
    const cwd = folder(t);
    symlinkSync('b', join(cwd, 'a'));
    symlinkSync('a', join(cwd, 'b'));
    const { code, err } = scan(cwd, ['a']);
    assert.deepEqual([code, err], [3, 'not scanned: a: a link that leads back to itself\n']);
  });

  it('prints what a terminal would obey in the name of a file as JSON escapes it', (t) => {
    const name = 'a\u001b[2J\u009b\u202e\nNo secrets.ts';
    const cwd = folder(t, { [name]: SECRET, [`${name}.gz`]: '\u001f' });
    writeFileSync(join(cwd, `${name}.gz`), Buffer.from([0x1f, 0x8b, 0, 0]));
    const shown = 'a\\u001b[2J\\u009b\\u202e\\u000aNo secrets.ts';
    const { out, err } = scan(cwd, []);
    assert.ok(out.startsWith(`${shown}:1:1\n`), out);
    assert.equal(err, `not scanned: ${shown}.gz: damaged\n`);
    const json = scan(cwd, ['--json']).out;
    assert.doesNotMatch(json, /[\u001b\u009b\u202e]/);
    assert.equal((JSON.parse(json) as { findings: { path: string }[] }).findings[0]?.path, name);
    const sarif = scan(cwd, ['--format', 'sarif']).out;
    assert.doesNotMatch(sarif, /[\u001b\u009b\u202e]/);
    assert.ok(sarif.includes('results'));
  });

  it('writes findings as JSON and as SARIF', (t) => {
    const cwd = folder(t, { 'a.ts': SECRET });
    const { findings } = JSON.parse(scan(cwd, ['--json']).out) as { findings: Record<string, unknown>[] };
    assert.deepEqual(
      findings.map(({ path, line, column, kind, disguise }) => ({ path, line, column, kind, disguise })),
      [{ path: 'a.ts', line: 1, column: 1, kind: 'api_key', disguise: 'plain' }],
    );
    const sarif = scan(cwd, ['--format', 'sarif']);
    assert.equal(sarif.code, 1);
    assert.equal((JSON.parse(sarif.out) as { version: string }).version, '2.1.0');
  });

  it('ignores what the baseline knows, and only that', (t) => {
    const cwd = folder(t, { 'a.ts': SECRET });
    const written = scan(cwd, ['--write-baseline']);
    assert.deepEqual([written.code, written.out], [0, 'Wrote .plimsoll-baseline.json: 1 secret is now known.\n']);
    assert.deepEqual(scan(cwd, []).out, 'No secrets; scanned 2 files, 0.0 MB.\nIgnored 1 finding in the baseline.\n');
    write(cwd, { 'b.ts': ADMIN });
    const { code, out } = scan(cwd, []);
    assert.equal(code, 1);
    assert.match(out, /^b\.ts:1:1\n/);
  });

  it('says what docs/secrets.md shows, from the first scan to the baseline', (t) => {
    const sources = ['../src/admin.ts'];
    const sourcesContent = [`// Never in a browser.\nexport const ADMIN = '${ADMIN}';\n`];
    const map = JSON.stringify({ version: 3, sources, sourcesContent, mappings: '' });
    const cwd = folder(t, {
      '.env.example': `ANTHROPIC_AUTH_TOKEN=sk-ant-api03-${'x'.repeat(90)}\n`,
      'k8s/secret.yaml': `kind: Secret\ndata:\n  key: ${Buffer.from(plantedSecret(7)).toString('base64')}\n`,
      'src/client.ts': `\n\nconst claude = new Anthropic({ apiKey: '${SECRET}' });\n`,
      'package/index.js.map': map,
    });
    execFileSync('tar', ['--create', '--gzip', '--file', 'shop-1.0.0.tgz', 'package'], { cwd });
    rmSync(join(cwd, 'package'), { recursive: true });
    const page = readFileSync(join(ROOT, 'docs/secrets.md'), 'utf8');
    const shown = [...page.matchAll(/^```console\n([^]*?)^```$/gm)].map(([, text = '']) => text);
    const said = (...args: string[]): string => `$ npx plimsoll ${['scan', ...args].join(' ')}\n${scan(cwd, args).out}`;
    assert.equal(shown[0], said());
    assert.equal(shown[2], said('--write-baseline') + said());
  });

  it('refuses a file that is no baseline', (t) => {
    const cwd = folder(t, { 'known.json': '[]' });
    const { code, err } = scan(cwd, ['--baseline', 'known.json']);
    assert.equal(code, 2);
    assert.match(err, /^known\.json: expected what --write-baseline writes, got something else\n/);
    assert.equal(scan(cwd, ['--baseline', 'nowhere.json']).code, 2);
  });

  it('says which baseline cannot be written', (t) => {
    const { code, err } = scan(folder(t, { 'a.ts': SECRET }), ['--write-baseline', '--baseline', 'none/known.json']);
    assert.equal(code, 3);
    assert.equal(err, 'none/known.json: expected to write the baseline, got no such file: check the\n  path\n');
  });

  it('refuses sources that exclude each other and formats it does not have', (t) => {
    const { code, err } = scan(folder(t), ['--staged', '--history', '--format', 'xml']);
    assert.equal(code, 2);
    assert.match(err, /^scan: expected one of paths, --staged, --history, --install, got --staged,\n  --history\n/);
    assert.match(err, /--format: expected one of text, json, sarif, got "xml"\n/);
  });
});

describe('plimsoll scan --staged', () => {
  it('scans what would be committed, not what is in the folder', (t) => {
    const cwd = repository(t, { 'a.ts': `k = ${SECRET}`, 'b.ts': '' });
    git(cwd, 'add', '--all');
    write(cwd, { 'a.ts': '', 'b.ts': ADMIN });
    const { code, out } = scan(cwd, ['--staged']);
    assert.equal(code, 1);
    assert.match(out, /^a\.ts:1:5\n {2}an API key/);
    assert.doesNotMatch(out, /b\.ts/);
  });

  it('passes over files that are deleted, links to folders and what did not change', (t) => {
    const cwd = repository(t, { 'old.ts': SECRET, 'gone.ts': ADMIN });
    commit(cwd);
    rmSync(join(cwd, 'gone.ts'));
    write(cwd, { 'name with\ttab.ts': '' });
    git(cwd, 'add', '--all');
    assert.deepEqual(scan(cwd, ['--staged']), { code: 0, err: '', out: 'No secrets; scanned 1 file, 0.0 MB.\n' });
  });

  it('ends with 3 where there is no repository, and says so', (t) => {
    for (const option of ['--staged', '--history', '--install']) {
      const { code, err } = scan(folder(t), [option]);
      assert.equal(code, 3);
      const said = err.replaceAll(/\n {2}/g, ' ');
      assert.match(
        said,
        new RegExp(`^${option}: expected a folder of a git repository, got "fatal: .*": run it in one`),
      );
    }
  });
});

describe('plimsoll scan --history', () => {
  it('finds what was deleted, stashed, or written into a message, with the commit that brought it', (t) => {
    const cwd = repository(t, { 'readme.md': 'hello' });
    const first = commit(cwd);
    write(cwd, { 'src/key.ts': `\n${SECRET}` });
    const second = commit(cwd);
    rmSync(join(cwd, 'src/key.ts'));
    const third = commit(cwd, `Remove\n\nIt was ${ADMIN}`);
    write(cwd, { 'readme.md': plantedSecret(3) });
    git(cwd, 'stash');
    assert.equal(scan(cwd, []).code, 0);
    const { code, out } = scan(cwd, ['--history', '--json']);
    assert.equal(code, 1);
    const { findings } = JSON.parse(out) as { findings: { path: string; line: number; commit: string }[] };
    const found = new Map(findings.map(({ path, line, commit: id }) => [`${path}:${line}`, id]));
    assert.equal(found.get('src/key.ts:2'), second);
    assert.equal(found.get('commit message:3'), third);
    assert.ok(![first, second, third, undefined].includes(found.get('readme.md:1')));
    assert.equal(found.size, 3);
  });

  it('finds nothing in a repository without a commit', (t) => {
    assert.equal(scan(repository(t), ['--history']).code, 0);
  });
});

describe('plimsoll scan --install', () => {
  /** As an installation would put it there. */
  const install = (cwd: string): void => {
    const path = join(cwd, 'node_modules/.bin/plimsoll');
    write(cwd, {
      '.gitignore': 'node_modules/\n',
      'node_modules/.bin/plimsoll': `#!/bin/sh\nexec '${process.execPath}' --conditions=plimsoll-source '${MAIN}' "$@"\n`,
    });
    chmodSync(path, 0o755);
  };

  it('writes a hook that refuses a commit with a secret in it, and lets others pass', (t) => {
    const cwd = repository(t);
    install(cwd);
    assert.deepEqual(scan(cwd, ['--install']), {
      code: 0,
      err: '',
      out: 'Wrote .git/hooks/pre-commit: plimsoll scans each commit before git makes it.\n',
    });
    write(cwd, { 'a.ts': 'export {};' });
    commit(cwd);
    write(cwd, { 'a.ts': `const key = '${SECRET}';` });
    assert.throws(() => commit(cwd), /a\.ts:1:14/);
    assert.equal(git(cwd, 'rev-list', '--count', 'HEAD').trim(), '1');
    assert.equal(scan(cwd, ['--install']).code, 0);
  });

  it('refuses commits, and says how to go on, where plimsoll is not installed', (t) => {
    const cwd = repository(t, { 'a.ts': '' });
    scan(cwd, ['--install']);
    const path = ENV['PATH']?.split(delimiter).filter((part) => !part.includes('node_modules'));
    git(cwd, 'add', '--all');
    const env = { ...ENV, PATH: path?.join(delimiter) };
    const { status, stderr } = spawnSync('git', ['commit', '-m', 'x'], { cwd, env, encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /plimsoll is not installed, so nothing was scanned and nothing is committed\./);
  });

  it('keeps a hook that is there, and says what to add to it', (t) => {
    const cwd = repository(t, { '.githooks/pre-commit': '#!/bin/sh\nnpm test\n' });
    git(cwd, 'config', 'core.hooksPath', '.githooks');
    assert.deepEqual(scan(cwd, ['--install']), {
      code: 1,
      out: '',
      err: [
        'A hook already exists and was not changed: .githooks/pre-commit',
        'Add this line after its first line:',
        '  npx --no-install plimsoll scan --staged || exit 1',
        '',
      ].join('\n'),
    });
    assert.equal(readFileSync(join(cwd, '.githooks/pre-commit'), 'utf8'), '#!/bin/sh\nnpm test\n');
  });
});
