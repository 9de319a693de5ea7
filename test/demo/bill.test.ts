import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { billLines, demoBill } from '../../demo/bill.ts';
import { samplesIn } from '../../src/advice/samples.ts';
import { billOf, creditOf } from '../../src/console/standing.ts';

test('the demo has the bill of the days before today, why it differs, and the credit that is left', async (t) => {
  const registry = new Registry();
  const { bill, close } = await demoBill(registry);
  t.after(close);
  assert.equal(bill.days, 31);
  // $4 and $20 a million of Opus, $1 and $5 of Haiku, each day.
  assert.ok(Math.abs(bill.recordedUsd - 31 * (3.6 + 1.2 + 0.9 + 0.045)) < 1e-6, String(bill.recordedUsd));
  const differs = bill.parts.reduce((sum, { usd }) => sum + usd, 0);
  assert.ok(Math.abs(bill.recordedUsd + differs - bill.billedUsd) < 1e-6);
  const lines = billLines(bill);
  assert.match(lines[0] ?? '', /^bill {6}31 days before today: bill \$\d+\.\d\d, plimsoll \$178\.09$/);
  assert.match(lines.at(-1) ?? '', /^ {10}\$\d+\.\d\d of the credit is left, /);
  assert.ok(lines.every((line) => line.length <= 80));

  const shown = async () => samplesIn(await registry.metrics()) ?? [];
  let samples = await shown();
  for (; billOf(samples) === null; samples = await shown()) await sleep(50);
  const page = billOf(samples);
  assert.ok(page !== null && page.recordedUsd !== null && page.causes.length > 0);
  assert.equal(creditOf(samples)?.leftUsd.toFixed(2), bill.credit?.leftUsd.toFixed(2));
});
