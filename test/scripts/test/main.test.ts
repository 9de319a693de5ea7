import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

const runner = join(import.meta.dirname, '..', '..', '..', 'scripts', 'test', 'main.ts');

interface Run {
  readonly status: number | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** Runs `npm test` on a folder of these files; without `NODE_TEST_CONTEXT`, which would make it part of this run. */
const runOf = (t: test.TestContext, files: Readonly<Record<string, string>>, args = ['.']): Run => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-runner-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), `import test from 'node:test';\n${text}`);
  }
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(process.execPath, [runner, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n'), stderr };
};

const passes = "test('it holds', () => {});\n";

test('a run in which everything passes exits with 0 and ends with the counts', (t) => {
  const { status, lines } = runOf(t, { 'a.test.ts': passes, 'b.test.ts': passes });
  assert.equal(lines.at(-1), '2 passed, 0 failed');
  assert.equal(status, 0);
});

test('a run of no test at all is a failure', (t) => {
  const { status, lines } = runOf(t, {});
  assert.equal(lines.at(-1), '0 passed, 0 failed');
  assert.equal(status, 1);
});

test('a file that holds no test is a failure, however many tests the others hold', (t) => {
  const { status, lines } = runOf(t, { 'a.test.ts': passes, 'empty.test.ts': '' });
  assert.deepEqual(lines.slice(-2), ['failed: empty.test.ts ran no test', '1 passed, 1 failed']);
  assert.equal(status, 1);
});

test('a failing test is named with its file at the end', (t) => {
  const { status, lines } = runOf(t, { 'a.test.ts': "test('it breaks', () => { throw new Error('no'); });" });
  assert.deepEqual(lines.slice(-2), ['failed: it breaks (a.test.ts)', '0 passed, 1 failed']);
  assert.equal(status, 1);
});

test('a suite is not counted beside its tests, and a hook that fails is', (t) => {
  const suite =
    "test.suite('s', () => { test('in it', () => {}); test('breaks', () => { throw new Error('no'); }); });";
  const hook = "test.suite('h', () => { test.after(() => { throw new Error('no'); }); test('in it', () => {}); });";
  const { lines } = runOf(t, { 'a.test.ts': suite, 'b.test.ts': hook });
  assert.equal(lines.at(-1), '2 passed, 2 failed');
});

test('skipped tests are counted apart and named with their reason', (t) => {
  const skip = "test('needs a tool', { skip: 'apt-get install tool' }, () => {});\n";
  const { status, lines } = runOf(t, { 'a.test.ts': passes + skip });
  assert.deepEqual(lines.slice(-2), [
    'skipped: needs a tool (a.test.ts): apt-get install tool',
    '1 passed, 0 failed, 1 skipped',
  ]);
  assert.equal(status, 0);
});

test('a run in which everything is skipped is a failure', (t) => {
  const { status } = runOf(t, { 'a.test.ts': "test('later', { skip: true }, () => {});" });
  assert.equal(status, 1);
});

for (const [when, text] of [
  [
    'while a test runs',
    "test('a', async () => { Promise.reject(new Error('lost')); await new Promise(setImmediate); });",
  ],
  ['after its test has ended', "test('a', () => { setImmediate(() => { Promise.reject(new Error('lost')); }); });"],
  ['outside any test', `Promise.reject(new Error('lost'));\n${passes}`],
] as const) {
  test(`a rejection that nobody handles fails the run when it comes ${when}`, (t) => {
    const { status, lines } = runOf(t, { 'a.test.ts': text });
    assert.match(lines.at(-1) ?? '', /1 failed$/);
    assert.equal(status, 1);
  });
}

test('arguments choose files and folders', (t) => {
  const { lines } = runOf(t, { 'a.test.ts': passes, 'b.test.ts': passes }, ['b.test.ts']);
  assert.equal(lines.at(-1), '1 passed, 0 failed');
});

test('an argument that names nothing is refused before anything runs', (t) => {
  const { status, stderr } = runOf(t, { 'a.test.ts': passes }, ['c.test.ts']);
  assert.match(stderr, /Expected files or folders of tests, got c\.test\.ts/);
  assert.equal(status, 2);
});
