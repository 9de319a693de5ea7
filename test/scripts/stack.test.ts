import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';

const root = join(import.meta.dirname, '..', '..');

async function stack(...args: readonly string[]) {
  const entry = join(root, 'scripts', 'stack.ts');
  const child = spawn(process.execPath, ['--conditions=plimsoll-source', entry, ...args], { cwd: root });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

test('the help of the stack names every port that it takes and what is missing, and starts nothing', async () => {
  const { code, out, err } = await stack('--help');
  assert.deepEqual([code, err], [0, '']);
  for (const port of [8080, 9090, 9093, 9464]) assert.match(out, new RegExp(`\\b${port}\\b`));
  assert.match(out, /Grafana, .* is in docker compose only/);
  assert.doesNotMatch(out, /is up/);
});

test('the stack names a port that another program uses, before it starts anything', async (t) => {
  const other = createServer().listen(9093, '127.0.0.1');
  // Where it cannot be taken, another program has it already, and the same is to be said.
  await Promise.race([once(other, 'listening'), once(other, 'error')]).catch(() => undefined);
  t.after(() => other.close());
  const { code, out, err } = await stack();
  assert.deepEqual([code, out], [3, '']);
  assert.match(err, /^Port 9093 is in use: stop the program that has it; --help says what is where\.$/m);
  assert.doesNotMatch(err, /prometheus|alertmanager/i);
});
