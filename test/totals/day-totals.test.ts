import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CELL, aPosting, aRow, totalsKinds, type TotalsHome } from '../../testing/organization/totals-stores.ts';
import { cellFrom, cellText, dayAfter } from '../../src/totals/day-totals.ts';

const DAY = '2026-11-24';
const MINUTE_MS = 60_000;

test('a cell is read as it was written', () => {
  for (const cell of [CELL, { ...CELL, band: 'long', refused: 'bio' } as const, { ...CELL, key: 'a "b" \\ c' }])
    assert.deepEqual(cellFrom(cellText(cell)), cell);
});

for (const { kind, skip, home } of totalsKinds)
  describe(`daily totals in ${kind}`, { skip }, () => {
    const onStore = (name: string, check: (store: TotalsHome) => Promise<void>): void => {
      test(name, async () => {
        const at = await home();
        try {
          await check(at);
        } finally {
          await at.end();
        }
      });
    };

    onStore('counts of two processes add up, by day and cell', async (at) => {
      const [one, two] = [at.open(), at.open()];
      await one.add(aPosting(DAY, { rows: [aRow(DAY, { calls: 1, input: 10 })] }));
      await two.add(aPosting(DAY, { writer: 'two', rows: [aRow(DAY, { calls: 2, input: 5, output: 3 })] }));
      await two.add(aPosting(DAY, { writer: 'two', sequence: 2, rows: [aRow(DAY, { calls: 1 }, { tier: 'batch' })] }));
      const { rows, firstDay, gaps } = await one.read(DAY, dayAfter(DAY));
      assert.deepEqual(rows.map(({ cell, counts }) => [cell.tier, counts.calls, counts.input, counts.output]).sort(), [
        ['batch', 1, 0, 0],
        ['standard', 3, 15, 3],
      ]);
      assert.deepEqual([firstDay, gaps], [DAY, []]);
    });

    onStore('a posting that comes twice counts once', async (at) => {
      const store = at.open();
      const posting = aPosting(DAY, { rows: [aRow(DAY, { calls: 1 })] });
      await store.add(posting);
      await at.open().add(posting);
      assert.equal((await store.read(DAY, dayAfter(DAY))).rows[0]?.counts.calls, 1);
    });

    onStore('calls that end on another day are kept apart', async (at) => {
      const store = at.open();
      const crossing = { ...aRow(DAY, { calls: 1 }), toDay: dayAfter(DAY) };
      await store.add(aPosting(DAY, { rows: [aRow(DAY, { calls: 5 }), crossing] }));
      const { rows } = await store.read(DAY, dayAfter(DAY));
      assert.deepEqual(rows.map(({ toDay, counts }) => [toDay, counts.calls]).sort(), [
        ['2026-11-24', 5],
        ['2026-11-25', 1],
      ]);
    });

    onStore('a process that ends without saying so leaves one gap, from its last posting on', async (at) => {
      const store = at.open();
      const first = aPosting(DAY, { rows: [aRow(DAY, { calls: 1 })] });
      await store.add(first);
      const later = first.atMs + 7 * MINUTE_MS;
      await store.add(aPosting(DAY, { writer: 'two', atMs: later }));
      await store.add(aPosting(DAY, { writer: 'two', sequence: 2, atMs: later + 1 }));
      const gap = { fromMs: first.atMs, toMs: later, how: 'unclean_end' };
      assert.deepEqual((await store.read(DAY, dayAfter(DAY))).gaps, [gap]);
      assert.deepEqual((await store.read(dayAfter(DAY), dayAfter(DAY, 2))).gaps, []);
    });

    onStore('a process that says that it ends leaves none', async (at) => {
      const store = at.open();
      const first = aPosting(DAY, { rows: [aRow(DAY, { calls: 1 })], ends: true });
      await store.add(first);
      await store.add(aPosting(DAY, { writer: 'two', atMs: first.atMs + 60 * MINUTE_MS }));
      assert.deepEqual((await store.read(DAY, dayAfter(DAY))).gaps, []);
    });

    onStore('amounts above 2^31 are kept to the unit', async (at) => {
      const store = at.open();
      const much = 9_007_199_254_740_000;
      await store.add(aPosting(DAY, { rows: [aRow(DAY, { recorded_nano_usd: much })] }));
      await store.add(aPosting(DAY, { sequence: 2, rows: [aRow(DAY, { recorded_nano_usd: 991 })] }));
      assert.equal((await store.read(DAY, dayAfter(DAY))).rows[0]?.counts.recorded_nano_usd, much + 991);
    });
  });
