import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
    mkdirSync(dirname(join(folder, name)), { recursive: true });
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

test('each file has a line when it ends, with its place in the run, its counts and its seconds', (t) => {
  const { lines } = runOf(t, { 'a.test.ts': passes, 'b.test.ts': passes });
  assert.match(lines.at(0) ?? '', /^2 files on \d+ cores$/);
  assert.deepEqual(
    lines.slice(1, -1).map((line) =>
      line
        .replace(/ \d:\d\d( of about \d:\d\d)? /, ' M:SS ')
        .replace(/[\d.]+ s$/, 'N s')
        .replace(/(a|b)(?=\.test)/, 'X'),
    ),
    ['[1/2] M:SS  X.test.ts: 1 passed in N s', '[2/2] M:SS  X.test.ts: 1 passed in N s'],
  );
});

test('a file that passes says nothing else, and what one printed that fails is shown with its failure', (t) => {
  const { lines } = runOf(t, {
    'a.test.ts': "test('quiet', () => console.log('said by a'));",
    'b.test.ts': "test('loud', () => { console.log('said by b'); throw new Error('for this reason'); });",
  });
  const text = lines.join('\n');
  assert.doesNotMatch(text, /said by a/);
  assert.match(text, /said by b[^]*✖ failing tests:[^]*b\.test\.ts[^]*✖ loud[^]*Error: for this reason/);
});

test('an error that nobody caught fails its file where promises are not followed, too', (t) => {
  const text = (file: string): string => `
import { executionAsyncId } from 'node:async_hooks';
test('loses an error in ${file}', async () => {
  await null;
  const before = executionAsyncId();
  await null;
  console.log('followed: ' + (executionAsyncId() !== before));
  setTimeout(() => Promise.reject(new Error('lost')), 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
});`;
  const { status, lines } = runOf(t, {
    'followed.test.ts': text('one'),
    'test/scripts/chaos.test.ts': text('other'),
  });
  assert.deepEqual(lines.filter((line) => line.startsWith('followed: ')).sort(), ['followed: false', 'followed: true']);
  assert.ok(lines.includes('failed: test/scripts/chaos.test.ts'), lines.join('\n'));
  assert.equal(lines.at(-1), '1 passed, 2 failed');
  assert.equal(status, 1);
});

test('the slowest files are named at the end of a run of many', (t) => {
  const files = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`${index}.test.ts`, passes]));
  const [slowest = ''] = runOf(t, files).lines.slice(-2);
  assert.match(slowest, /^slowest: (\d+\.test\.ts [\d.]+ s(, )?){5}$/);
});

test('a run without any test is a failure', (t) => {
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

test('what a test says that it did not run is summed up at the end', (t) => {
  const { status, lines } = runOf(t, {
    'a.test.ts': "test('some', () => console.log('ran: one\\nnot run: the other: there is no Docker'));",
    'b.test.ts': passes,
  });
  assert.equal(status, 0);
  assert.deepEqual(
    lines.slice(-2).map((line) => line.replace(/\(.*\)/, '(FILE)')),
    ['not run: the other: there is no Docker (FILE)', '2 passed, 0 failed'],
  );
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
