import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { consoleHandler } from '../../src/console/handler.ts';
import type { View } from '../../src/console/view.ts';

const NOW_MS = Date.UTC(2026, 10, 26, 12);
const HOUR_MS = 3_600_000;

test('without a Prometheus an older moment is unknown, and one in memory widens the range until it is in it', async () => {
  let nowMs = NOW_MS;
  const clock = { epochMs: () => nowMs, monotonicMs: () => nowMs };
  const handle = consoleHandler({ registry: new Registry(), clock });
  const view = async (query: string): Promise<View> =>
    (await (await handle(new Request(`http://localhost/data?${query}`))).json()) as View;
  nowMs += 1_800_000;
  const old = await view(`range=86400&at=${new Date(NOW_MS - HOUR_MS).toISOString()}`);
  assert.deepEqual([old.pinned, old.prometheus, old.rangeSeconds], ['unknown', null, 3_600]);
  const known = await view(`range=60&at=${new Date(NOW_MS + 1_200_000).toISOString()}`);
  assert.deepEqual([known.pinned, known.rangeSeconds], ['shown', 900]);
});
