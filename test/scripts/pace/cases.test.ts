/** The short form of the proof of `scripts/pace`: one seed and few minutes. The long one is in docs/resilience.md. */
import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { LOADS, SETTINGS, mean, missed, worstOf, type Goal } from '../../../scripts/pace/cases.ts';
import { writtenTables } from '../../../scripts/pace/main.ts';
import type { RunOptions } from '../../../scripts/pace/run.ts';

const SHORT: Partial<RunOptions> = { minutes: 7, warmUp: 1 };
const [TWICE] = LOADS.filter(({ load, shape }) => load === 2 && shape === 'steady');

function figures(options: Partial<RunOptions>) {
  assert.ok(TWICE !== undefined);
  return mean({ ...SHORT, ...options }, TWICE, [1001]);
}

const [AT_ONCE] = SETTINGS.map(({ goal }) => goal);

function misses(options: Partial<RunOptions>, goal: Goal | null | undefined = AT_ONCE): readonly string[] {
  assert.ok(goal);
  // The goals are for means: six minutes of one seed have a few large calls more or less.
  return missed(worstOf([figures(options)]), { ...goal, goodput: goal.goodput - 0.05 });
}

describe('at twice the limit, of a seed that nobody had looked at,', () => {
  test('a pace reaches its goals where each limit binds, and retries alone do not', () => {
    for (const binding of ['inputTokens', 'outputTokens', 'requests'] as const)
      assert.deepEqual(misses({ binding }), []);
    for (const strategy of ['sdk', 'article', 'plimsoll'] as const) {
      assert.deepEqual(misses({ strategy }), ['refused'], strategy);
      assert.ok(figures({ strategy }).refused > 0.2, strategy);
    }
  });

  test('a pace reaches them with 20 processes and a store, and where its estimates are wrong by half or twice', () => {
    assert.deepEqual(misses({ processes: 20 }), []);
    for (const estimateFactor of [0.5, 2]) assert.deepEqual(misses({ estimateFactor }), []);
  });

  test('a pace reaches those of fixed windows, and of servers that answer one request in twenty with 529', () => {
    const windows = SETTINGS.find(({ name }) => name === 'fixed windows');
    assert.deepEqual(misses({ limiter: { refill: 'window' } }, windows?.goal), []);
    assert.deepEqual(misses({ overloaded: 0.05 }), []);
  });
});

test('the manual has a row for each setting, which says what its own figures say of the goal', () => {
  const rows = writtenTables()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  for (const { name, goal } of SETTINGS) {
    const [, , goodput = '', refused = '', slowdown = '', , verdict = ''] =
      rows.find((cells) => cells[1] === name) ?? [];
    assert.match(goodput, /^\d+\.\d%$/, name);
    if (goal === null) {
      assert.equal(verdict, 'none');
      continue;
    }
    // A figure that rounds to the goal may be on either side of it.
    const isMet =
      Number.parseFloat(goodput) >= goal.goodput * 100 &&
      Number.parseFloat(refused) <= goal.refused * 100 &&
      Number.parseFloat(slowdown) <= goal.slowdown;
    assert.equal(verdict.endsWith(': reached'), isMet, `${name}: ${verdict}`);
  }
});
