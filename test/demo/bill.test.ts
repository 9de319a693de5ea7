import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billLines, demoBill } from '../../demo/bill.ts';

test('the demo has the bill of the days before today, why it differs, and the credit that is left', async () => {
  const bill = await demoBill();
  assert.equal(bill.days, 30);
  // $4 and $20 a million of Opus, $1 and $5 of Haiku, each day.
  assert.ok(Math.abs(bill.recordedUsd - 30 * (3.6 + 1.2 + 0.9 + 0.045)) < 1e-6, String(bill.recordedUsd));
  const differs = bill.parts.reduce((sum, { usd }) => sum + usd, 0);
  assert.ok(Math.abs(bill.recordedUsd + differs - bill.billedUsd) < 1e-6);
  const lines = billLines(bill);
  assert.match(lines[0] ?? '', /^bill {6}30 days before today: bill \$204\.34, plimsoll \$172\.35$/);
  assert.match(lines.at(-1) ?? '', /^ {10}\$295\.66 of the credit is left, /);
  assert.ok(lines.every((line) => line.length <= 80));
});
