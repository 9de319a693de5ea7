import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cost } from '../../src/pricing/cost.ts';
import { defaultPrices } from '../../src/pricing/prices.ts';
import { modelClass } from '../../src/tier/tiers.ts';
import { dayMs, usageOf, type SomePart } from '../../testing/usages.ts';

/**
 * Prices, life cycles and classes as Anthropic's own client had them in its catalogue on 2026-11-24, worked out by hand
 * in nano-dollars.
 */

const prices = defaultPrices();

/** The cost of one part on a day, in nano-dollars; `null` where it has no price. */
function total(day: string, part: SomePart): number | null {
  const { totalNanoUsd, priced } = cost(usageOf([part]), { prices, atMs: dayMs(day) });
  return priced ? totalNanoUsd : null;
}

test('Mythos 5.2 in fast mode costs twice its standard price', () => {
  // 1,000 × $16 + 100 × $80 + 10 × $20 + 10 × $32 + 1,000 × $0.40 a million.
  const tokens = { input: 1_000, output: 100, cache_write_5m: 10, cache_write_1h: 10, cache_read: 1_000 };
  assert.equal(
    total('2026-11-24', { model: 'claude-mythos-5-2', speed: 'fast', tokens }),
    16_000_000 + 8_000_000 + 200_000 + 320_000 + 400_000,
  );
});

test('Opus 4.8 has no fast mode from the day on which it was removed', () => {
  const fast = { model: 'claude-opus-4-8', speed: 'fast', tokens: { output: 10 } };
  assert.equal(total('2026-11-29', fast), 500_000);
  assert.equal(total('2026-11-30', fast), null);
});

test('models that are being retired say on which day', () => {
  const life = (id: string) => prices.models.find(({ model }) => model === id);
  assert.deepEqual([life('claude-opus-4-5')?.status, life('claude-opus-4-5')?.eol], ['deprecated', '2027-01-22']);
  assert.deepEqual([life('claude-sonnet-4-5')?.status, life('claude-sonnet-4-5')?.eol], ['deprecated', '2026-11-30']);
});

test('Fable 5.2 has a rate limit of its own, and the Mythos models share one', () => {
  const classes = ['fable-5', 'fable-5-1', 'fable-5-2', 'mythos-5', 'mythos-5-1', 'mythos-5-2'];
  assert.deepEqual(
    classes.map((model) => modelClass(`claude-${model}`)),
    ['fable-5.x', 'fable-5.x', 'fable-5.2', 'mythos-5.x', 'mythos-5.x', 'mythos-5.x'],
  );
});
