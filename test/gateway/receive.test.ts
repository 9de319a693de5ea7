import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyScanner } from '../../src/gateway/body-scanner.ts';
import { ScanTurns } from '../../src/gateway/receive.ts';

const MIB = 1 << 20;

/** Nested as much as fits, in a place that rules look at. */
const hostile = (bytes: number): Buffer =>
  Buffer.from(`{"model":"m","max_tokens":1,"x":[${'[[[]]],'.repeat(bytes / 7)}0]}`);

test('between two portions of a body, everything else has its turn', async () => {
  const turns = new ScanTurns();
  const scanners = [hostile(MIB), hostile(MIB), hostile(MIB / 4)].map((bytes) => new BodyScanner(bytes, 'message'));
  let most = 0;
  let looks = 0;
  let isOver = false;
  const before = scanners.map(() => 0);
  const look = (): void => {
    looks += 1;
    const read = scanners.map(({ at }, index) => at - (before[index] ?? 0));
    for (const [index, { at }] of scanners.entries()) before[index] = at;
    // The first portion of each is read at once.
    if (looks > 1)
      most = Math.max(
        most,
        read.reduce((sum, bytes) => sum + bytes, 0),
      );
    if (!isOver) setImmediate(look);
  };
  const scans = scanners.map((scanner) => turns.scan(scanner));
  setImmediate(look);
  let first = '';
  await Promise.all(scans.map((scan, index) => scan.then(() => void (first ||= String(index)))));
  isOver = true;
  assert.ok(most <= 2 * 65_536, `${most} bytes were read between two looks`);
  assert.ok(looks >= (2.25 * MIB) / 65_536 / 2, `${looks} looks`);
  assert.equal(first, '2', 'a short body waited for the long ones');
});
