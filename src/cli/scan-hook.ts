import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gitText } from './scan-files.ts';

const MARK = '# Written by plimsoll scan --install';

const HOOK = `#!/bin/sh
${MARK}: a commit with an Anthropic secret in it is refused.
for plimsoll in node_modules/.bin/plimsoll plimsoll; do
  if command -v "$plimsoll" >/dev/null; then
    "$plimsoll" scan --staged && exit 0
    echo 'Nothing was committed. To allow a secret that is already revoked, run' >&2
    echo 'plimsoll scan --staged --write-baseline' >&2
    exit 1
  fi
done
echo 'plimsoll is not installed, so nothing was scanned and nothing is committed.' >&2
echo 'Install it (npm install), or commit unscanned: git commit --no-verify' >&2
exit 1
`;

/** The result, as lines to print. */
interface Installed {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

/**
 * Writes git's pre-commit hook, where `core.hooksPath` says. An existing hook of another tool is kept, and the lines
 * say what to add to it. Throws `GitError` outside a git work tree.
 */
export async function installHook(): Promise<Installed> {
  const top = (await gitText(['rev-parse', '--show-toplevel'])).trim();
  const hooks = (await gitText(['rev-parse', '--path-format=absolute', '--git-path', 'hooks'])).trim();
  const path = join(hooks, 'pre-commit');
  const shown = path.startsWith(`${top}/`) ? path.slice(top.length + 1) : path;
  const present = await textOf(path);
  if (present !== null && !present.includes(MARK)) return { ok: false, lines: kept(shown) };
  await mkdir(hooks, { recursive: true });
  await writeFile(path, HOOK);
  await chmod(path, 0o755);
  return { ok: true, lines: [`Wrote ${shown}: plimsoll scans each commit before git makes it.`] };
}

function kept(shown: string): readonly string[] {
  return [
    `A hook already exists and was not changed: ${shown}`,
    'Add this line after its first line:',
    '  npx --no-install plimsoll scan --staged || exit 1',
  ];
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
