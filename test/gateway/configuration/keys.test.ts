import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { currentKey } from '../../../src/gateway/configuration/keys.ts';
import { plantedSecret } from '../../../testing/planted.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-key-'));
after(() => rmSync(folder, { recursive: true }));

const [FIRST, SECOND, THIRD] = [plantedSecret(0), plantedSecret(7), plantedSecret(14)];

function kept(name: string) {
  let nowMs = 0;
  const file = join(folder, name);
  writeFileSync(file, FIRST);
  const key = currentKey({ text: FIRST, file }, { epochMs: () => 0, monotonicMs: () => nowMs });
  return { file, key: (): string => ((nowMs += 5_000), key()), atOnce: key };
}

test('a key that is rotated in its file is used without a restart, five seconds later', () => {
  const { file, key, atOnce } = kept('rotated');
  assert.equal(key(), FIRST);
  writeFileSync(`${file}.new`, `${SECOND}\n`);
  renameSync(`${file}.new`, file);
  assert.equal(atOnce(), FIRST);
  assert.equal(key(), SECOND);
  assert.equal(atOnce(), SECOND);
});

test('a key that is replaced through a symbolic link is used, as clusters replace secrets', () => {
  const { file, key } = kept('first');
  const link = join(folder, 'link');
  symlinkSync(file, link);
  let nowMs = 0;
  const linked = currentKey({ text: FIRST, file: link }, { epochMs: () => 0, monotonicMs: () => (nowMs += 5_000) });
  assert.equal(linked(), FIRST);
  writeFileSync(join(folder, 'second'), THIRD);
  symlinkSync(join(folder, 'second'), `${link}.new`);
  renameSync(`${link}.new`, link);
  assert.equal(linked(), THIRD);
  assert.equal(key(), FIRST);
});

test('a file without a key leaves the last key in use, until there is another', () => {
  const { file, key } = kept('lost');
  for (const text of ['', 'sk-ant-api03-cut', '<REPLACE_WITH_KEY>']) {
    writeFileSync(file, text);
    assert.equal(key(), FIRST);
  }
  rmSync(file);
  assert.equal(key(), FIRST);
  writeFileSync(file, SECOND);
  assert.equal(key(), SECOND);
});

test('a file without a key says what is wrong with it, until there is another', () => {
  const { file, key, atOnce } = kept('faulty');
  const faultAfter = (change: () => void) => {
    change();
    key();
    return atOnce.fault?.();
  };
  assert.equal(
    faultAfter(() => undefined),
    null,
  );
  assert.equal(
    faultAfter(() => writeFileSync(file, ' \n')),
    'key_file_empty',
  );
  assert.equal(
    faultAfter(() => writeFileSync(file, '<REPLACE_WITH_KEY>')),
    'key_file_unusable',
  );
  assert.equal(
    faultAfter(() => rmSync(file)),
    'key_file_unreadable',
  );
  assert.equal(
    faultAfter(() => writeFileSync(file, SECOND)),
    null,
  );
});

test('a key from a variable stays what it was', () => {
  assert.equal(currentKey({ text: FIRST, file: null })(), FIRST);
});
