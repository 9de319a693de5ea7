import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { madeOnce } from '../../testing/made-once.ts';

function place(t: test.TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-made-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'cache', 'made');
}

test('what many want at once is made by one of them, and nothing is left beside it', async (t) => {
  const path = place(t);
  let times = 0;
  const make = async (unfinished: string): Promise<void> => {
    times += 1;
    await Promise.resolve();
    writeFileSync(unfinished, String(times));
  };
  await Promise.all([1, 2, 3].map(() => madeOnce(path, make)));
  await madeOnce(path, make);
  assert.equal(readFileSync(path, 'utf8'), '1');
  assert.deepEqual(readdirSync(join(path, '..')), ['made']);
});

test('it has its name only when it is whole: after a failure, the next one makes it', async (t) => {
  const path = place(t);
  const fails = madeOnce(path, async (unfinished) => {
    writeFileSync(unfinished, 'half');
    await Promise.reject(new Error('no room'));
  });
  await assert.rejects(fails, /no room/);
  assert.equal(existsSync(path), false);
  await madeOnce(path, async (unfinished) => Promise.resolve(writeFileSync(unfinished, 'whole')));
  assert.equal(readFileSync(path, 'utf8'), 'whole');
});

test('a process that was killed has lost its turn', async (t) => {
  const path = place(t);
  const { pid } = spawnSync(process.execPath, ['--version']);
  await madeOnce(path, async (unfinished) => Promise.resolve(writeFileSync(unfinished, '')));
  rmSync(path);
  writeFileSync(`${path}.turn`, String(pid));
  await madeOnce(path, async (unfinished) => Promise.resolve(writeFileSync(unfinished, 'made')));
  assert.equal(readFileSync(path, 'utf8'), 'made');
});
