/**
 * Runs the tests with node:test, one process a file: all of `test/`, or what the arguments name (files or folders).
 * Ends with what was skipped and why, and `N passed, N failed` (`, N skipped` when any) on a line of its own.
 * The exit code is 0 only if something ran and nothing failed. A rejection that nobody handles fails its file.
 */
import { existsSync, globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/**
 * When nothing has been heard for so long, the files that still run are ended and have failed: they leak a handle or
 * wait for what never comes. (node:test's own `timeout` is for each test: it does not end a file whose tests are done.)
 */
const SILENCE_MS = 10 * 60_000;

interface Outcome {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly skipped: readonly string[];
}

const testFiles = (paths: readonly string[]): readonly string[] =>
  paths.flatMap((path) =>
    statSync(path).isDirectory() ? globSync(join(path, '**/*.test.ts')).map((file) => resolve(file)) : [resolve(path)],
  );

const runFiles = async (files: readonly string[]): Promise<Outcome> => {
  let passed = 0;
  const failures: string[] = [];
  const skipped: string[] = [];
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('ended: nothing was heard of it for 10 minutes')), SILENCE_MS);
  const tests = run({ files, concurrency: availableParallelism(), isolation: 'process', signal: silence.signal });
  tests.on('data', () => timer.refresh());
  tests.on('test:pass', (event) => {
    const name = `${event.name} (${relative('', event.file ?? '')})`;
    if (event.skip !== undefined) skipped.push(`${name}: ${reason(event.skip)}`);
    else if (event.todo !== undefined) skipped.push(`${name}: to do`);
    else if (event.details.type === 'suite') return;
    // node:test calls a file without any test a passed test that is named after the file.
    else if (event.name === event.file) failures.push(`${relative('', event.file)} ran no test`);
    else passed += 1;
  });
  tests.on('test:fail', (event) => {
    const { failureType } = event.details.error as { readonly failureType?: string };
    if (event.details.type === 'suite' && failureType === 'subtestsFailed') return;
    failures.push(
      event.name === event.file ? relative('', event.file) : `${event.name} (${relative('', event.file ?? '')})`,
    );
  });
  await pipeline(tests, new spec(), process.stdout, { end: false });
  clearTimeout(timer);
  return { passed, failures, skipped };
};

const reason = (skip: string | boolean): string => (typeof skip === 'string' ? skip : 'no reason given');

const report = ({ passed, failures, skipped }: Outcome): void => {
  for (const skip of skipped) console.log(`skipped: ${skip}`);
  for (const failure of failures) console.log(`failed: ${failure}`);
  if (passed + failures.length === 0) console.log('No test ran: that is a failure.');
  console.log(`${passed} passed, ${failures.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
};

const paths = process.argv.slice(2);
const missing = paths.filter((path) => !existsSync(path));
if (missing.length > 0) {
  console.error(`Expected files or folders of tests, got ${missing.join(', ')}. Try: npm test -- test/observe`);
  process.exitCode = 2;
} else {
  const outcome = await runFiles(testFiles(paths.length > 0 ? paths : ['test']));
  report(outcome);
  if (outcome.failures.length > 0 || outcome.passed === 0) process.exitCode = 1;
}
