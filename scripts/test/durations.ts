import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { FileOutcome } from './run-file.ts';

const PATH = new URL('durations.json', import.meta.url);

/** Seconds that each test file took when they were last written. A file that is not among them is a short one. */
export type Durations = Readonly<Record<string, number>>;

/** Shorter ones are not written: what they take is in the noise, and their lines would change with each writing. */
const LEAST_SECONDS = 2;

/** What a file takes that is not written: about the median. */
export const SHORT_SECONDS = 0.8;

export function remembered(): Durations {
  return existsSync(PATH) ? (JSON.parse(readFileSync(PATH, 'utf8')) as Durations) : {};
}

/** Writes how long the files took that ran, in whole seconds; the others keep what is written of them. */
export function remember(outcomes: readonly Pick<FileOutcome, 'file' | 'seconds'>[]): void {
  const ran = Object.fromEntries(outcomes.map(({ file, seconds }) => [file, Math.round(seconds)]));
  const all = Object.entries({ ...remembered(), ...ran }).filter(([file, s]) => s >= LEAST_SECONDS && existsSync(file));
  all.sort(([one], [other]) => (one < other ? -1 : 1));
  writeFileSync(PATH, `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
}
