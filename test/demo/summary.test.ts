import assert from 'node:assert/strict';
import test from 'node:test';
import { Samples } from '../../demo/samples.ts';
import { summaryLine } from '../../demo/summary.ts';

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
