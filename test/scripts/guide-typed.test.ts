import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { serve } from 'plimsoll/http';
import { simulator } from 'plimsoll/simulator';
import { filesOf } from '../../scripts/guide/blocks.ts';

const root = join(import.meta.dirname, '..', '..');
const guide = readFileSync(join(root, 'docs', 'guide.md'), 'utf8');

/** A folder as the guide's first lines make it, and what a program of Node's prints there. */
function typed(t: test.TestContext, env: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-guide-typed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const packages = [
    ['plimsoll', root],
    ...['@anthropic-ai/sdk', 'yaml'].map((name) => [name, join(root, 'node_modules', name)]),
  ];
  for (const [name = '', to = ''] of packages) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(to, link);
  }
  return {
    async write(page: string): Promise<void> {
      for (const [file, text] of await filesOf(page)) writeFileSync(join(folder, file), text);
    },
    async node(...args: readonly string[]): Promise<string> {
      const all = ['--no-warnings', '--conditions=plimsoll-source', ...args];
      return (await promisify(execFile)(process.execPath, all, { cwd: folder, env: { ...process.env, ...env } }))
        .stdout;
    },
  };
}

test('everything that the guide says to type can be typed: the first call, and the changes with their budget', async (t) => {
  const { url, close } = await serve(simulator({ tier: 'scale' }).handle, { port: 0 });
  t.after(() => close());
  const { write, node } = typed(t, { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: 'any' });

  await write(guide.slice(0, guide.indexOf('```diff')));
  const first = await node('first.ts');
  assert.match(first, /^13 tokens in, \d+ out$/m);
  assert.match(first, /^anthropic_requests_total\{.*outcome="ok",route="chat"\} 1$/m);

  await write(guide.slice(0, guide.indexOf('## The budget runs out')));
  await node('first.ts');
  const main = join(root, 'src', 'cli', 'main.ts');
  const account = await node(main, 'budgets', '--budgets', 'budgets.yaml', '--ledger', 'budgets.db');
  assert.match(account, /\$0\.\d+ of \$12\.00/);
});
