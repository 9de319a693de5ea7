import type { Finding } from '../scan/finding.ts';
import type { Scan } from '../scan/scan.ts';
import { gitOutput, gitText } from './git.ts';

interface GitObject {
  readonly id: string;
  readonly name: string;
  /** What findings in it bear in place of a commit. */
  readonly origin: string | null;
}

/** Scans the files that are staged, as they stand in the index. Throws `GitError` outside a git work tree. */
export async function scanStaged(scan: Scan): Promise<void> {
  // Without --no-renames a renamed file would have two names here.
  const raw = await gitText(['diff', '--cached', '--raw', '-z', '--no-abbrev', '--no-renames', '--diff-filter=d']);
  const fields = raw.split('\0');
  const staged: GitObject[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, newMode = '', , id = ''] = (fields[at] ?? '').split(' ');
    // A submodule's commit is no object of this repository.
    if (newMode !== '160000') staged.push({ id, name: fields[at + 1] ?? '', origin: null });
  }
  await scanObjects(scan, staged);
}

/**
 * Scans every file there ever was on a branch, a tag, a stash or in the reflog, and every commit's message. Each content
 * is scanned once, under the first name that git gives it. What comes back are the findings with the oldest commit that
 * has them.
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

/** The lines of `git rev-list`: an id, and a name where there is one. */
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
 * The contents that `git cat-file --batch` writes, one by one; `null` for an object that is missing. Of a commit it is
 * the message.
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
