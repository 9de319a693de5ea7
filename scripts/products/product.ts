/** What the products share: where they are installed, and how they are run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Ending } from '../../testing/adopting.ts';
import { ran } from '../../testing/examples/programs.ts';

export const KINDS = ['bundler', 'runtime', 'test runner', 'peers'] as const;

/** A product of others that the program of the README is built with, run by, or tested by, or the peers of plimsoll. */
export interface Product {
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  /** What npm installs for it; `plimsoll` is the packed package. */
  readonly packages: readonly string[];
  /** Throws where it does not work as the README and the page on frameworks say; returns what was seen. */
  readonly prove: (bench: Bench) => Promise<string>;
}

export interface Bench extends Ending {
  /** Has the product installed. */
  readonly folder: string;
  /** A project with the packed package, and the program of the README with a metric of its own, compiled: `own-metric.js`. */
  readonly app: string;
}

/** Why the packages cannot be installed there; `null` where they are. */
export async function notInstalled(folder: string, packages: readonly string[]): Promise<string | null> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const { code, err } = await ran('npm', ['install', ...quiet, ...packages], { cwd: folder, env: process.env });
  return code === 0 ? null : (err.trim().split('\n')[0] ?? 'npm failed');
}

/** The Node that runs this comes first: the machine's own may be older than plimsoll takes. */
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;

/** Runs a program of the product to its end, and throws with what it said where that was not well. */
export async function done(folder: string, command: readonly string[]): Promise<string> {
  const [program = '', ...args] = command;
  const bin = join(folder, 'node_modules', '.bin', program);
  const env = { ...process.env, PATH, CI: 'true', NO_COLOR: '1' };
  const { code, out, err } = await ran(bin, args, { cwd: folder, env });
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${out}\n${err}`);
  return out + err;
}
