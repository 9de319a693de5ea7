import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Books, centsInUnits, unitsInCents } from '../../../src/simulator/admin/books.ts';
import { StandingClock, NOW_MS } from '../../../testing/simulator-bench.ts';

const DAY_MS = 24 * 3_600_000;
const USE = {
  ...{ atMs: NOW_MS, model: 'claude-opus-5-5', betas: [], key: 'shop', product: 'messages_api' },
  usage: {
    ...{ input_tokens: 3, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 },
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    ...({ service_tier: 'standard', inference_geo: 'not_available' } as const),
  },
};

describe('the books', () => {
  test('cents are read and written to the digit', () => {
    for (const cents of ['0', '1', '100', '0.5', '-0.5', '-12.000001', '1234.567890123', '0.0000000000000001'])
      assert.equal(unitsInCents(centsInUnits(cents)), cents);
    assert.equal(centsInUnits('100'), 10n ** 18n);
  });

  test('use in the same minute is one row, and a geo that is not set is null', () => {
    const books = new Books(new StandingClock(), {});
    books.enter(USE);
    books.enter(USE);
    const rows = [...books.shown(0, NOW_MS + DAY_MS)];
    assert.deepEqual(
      rows.map((row) => [row.tokens.input, row.requests, row.dimensions.inference_geo, unitsInCents(row.list.input)]),
      // 6 tokens at $4 a million.
      [[6, 2, null, '0.0024']],
    );
    assert.equal(books.firstMs, NOW_MS);
  });

  test('a call that ends on the next day counts for the one that the rules say', () => {
    const days = (['start', 'end'] as const).map((countsBy) => {
      const clock = new StandingClock();
      const books = new Books(clock, { countsBy });
      clock.advance(DAY_MS);
      books.enter(USE);
      return new Date(books.firstMs ?? 0).getUTCDate();
    });
    assert.deepEqual(days, [24, 25]);
  });

  test('a correction of a cell of several rows counts once', () => {
    const revised = { day: '2026-11-24', key: 'shop', model: 'claude-opus-5-5', fromMs: 0, addCents: '2' };
    const books = new Books(new StandingClock(), { revised: [revised] });
    books.enter(USE);
    books.enter({ ...USE, atMs: NOW_MS + 60_000 });
    const units = [...books.shown(0, NOW_MS + DAY_MS)].reduce((sum, row) => sum + row.list.output, 0n);
    // 2 tokens at $20 a million, and 2 cents.
    assert.equal(unitsInCents(units), '2.004');
  });
});
