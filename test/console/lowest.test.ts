import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lowest } from '../../src/console/lowest.ts';
import { Paced } from '../../src/console/paced.ts';

const AT_MS = Date.UTC(2026, 10, 26, 12);

test('the lowest of a limit is kept, however many others a page invents, and those take no room without end', () => {
  const lowest = new Lowest();
  lowest.see('real', 7, AT_MS);
  for (let id = 0; id < 10_000; id += 1) lowest.see(`invented ${id}`, 1, AT_MS);
  lowest.see('real', 3, AT_MS);
  const found = lowest.since(AT_MS);
  assert.deepEqual([found.get('real'), found.size], [3, 2_000]);
});

test('so it is with waits of lanes that a page invents', () => {
  const paced = new Paced();
  const wait = (lane: string): void => paced.waited({ lane, cause: 'requests', count: 1, seconds: 1_000 }, AT_MS);
  wait('real');
  for (let lane = 0; lane < 10_000; lane += 1) wait(`invented ${lane}`);
  wait('real');
  const { waits } = paced.since(AT_MS);
  assert.deepEqual([waits.find(({ lane }) => lane === 'real')?.count, waits.length], [2, 500]);
});
