import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sqliteLedger } from 'plimsoll/budget';
import { aPosting, aRow } from '../../testing/organization/totals-stores.ts';
import { dayAfter } from '../../src/totals/day-totals.ts';
import { sqliteTotals } from '../../src/totals/sqlite-totals.ts';

const DAY = '2026-11-24';

test('totals are kept for 400 days, in the file of a ledger too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-totals-'));
  const path = join(folder, 'ledger.db');
  const ledger = sqliteLedger(path);
  const store = sqliteTotals(path);
  try {
    for (const [index, day] of [dayAfter(DAY, -400), dayAfter(DAY, -1), DAY].entries())
      await store.add(aPosting(day, { sequence: index + 1, rows: [aRow(day, { calls: 1 })] }));
    assert.equal((await store.read('2000-01-01', '2100-01-01')).rows.length, 3);
    await store.add(aPosting(dayAfter(DAY), { sequence: 9 }));
    assert.equal((await store.read('2000-01-01', '2100-01-01')).firstDay, dayAfter(DAY, -1));
    assert.ok(ledger.id());
  } finally {
    void store.close();
    await ledger.close();
    rmSync(folder, { recursive: true });
  }
});

test('a file that cannot be used is named', () => {
  assert.throws(() => sqliteTotals('/nowhere/at/all.db'), {
    name: 'ConfigurationError',
    code: 'PLIMSOLL_TOTALS_INVALID',
  });
});
