import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { after } from 'node:test';
import { ConfigurationError } from 'plimsoll';
import { sqliteLedger } from 'plimsoll/budget';
import { sqlitePace } from 'plimsoll/pace';
import { sqliteLimits } from '../src/gateway/access/limits.ts';
import { sqliteTokens } from '../src/gateway/access/sqlite-tokens.ts';
import { sqliteUsage } from '../src/gateway/access/usage-stores.ts';
import { sqliteReports } from '../src/totals/report-store.ts';
import { sqliteTotals } from '../src/totals/sqlite-totals.ts';

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-sqlite-'));
after(() => rmSync(folder, { recursive: true }));

const OPENS: Readonly<Record<string, (path: string) => { close(): unknown }>> = {
  ledger: (path) => sqliteLedger(path),
  pace: (path) => sqlitePace(path),
  totals: (path) => sqliteTotals(path),
  reports: (path) => sqliteReports(path),
  tokens: (path) => sqliteTokens(path),
  usage: (path) => sqliteUsage(path, 90),
  limits: (path) => sqliteLimits(path),
};

for (const [name, open] of Object.entries(OPENS)) {
  test(`${name} refuses a path that is empty or not set: SQLite would make a file that is gone with the process`, () => {
    for (const path of ['', ' ', undefined])
      assert.throws(() => open(path as string), {
        name: 'ConfigurationError',
        message: /expected a path for an SQLite file, got (nothing|" ?"): name a file$/,
      });
  });
}

/** A file of plimsoll's, and what is done to it before it is opened. */
const DAMAGES: Readonly<Record<string, readonly [damage: (path: string) => void, says: RegExp]>> = {
  'that is no database': [
    (path) => writeFileSync(path, 'a text that is long enough to be looked at '.repeat(100)),
    /which is damaged, or no SQLite file \(file is not a database\): restore a copy, or move it away/,
  ],
  'whose pages are overwritten': [
    (path) => writeFileSync(path, readFileSync(path).fill(0x5a, 100)),
    /which is damaged, or no SQLite file .*: restore a copy, or move it away/,
  ],
  'whose pages after the first are overwritten': [
    (path) => {
      const pageSize = readFileSync(path).readUInt16BE(16);
      writeFileSync(path, readFileSync(path).fill(0x5a, pageSize));
    },
    /which is damaged, or no SQLite file .*: restore a copy, or move it away/,
  ],
  'that was cut off': [
    (path) => writeFileSync(path, readFileSync(path).subarray(0, 2_000)),
    /which is damaged, or no SQLite file .*: restore a copy, or move it away/,
  ],
  'with tables of another program': [
    (path) => {
      rmSync(path);
      const other = new DatabaseSync(path);
      for (const table of ['ledger', 'pace_states', 'totals', 'report_text', 'token', 'usage', 'limit_slot'])
        other.exec(`CREATE TABLE ${table} (something TEXT)`);
      other.close();
    },
    /which has tables of another program \(.*\): name a file of its own/,
  ],
};

for (const [what, open] of Object.entries(OPENS)) {
  for (const [how, [damage, says]] of Object.entries(DAMAGES)) {
    test(`a file of ${what} ${how} is a mistake of configuration that says what to do, or does no harm`, async () => {
      const path = join(folder, `${what}-${how.replaceAll(' ', '-')}.db`);
      await open(path).close();
      damage(path);
      try {
        await open(path).close();
        // What is overwritten or cut off need not be read to open it.
        assert.match(how, /after the first|cut off/);
      } catch (error) {
        assert.ok(error instanceof ConfigurationError, String(error));
        assert.match(error.message, says);
      }
    });
  }
}

test('a file that another process has locked for as long as opening waits is a mistake that names the lock', () => {
  const path = join(folder, 'locked.db');
  const other = new DatabaseSync(path);
  other.exec('BEGIN EXCLUSIVE');
  assert.throws(() => sqliteLimits(path), {
    code: 'PLIMSOLL_TOKENS_INVALID',
    message: /locked\.db", which another process has locked \(database is locked\): end that process/,
  });
  other.close();
});

test('no statement numbers its parameters: Node 22.15 takes them for named ones, and finds no place for their values', () => {
  const src = join(import.meta.dirname, '..', 'src');
  const texts = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(src, name), 'utf8'))
    .filter((text) => text.includes('sqlite-database.ts'));
  assert.ok(texts.length > 5);
  assert.deepEqual(
    texts.flatMap((text) => text.match(/[^\n]*(?:=|[(,]|<) *\?(?:\d|\$\{)[^\n]*/g) ?? []),
    [],
  );
});
