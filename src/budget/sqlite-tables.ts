/** Raised with every change of the tables that an older plimsoll could not read. */
export const TABLES_VERSION = 1n;

/** Amounts are whole nano-dollars; times are milliseconds since the Unix epoch. */
export const TABLES = `
  CREATE TABLE IF NOT EXISTS ledger (id TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS period (
    account TEXT NOT NULL, start INTEGER NOT NULL, spent INTEGER NOT NULL, level INTEGER NOT NULL,
    PRIMARY KEY (account, start)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bucket (
    account TEXT NOT NULL, start INTEGER NOT NULL, spent INTEGER NOT NULL,
    PRIMARY KEY (account, start)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS holding (
    account TEXT NOT NULL, period INTEGER NOT NULL, writer TEXT NOT NULL,
    sequence INTEGER NOT NULL, held INTEGER NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (account, period, writer)
  ) WITHOUT ROWID;
`;

export const STATEMENTS = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  nameLedger: 'INSERT INTO ledger SELECT ? WHERE NOT EXISTS (SELECT 1 FROM ledger)',
  id: 'SELECT id FROM ledger',
  sequence: 'SELECT sequence FROM holding WHERE account = ? AND period = ? AND writer = ?',
  forgetWriters: 'DELETE FROM holding WHERE account = ? AND seen < ?',
  addToBucket: `INSERT INTO bucket VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent`,
  dropBuckets: 'DELETE FROM bucket WHERE account = ? AND start < ?',
  addToPeriod: `INSERT INTO period VALUES (?, ?, ?, 0)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent`,
  period: 'SELECT spent, level FROM period WHERE account = ? AND start = ?',
  rolling: 'SELECT coalesce(sum(spent), 0) AS spent FROM bucket WHERE account = ? AND start >= ? AND start < ?',
  held: `SELECT coalesce(sum(held), 0) AS held FROM holding
    WHERE account = ? AND period = ? AND writer <> ? AND seen >= ?`,
  hold: `INSERT INTO holding VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence), held = excluded.held, seen = excluded.seen`,
  level: `INSERT INTO period VALUES (?, ?, 0, ?)
    ON CONFLICT DO UPDATE SET level = excluded.level`,
  history: 'SELECT start, spent FROM bucket WHERE account = ? AND start >= ? ORDER BY start',
} as const;
