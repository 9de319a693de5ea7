import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { written } from '../../monitoring/history/history.ts';

test('a history is the same each time, waits between retries too, but for the ids of its ledgers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-histories-'));
  const faults = () => [{ fault: 'overloaded' }, { fault: 'none' }] as const;
  const driven = async (file: string): Promise<string> => {
    const fleet = { name: 'shop', replicas: 2, ledger: 'own', minutes: 20, endMs: Date.UTC(2026, 10, 24) } as const;
    await written(join(folder, file), [{ ...fleet, calls: () => 6, faults }]);
    return readFileSync(join(folder, file), 'utf8').replaceAll(/ledger_id="[^"]+"/g, 'ledger_id=""');
  };
  try {
    const first = await driven('first.txt');
    assert.match(first, /^anthropic_retry_wait_seconds_total\{[^}]*\} 0\.\d{3}/m);
    assert.equal(await driven('second.txt'), first);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
