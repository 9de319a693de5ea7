import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bandRates, type BandSighting } from '../../src/organization/band-rates.ts';

const TABLE = { usual: 100n, long: 500n };

const at = (day: number, [usual, long]: readonly [bigint, bigint], rates = TABLE): BandSighting => ({
  ...{ day: `2026-11-${String(day).padStart(2, '0')}`, usual, long },
  list: usual * rates.usual + long * rates.long,
});

test('two unknown rates follow from two days, and a third confirms them', () => {
  const other = { usual: 120n, long: 480n };
  const seen = [at(1, [1_000n, 7n], other), at(2, [900n, 40n], other), at(3, [10n, 800n], other)];
  assert.deepEqual(bandRates(seen, TABLE), { before: other, changedOn: null, after: other });
  assert.equal(bandRates(seen.slice(0, 2), TABLE), null);
});

test('a band that nobody used stays as the table has it', () => {
  const other = { usual: 120n, long: 999n };
  const seen = [at(1, [1_000n, 0n], other), at(2, [900n, 0n], other), at(3, [10n, 0n], other)];
  assert.deepEqual(bandRates(seen, TABLE)?.before, { usual: 120n, long: 500n });
});

test('a change within the window has a day, and amounts that follow from nothing have no rates', () => {
  const other = { usual: 100n, long: 600n };
  const seen = [1, 2, 3, 4, 5, 6].map((day) =>
    at(day, [10n * BigInt(day), 1_000n - BigInt(day * day)], day < 4 ? TABLE : other),
  );
  assert.deepEqual(bandRates(seen, TABLE), { before: TABLE, changedOn: '2026-11-04', after: other });
  const random = seen.map((each, index) => ({ ...each, list: each.list + BigInt(7 * index + 1) ** 3n }));
  assert.equal(bandRates(random, TABLE), null);
});
