import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scan } from '../scan/scan.ts';
import { GitError, gitText } from './git.ts';

/** Larger files are read piece by piece, and not opened as archives. */
const LARGEST_WHOLE_BYTES = 256 << 20;

/** Scans files, folders and what git would add of them. What cannot be read is noted as skipped. */
export async function scanPaths(scan: Scan, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      // A link that is named is followed, one that is met is not.
      if ((await stat(path)).isDirectory()) await scanFolder(scan, path);
      else await scanFile(scan, path);
    } catch (error) {
      scan.skip(path, reasonOf(error));
    }
  }
}

async function scanFolder(scan: Scan, folder: string): Promise<void> {
  const tracked = await addable(folder);
  if (tracked === null) return walk(scan, folder);
  for (const name of tracked) await scanMet(scan, folder === '.' ? name : join(folder, name));
}

/** What git has or would add of a folder; `null` where git does not know the folder, or ignores all of it. */
async function addable(folder: string): Promise<readonly string[] | null> {
  try {
    if (await isIgnored(folder)) return null;
    const list = await gitText(['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: folder });
    return [...new Set(list.split('\0').filter((name) => name !== ''))];
  } catch (error) {
    if (error instanceof GitError) return null;
    throw error;
  }
}

async function isIgnored(folder: string): Promise<boolean> {
  try {
    await gitText(['check-ignore', '--quiet', '.'], { cwd: folder });
    return true;
  } catch (error) {
    if (error instanceof GitError) return false;
    throw error;
  }
}

async function walk(scan: Scan, folder: string): Promise<void> {
  for (const name of (await readdir(folder)).sort()) if (name !== '.git') await scanMet(scan, join(folder, name));
}

/** A file that is in git's index and not in the folder is no failure; neither is a link, a socket or a submodule. */
async function scanMet(scan: Scan, path: string): Promise<void> {
  try {
    const met = await lstat(path);
    if (met.isDirectory()) await walk(scan, path);
    else if (met.isFile()) await scanFile(scan, path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') scan.skip(path, reasonOf(error));
  }
}

async function scanFile(scan: Scan, path: string): Promise<void> {
  const { size } = await stat(path);
  if (size <= LARGEST_WHOLE_BYTES) return scan.add({ name: path, bytes: await readFile(path) });
  await scan.addStream(path, createReadStream(path, { highWaterMark: 8 << 20 }) as AsyncIterable<Buffer>);
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'no such file or folder';
  if (code === 'EACCES') return 'may not be read';
  return typeof code === 'string' ? code : 'cannot be read';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
