/** Programs that Debian has not, as Go builds them from their modules. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Kept, so that the next run finds what was built. */
const folder = join(tmpdir(), 'plimsoll-second-opinions');
export const bin = join(folder, 'bin');

export interface GoProgram {
  readonly name: string;
  readonly path: string;
  readonly version: string;
}

/** Why the program is not there; `null` where it is in `bin`. */
export function notBuilt({ name, path, version }: GoProgram): string | null {
  if (existsSync(join(bin, name))) return null;
  const cwd = join(folder, name);
  mkdirSync(bin, { recursive: true });
  mkdirSync(cwd, { recursive: true });
  // In a module of its own: `go install` refuses what replaces modules.
  if (!existsSync(join(cwd, 'go.mod'))) go(cwd, ['mod', 'init', 'plimsoll-second-opinions']);
  return go(cwd, ['get', `${path}@${version}`]) ?? go(cwd, ['build', '-o', join(bin, name), path]);
}

/** What Go says last when it fails; `null` where it does what it is told. */
function go(cwd: string, args: readonly string[]): string | null {
  const env = { ...process.env, GOFLAGS: '-mod=mod' };
  const { status, error, stderr } = spawnSync('go', args, { cwd, env, encoding: 'utf8' });
  if (error !== undefined) return 'code' in error && error.code === 'ENOENT' ? 'Go is not installed' : error.message;
  return status === 0 ? null : (stderr.trim().split('\n').at(-1)?.trim() ?? `go ${args[0]} failed`);
}
