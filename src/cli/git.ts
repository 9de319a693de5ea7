import { spawn } from 'node:child_process';

/** Git is not there, or refused: `message` is the last line that it said. */
export class GitError extends Error {
  readonly code = 'PLIMSOLL_GIT';

  constructor(message: string) {
    super(message);
    this.name = 'GitError';
  }
}

/** How git is run. */
export interface GitRun {
  /** Default: the present folder. */
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Runs git and gives its output as it comes. Throws `GitError` where git fails; a reader that stops ends git. */
export async function* gitOutput(args: readonly string[], { cwd, stdin = '' }: GitRun = {}): AsyncGenerator<Buffer> {
  const child = spawn('git', args, { ...(cwd !== undefined && { cwd }), stdio: 'pipe' });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', () => reject(new GitError('git is not to be found: install it, or name files to scan.')));
    child.once('close', resolve);
  });
  ended.catch(() => undefined); // awaited below, when the output is over
  // A git that ends early says why itself.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    if ((await ended) !== 0) throw new GitError(said.trim().split('\n').at(-1) ?? '');
  } finally {
    child.kill();
  }
}

/** All that git says, as a text. */
export async function gitText(args: readonly string[], run: GitRun = {}): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of gitOutput(args, run)) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}
