import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { lstat, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, unreadable } from '../errors.ts';
import type { Scan } from '../scan/scan.ts';
import type { Finding } from '../scan/secret-scanner.ts';

/** Larger files are read in pieces, and not opened as archives. */
const LARGEST_WHOLE_BYTES = 256 << 20;

/** Scans files, folders, and in folders the files that git would add. Unreadable files are reported as skipped. */
export async function scanPaths(scan: Scan, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      // A link is followed if it is named, not if it is found in a folder.
      const named = await stat(path);
      if (named.isDirectory()) await scanFolder(scan, path);
      else if (named.isFile()) await scanFile(scan, path);
      // A pipe or a device may have no end, and may never begin.
      else scan.skip(path, 'no regular file; - is standard input');
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

/** The files of a folder that git has or would add; `null` if git does not know the folder, or ignores all of it. */
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

/** A file in git's index that is not in the folder is no failure; neither is a link, a pipe, a socket or a submodule. */
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
  return codeOf(error) === 'ENOENT' ? 'no such file or folder' : unreadable(error).got;
}

/** Git is missing, or failed: `message` is its last line. */
export class GitError extends Error {
  readonly code = 'PLIMSOLL_GIT';

  constructor(message: string) {
    super(message);
    this.name = 'GitError';
  }
}

/** Options of a git command. */
interface GitRun {
  /** Default: the current folder. */
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Why git does not take the current folder for one of a repository, in its own words; `null` if it does. */
export async function gitRefusal(): Promise<string | null> {
  try {
    await gitText(['rev-parse', '--git-dir']);
    return null;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return error.message;
  }
}

/** Runs git and streams its output. Throws `GitError` if git fails; git ends when the reader stops. */
async function* gitOutput(args: readonly string[], { cwd, stdin = '' }: GitRun = {}): AsyncGenerator<Buffer> {
  const child = spawn('git', args, { ...(cwd !== undefined && { cwd }), stdio: 'pipe' });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', () => reject(new GitError('git was not found: install it, or name files to scan.')));
    child.once('close', resolve);
  });
  ended.catch(() => undefined); // awaited below, when the output is over
  // If git ends early, its own message says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    if ((await ended) !== 0) throw new GitError(said.trim().split('\n').at(-1) ?? '');
  } finally {
    child.kill();
  }
}

/** Returns all output of git as a text. */
export async function gitText(args: readonly string[], run: GitRun = {}): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of gitOutput(args, run)) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

interface GitObject {
  readonly id: string;
  readonly name: string;
  /** Replaces the commit in its findings. */
  readonly origin: string | null;
}

/** Scans the staged files, as they are in the index. Throws `GitError` outside a git work tree. */
export async function scanStaged(scan: Scan): Promise<void> {
  // Without --no-renames, a renamed file would have two names here.
  const raw = await gitText(['diff', '--cached', '--raw', '-z', '--no-abbrev', '--no-renames', '--diff-filter=d']);
  const fields = raw.split('\0');
  const staged: GitObject[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, newMode = '', , id = ''] = (fields[at] ?? '').split(' ');
    // A submodule's commit is not an object of this repository.
    if (newMode !== '160000') staged.push({ id, name: fields[at + 1] ?? '', origin: null });
  }
  await scanObjects(scan, staged);
}

/**
 * Scans every version of every file on any branch, tag, stash or in the reflog, and every commit message. Each content
 * is scanned once, under the first name that git reports. Returns the findings with the oldest commit that has them.
 */
export async function scanHistory(scan: Scan): Promise<readonly Finding[]> {
  const all = ['rev-list', '--all', '--reflog'];
  const blobs = listed(await gitText([...all, '--objects', '--filter=object:type=blob', '--filter-provided-objects']));
  const commits = listed(await gitText(all)).map(({ id }) => ({ id, name: 'commit message', origin: id }));
  await scanObjects(scan, [...blobs, ...commits]);
  const commitOf = new Map<string | null, string | null>(commits.map(({ id }) => [id, id]));
  const findings: Finding[] = [];
  for (const finding of scan.result.findings) {
    const { commit: origin } = finding;
    if (origin !== null && !commitOf.has(origin)) commitOf.set(origin, await oldestCommit(origin));
    findings.push({ ...finding, commit: commitOf.get(origin) ?? null });
  }
  return findings;
}

async function oldestCommit(blob: string): Promise<string | null> {
  const log = await gitText([
    'log',
    '--all',
    '--reflog',
    '-m',
    '--topo-order',
    '--reverse',
    '--format=%H',
    `--find-object=${blob}`,
  ]);
  return log.split('\n')[0] || null;
}

/** The lines of `git rev-list`: an id, and a name if there is one. */
function listed(list: string): readonly GitObject[] {
  const lines = list.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [id = ''] = line.split(' ', 1);
    return { id, name: line.slice(id.length + 1), origin: id };
  });
}

async function scanObjects(scan: Scan, wanted: readonly GitObject[]): Promise<void> {
  if (wanted.length === 0) return;
  const stdin = wanted.map(({ id }) => `${id}\n`).join('');
  let at = 0;
  for await (const bytes of contents(gitOutput(['cat-file', '--batch'], { stdin }))) {
    const object = wanted[at++];
    if (object === undefined) break;
    if (bytes === null) scan.skip(object.name, 'git does not have it');
    else scan.add({ name: object.name, bytes, commit: object.origin });
  }
}

/**
 * Yields the contents that `git cat-file --batch` writes; `null` for a missing object. The content of a commit is its
 * message.
 */
async function* contents(output: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let pieces: Buffer[] = [];
  let length = 0;
  let needed = 0;
  for await (const piece of output) {
    pieces.push(piece);
    length += piece.length;
    if (length < needed) continue;
    let rest = pieces.length === 1 ? piece : Buffer.concat(pieces);
    for (;;) {
      const head = rest.indexOf(0x0a);
      if (head === -1) break;
      const [, type, size] = rest.toString('latin1', 0, head).split(' ');
      const isMissing = type === 'missing';
      needed = isMissing ? head + 1 : head + 1 + Number(size) + 1;
      if (rest.length < needed) break;
      const content = rest.subarray(head + 1, needed - 1);
      yield isMissing ? null : type === 'commit' ? content.subarray(content.indexOf('\n\n') + 2) : content;
      rest = rest.subarray(needed);
      needed = 0;
    }
    pieces = [rest];
    length = rest.length;
  }
}
