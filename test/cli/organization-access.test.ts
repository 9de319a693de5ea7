import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { adminKeyOf } from '../../src/cli/organization-access.ts';
import { plantedSecret } from '../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-admin-key-'));
after(() => rmSync(folder, { recursive: true }));

const admin = (name: string): string => ['sk-ant-admin01', name, 'of-nobody-0123456789'].join('-');

test('a new admin key in its file is used, and what is none leaves the last one in use', () => {
  const path = join(folder, 'admin-key');
  const put = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  put(`${admin('first')}\n`);
  const clock = { nowMs: 0, epochMs: () => clock.nowMs, monotonicMs: () => clock.nowMs };
  const key = adminKeyOf({ ANTHROPIC_ADMIN_KEY_FILE: path }, clock);
  assert.equal(key(), admin('first'));
  for (const [text, used] of [
    [admin('second'), admin('second')],
    ['', admin('second')],
    [plantedSecret(0), admin('second')],
    [admin('third'), admin('third')],
  ] as const) {
    put(text);
    clock.nowMs += 10 * 60_000;
    assert.equal(key(), used);
  }
});

test('a file without an admin key is named in a sentence that says what it is', () => {
  const empty = join(folder, 'empty');
  writeFileSync(empty, '\n');
  for (const [path, got] of [
    [join(folder, 'none'), 'no such file: check the path'],
    [folder, 'a folder: name a file in it'],
    [empty, 'an empty one: write the admin key into it'],
  ] as const)
    assert.throws(() => adminKeyOf({ ANTHROPIC_ADMIN_KEY_FILE: path }), {
      message: `ANTHROPIC_ADMIN_KEY_FILE: expected a file with the admin key, got ${got}`,
    });
});
