import assert from 'node:assert/strict';
import test from 'node:test';
import { clock, Schedule } from '../../../scripts/test/schedule.ts';

const remembered = { 'long.test.ts': 60, 'middle.test.ts': 20, 'other.test.ts': 10 };

const order = (schedule: Schedule): readonly (string | undefined)[] => Array.from({ length: 4 }, () => schedule.next());

test('the longest files begin first, and one that nobody has timed counts as short', () => {
  const files = ['other.test.ts', 'new.test.ts', 'long.test.ts', 'middle.test.ts'];
  const expected = ['long.test.ts', 'middle.test.ts', 'other.test.ts', 'new.test.ts'];
  assert.deepEqual(order(new Schedule(files, { remembered, atOnce: 2 })), expected);
});

test('a run takes as long as its files over all cores, and never less than its longest file', () => {
  const files = ['other.test.ts', 'middle.test.ts'];
  assert.equal(new Schedule(files, { remembered, atOnce: 2 }).expectedSeconds(), 20);
  assert.equal(new Schedule(Object.keys(remembered), { remembered, atOnce: 1 }).expectedSeconds(), 90);
});

test('what is left is expected at the pace of this machine so far', () => {
  const schedule = new Schedule(Object.keys(remembered), { remembered, atOnce: 1 });
  schedule.ended('other.test.ts', 20);
  assert.equal(schedule.expectedSeconds(), 160);
  assert.equal(schedule.progress(20), '[1/3] 0:20 of about 3:00');
});

test('a run of files that nobody has timed promises no duration before the first of them has ended', () => {
  const schedule = new Schedule(['a.test.ts', 'b.test.ts', 'c.test.ts'], { remembered, atOnce: 1 });
  assert.equal(schedule.expectedSeconds(), null);
  assert.equal(schedule.progress(1), '[0/3] 0:01');
  schedule.ended('b.test.ts', 2);
  assert.equal(schedule.progress(2), '[1/3] 0:02 of about 0:06');
});

test('after the last file the line says how long it took, and no more what was expected', () => {
  const schedule = new Schedule(['long.test.ts'], { remembered, atOnce: 2 });
  schedule.ended('long.test.ts', 61);
  assert.equal(schedule.progress(61), '[1/1] 1:01');
});

test('minutes and seconds are written as on a clock', () => {
  assert.deepEqual([0.4, 59.6, 3_605].map(clock), ['0:00', '1:00', '60:05']);
});
