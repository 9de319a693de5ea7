import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look } from '../../scripts/console-fleet/look.ts';
import { tool } from '../../testing/tools.ts';

const chrome = tool('chromium');

test('the page over a fleet shows every call of every replica, and draws frames', { skip: chrome.skip }, async () => {
  const seen = await look({ replicas: 8, series: 200, seconds: 1, chromium: chrome.path });
  assert.equal(seen.line, '8 of 8 replicas');
  assert.ok(seen.series >= 200);
  assert.equal(seen.shown, seen.made);
  assert.ok(seen.made > 0 && seen.frames.length > 1);
});
