import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Samples } from '../../demo/samples.ts';
import { SUMMARY_HEAD, summaryLine } from '../../demo/summary.ts';

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');

test('the terminal output in the README has the columns that the demo prints, and fits 80 of them', () => {
  const [, output = ''] = /```\n(plimsoll demo[^]*?)```/.exec(readme) ?? [];
  const lines = output.trimEnd().split('\n');
  assert.ok(lines.includes(SUMMARY_HEAD));
  assert.ok(lines.every((line) => line.length <= 80));
  const empty = summaryLine('08:00:37', new Samples());
  for (const line of lines.filter((each) => /^\d\d:/.test(each))) {
    assert.match(line.slice(0, empty.length), /^\d\d:\d\d:\d\d +\d+ +\d+ +\d+ +[\d.]+ s +[\d.]+k? +\$[\d.]+$/);
  }
});

test('reasons that find no room stand whole on the next line', () => {
  const reasons = ['requests', 'output_tokens', 'contract_spend_limit'];
  const happened = new Samples(
    reasons.map((reason, index) => ({ name: 'anthropic_rate_limited_total', labels: { reason }, value: 30 - index })),
  );
  const lines = summaryLine('08:00:37', happened).split('\n');
  assert.ok(lines.length > 1 && lines.every((line) => line.length <= 80));
  const printed = lines.map((line) => line.slice(56)).join(' ');
  assert.equal(printed, 'requests 30, output_tokens 29, contract_spend_limit 28');
});
