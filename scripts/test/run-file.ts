import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';

/**
 * A file that says nothing for so long is ended and has failed: it leaks a handle or waits for what never comes.
 * (node:test's own `timeout` is for each test: it does not end a file whose tests are done.)
 */
const SILENCE_MS = 10 * 60_000;

/** The events that are printed in full when the file has failed. */
const TELLING: readonly TestEvent['type'][] = ['test:fail', 'test:stdout', 'test:stderr', 'test:diagnostic'];

/** Files whose tests make promises by the million: see `unfollowed-promises.ts`. */
const UNFOLLOWED: readonly string[] = [
  'test/exactness/cardinality.test.ts',
  'test/monitoring/check/proof.test.ts',
  'test/scripts/chaos.test.ts',
  'test/scripts/gateway-fuzz/fuzz.test.ts',
];

/** What became of the tests of one file. */
export interface FileOutcome {
  readonly file: string;
  readonly seconds: number;
  readonly passed: number;
  /** The names of the tests that failed, each with its file. */
  readonly failures: readonly string[];
  /** The names of the tests that were skipped, each with its file and the reason. */
  readonly skipped: readonly string[];
  /** The lines that began with `not run:`: what a script could not prove here. */
  readonly notRun: readonly string[];
  /** Events for a reporter of node:test: the failures, and what the file printed. */
  readonly details: readonly TestEvent[];
}

/** Runs the tests of a file in a process of its own. Never rejects because of what the tests do. */
export async function runFile(file: string): Promise<FileOutcome> {
  const tally = {
    passed: 0,
    failures: [] as string[],
    skipped: [] as string[],
    notRun: [] as string[],
    details: [] as TestEvent[],
  };
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('ended: nothing was heard of it for 10 minutes')), SILENCE_MS);
  const startedMs = performance.now();
  const events: AsyncIterable<TestEvent> = run({
    files: [resolve(file)],
    isolation: 'process',
    signal: silence.signal,
    execArgv: UNFOLLOWED.includes(file) ? [`--import=${join(import.meta.dirname, 'unfollowed-promises.ts')}`] : [],
  });
  for await (const event of events) {
    timer.refresh();
    if (TELLING.includes(event.type) && event.data !== undefined && 'file' in event.data) tally.details.push(event);
    if (event.type === 'test:stdout') tally.notRun.push(...notRunIn(event.data.message, file));
    if (event.type === 'test:pass') countPass(event.data, tally);
    if (event.type === 'test:fail') countFailure(event.data, tally);
  }
  clearTimeout(timer);
  return { file, seconds: (performance.now() - startedMs) / 1_000, ...tally };
}

function notRunIn(printed: string, file: string): readonly string[] {
  return [...printed.matchAll(/^not run: (.+)$/gm)].map(([, what = '']) => `${what} (${file})`);
}

type Ended = 'test:pass' | 'test:fail';
type DataOf<Type extends Ended> = Extract<TestEvent, { readonly type: Type }>['data'];

interface Tally {
  passed: number;
  readonly failures: string[];
  readonly skipped: string[];
}

function countPass(event: DataOf<'test:pass'>, tally: Tally): void {
  if (event.skip !== undefined) tally.skipped.push(`${nameOf(event)}: ${reasonOf(event.skip)}`);
  else if (event.todo !== undefined) tally.skipped.push(`${nameOf(event)}: to do`);
  else if (event.details.type === 'suite') return;
  // node:test calls a file without any test a passed test that is named after the file.
  else if (event.name === event.file) tally.failures.push(`${relative('', event.file)} ran no test`);
  else tally.passed += 1;
}

function countFailure(event: DataOf<'test:fail'>, tally: Tally): void {
  const { failureType } = event.details.error as { readonly failureType?: string };
  if (event.details.type === 'suite' && failureType === 'subtestsFailed') return;
  tally.failures.push(event.name === event.file ? relative('', event.file) : nameOf(event));
}

function nameOf({ name, file }: { readonly name: string; readonly file?: string | undefined }): string {
  return `${name} (${relative('', file ?? '')})`;
}

function reasonOf(skip: string | boolean): string {
  return typeof skip === 'string' ? skip : 'no reason given';
}
