import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  UNITS_PER_NANO_USD,
  exactUsdOfCents,
  nanoUsdOf,
  roundedParts,
  sumOf,
} from '../../src/organization/exact-usd.ts';

describe('exact dollars', () => {
  test('a decimal string of cents is read to its last digit', () => {
    assert.equal(exactUsdOfCents('1'), 10n ** 16n);
    assert.equal(exactUsdOfCents('1234.567890123'), 12_345_678_901_230_000_000n);
    assert.equal(exactUsdOfCents('-0.5'), -5n * 10n ** 15n);
    assert.equal(exactUsdOfCents('0.00000000000000010'), 1n);
  });

  test('what is no amount, and digits that would be lost, are refused', () => {
    for (const text of ['', 'NaN', '1e3', '1.', '.5', '0.00000000000000001', 12, null, undefined])
      assert.equal(exactUsdOfCents(text), null);
  });

  test('a cent is ten million nano-dollars, and halves are rounded away from zero', () => {
    assert.equal(nanoUsdOf(exactUsdOfCents('1') ?? 0n), 10_000_000n);
    assert.equal(nanoUsdOf(exactUsdOfCents('0.00000005') ?? 0n), 1n);
    assert.equal(nanoUsdOf(exactUsdOfCents('-0.00000005') ?? 0n), -1n);
  });

  test('rounded parts add up to the rounded sum, and nothing stays nothing', () => {
    const parts = ['0.00000004', '0.00000004', '0', '0.00000004', '-0.00000012'].map(
      (text) => exactUsdOfCents(text) ?? 0n,
    );
    const rounded = roundedParts(UNITS_PER_NANO_USD, 0n, parts);
    assert.equal(sumOf(rounded), nanoUsdOf(sumOf(parts)));
    assert.equal(rounded[2], 0n);
  });
});
