import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CATALOGUE } from '../../../src/record/metrics/catalogue.ts';
import { SECTIONS } from '../../../src/record/metrics/metric.ts';
import type { MetricDeclaration } from '../../../src/record/metrics/metric.ts';

const catalogue: readonly MetricDeclaration[] = CATALOGUE;

test('a name is declared once, in its section', () => {
  assert.equal(new Set(catalogue.map(({ name }) => name)).size, catalogue.length);
  const order = catalogue.map(({ section }) => SECTIONS.indexOf(section));
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.equal(new Set(order).size, SECTIONS.length);
});

for (const { name, type, unit, labels, aggregator, attributed, bornAtZero, buckets, help } of catalogue) {
  test(`${name} is named, labeled and described as Prometheus has it`, () => {
    assert.match(name, /^(anthropic|plimsoll)_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter');
    assert.doesNotMatch(name, /_(sum|count|bucket|counter|gauge|histogram)$/);
    if (unit !== null) assert.ok(name.replace(/_total$/, '').endsWith(`_${unit}`));
    for (const label of labels) assert.match(label, /^[a-z][a-z_]*$/);
    assert.equal(labels.includes('le'), false);
    assert.match(help, /^[^|\n]+\.$/);
    if (attributed) assert.equal(type, 'counter');
    if (bornAtZero) assert.equal(type, 'counter');
    if (type !== 'gauge') assert.equal(aggregator, 'sum');
    assert.equal(buckets !== undefined, type === 'histogram');
    if (buckets)
      assert.deepEqual(
        [...buckets],
        [...new Set(buckets)].sort((a, b) => a - b),
      );
  });
}

test('what alerts stand on carries no attribution', () => {
  assert.deepEqual(
    catalogue.filter(({ attributed, bornAtZero }) => attributed && bornAtZero),
    [],
  );
  assert.deepEqual(
    catalogue.filter(({ attributed }) => attributed).map(({ name }) => name),
    ['anthropic_requests_total', 'anthropic_stop_reasons_total', 'anthropic_tokens_total', 'anthropic_cost_usd_total'],
  );
});
