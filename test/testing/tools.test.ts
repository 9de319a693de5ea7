import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { tool } from '../../testing/tools.ts';

const folderWith = (t: test.TestContext, program: string, mode: number): string => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-tools-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, program), '#!/bin/sh\n', { mode });
  return folder;
};

test('a tool is found under the name that Debian gives it', (t) => {
  const PATH = folderWith(t, 'prometheus-alertmanager', 0o755);
  const alertmanager = tool('alertmanager', { PATH: `/nowhere:${PATH}` });
  assert.equal(alertmanager.path, join(PATH, 'prometheus-alertmanager'));
  assert.equal(alertmanager.skip, false);
});

test('a tool that is missing skips its tests and names the line that installs it', () => {
  const promtool = tool('promtool', { PATH: '/nowhere' });
  assert.equal(promtool.skip, 'promtool is not installed: apt-get install prometheus');
});

test('under CI a tool that is missing fails its tests instead', () => {
  const redis = tool('redis-server', { PATH: '/nowhere', CI: 'true' });
  assert.equal(redis.skip, false);
  assert.throws(() => redis.path, /redis-server is not installed: apt-get install redis-server/);
});

test('CI=false is not CI', () => {
  assert.notEqual(tool('chromium', { PATH: '/nowhere', CI: 'false' }).skip, false);
});

test('a file that cannot be executed is not the tool', (t) => {
  const PATH = folderWith(t, 'promtool', 0o644);
  assert.notEqual(tool('promtool', { PATH }).skip, false);
});
