import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { watchFile } from '../../src/cli/gateway-reload.ts';

test('a file that is written, replaced, or behind a link that is turned is seen to change, once each time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-watch-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('one'), '1');
  writeFileSync(at('two'), '2');
  symlinkSync('one', at('file'));
  let changes = 0;
  let changed = (): void => undefined;
  const unwatch = watchFile(
    at('file'),
    () => {
      changes += 1;
      changed();
    },
    1,
  );
  t.after(unwatch);
  // What is watched keeps no process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(alive));
  const next = async (change: () => void): Promise<void> => {
    const seen = new Promise<void>((resolve) => (changed = resolve));
    change();
    await seen;
  };
  await next(() => {
    symlinkSync('two', at('turned'));
    renameSync(at('turned'), at('file'));
  });
  await next(() => writeFileSync(at('two'), '3'));
  rmSync(at('file'));
  await next(() => writeFileSync(at('file'), '4'));
  assert.equal(changes, 3);
});
