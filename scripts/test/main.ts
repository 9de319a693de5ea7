/**
 * `npm test [-- FILE|FOLDER…] [--remember]`: runs the tests with node:test, one process a file, two more at once than
 * there are cores, the longest first: all of `test/`, or what the arguments name. Prints a line for each file when it ends, then
 * the failures in full, what was skipped or not run and why, and last `N passed, N failed` (`, N skipped` when any).
 * The exit code is 0 only if something ran and nothing failed. A rejection that nobody handles fails its file.
 * `--remember` writes how long each file took to `durations.json`, from which the next runs tell how long they will take.
 */
import { existsSync, globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { remember, remembered } from './durations.ts';
import { runFile, type FileOutcome } from './run-file.ts';
import { clock, Schedule } from './schedule.ts';

const SLOWEST = 5;

/** Files that run at once above the number of cores: the longest ones mostly wait, for a Prometheus or a demo. */
const WAITING = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { remember: { type: 'boolean', default: false } },
});

function testFiles(paths: readonly string[]): readonly string[] {
  const named = paths.flatMap((path) => (statSync(path).isDirectory() ? globSync(join(path, '**/*.test.ts')) : [path]));
  return [...new Set(named.map((path) => relative('', path)))];
}

async function runAll(files: readonly string[]): Promise<readonly FileOutcome[]> {
  const cores = availableParallelism();
  const atOnce = cores + WAITING;
  const schedule = new Schedule(files, { remembered: remembered(), atOnce });
  const about = schedule.expectedSeconds();
  const length = about === null ? '' : `, about ${clock(about)}`;
  console.log(`${files.length} ${files.length === 1 ? 'file' : 'files'} on ${cores} cores${length}`);
  const outcomes: FileOutcome[] = [];
  const startedMs = performance.now();
  const work = async (): Promise<void> => {
    for (let file = schedule.next(); file !== undefined; file = schedule.next()) {
      const outcome = await runFile(file);
      outcomes.push(outcome);
      schedule.ended(file, outcome.seconds);
      console.log(`${schedule.progress((performance.now() - startedMs) / 1_000)}  ${lineOf(outcome)}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}

function lineOf({ file, seconds, passed, failures, skipped }: FileOutcome): string {
  const counts = [`${passed} passed`];
  if (failures.length > 0) counts.push(`${failures.length} FAILED`);
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  return `${file}: ${counts.join(', ')} in ${seconds.toFixed(1)} s`;
}

async function printFailures(outcomes: readonly FileOutcome[]): Promise<void> {
  const events = outcomes.filter(({ failures }) => failures.length > 0).flatMap(({ details }) => details);
  if (events.length > 0) await pipeline(Readable.from(events), new spec(), process.stdout, { end: false });
}

function printSlowest(outcomes: readonly FileOutcome[]): void {
  if (outcomes.length <= 2 * SLOWEST) return;
  const slowest = outcomes.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST);
  console.log(`slowest: ${slowest.map(({ file, seconds }) => `${file} ${seconds.toFixed(1)} s`).join(', ')}`);
}

/** Prints the end of a run, and returns its exit code. */
function report(outcomes: readonly FileOutcome[]): number {
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const skipped = outcomes.flatMap((outcome) => outcome.skipped);
  const failures = outcomes.flatMap((outcome) => outcome.failures);
  for (const skip of skipped) console.log(`skipped: ${skip}`);
  for (const what of outcomes.flatMap(({ notRun }) => notRun)) console.log(`not run: ${what}`);
  for (const failure of failures) console.log(`failed: ${failure}`);
  if (passed + failures.length === 0) console.log('No test ran: that is a failure.');
  console.log(`${passed} passed, ${failures.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
  return failures.length > 0 || passed === 0 ? 1 : 0;
}

// Each file has a process of its own, which then need not strip and compile anew what the others have loaded too.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../node_modules/.cache/plimsoll-compiled');

const missing = positionals.filter((path) => !existsSync(path));
if (missing.length > 0) {
  console.error(`Expected files or folders of tests, got ${missing.join(', ')}. Try: npm test -- test/observe`);
  process.exitCode = 2;
} else {
  const outcomes = await runAll(testFiles(positionals.length > 0 ? positionals : ['test']));
  if (values.remember) remember(outcomes);
  await printFailures(outcomes);
  printSlowest(outcomes);
  process.exitCode = report(outcomes);
}
