/** Raised with every change of the tables that an older plimsoll could not read. */
export const TABLES_VERSION = 1;

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
  forgetWriters: 'DELETE FROM holding WHERE account = ? AND seen < ?',
  addToBucket: `INSERT INTO bucket VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent RETURNING spent`,
  dropBuckets: 'DELETE FROM bucket WHERE account = ? AND start < ?',
  addToPeriod: `INSERT INTO period VALUES (?, ?, ?, 0)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent`,
  // One statement for all that a posting goes by: each more costs as much as the reading itself.
  place: `SELECT period.spent, period.level, own.sequence,
      (SELECT sum(held) FROM holding
        WHERE account = asked.account AND period = asked.period AND writer <> asked.writer AND seen >= asked.since) AS held
    FROM (SELECT ? AS account, ? AS period, ? AS writer, ? AS since) AS asked
    LEFT JOIN period ON period.account = asked.account AND period.start = asked.period
    LEFT JOIN holding AS own
      ON own.account = asked.account AND own.period = asked.period AND own.writer = asked.writer`,
  rolling: 'SELECT coalesce(sum(spent), 0) AS spent FROM bucket WHERE account = ? AND start >= ? AND start < ?',
  hold: `INSERT INTO holding VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence), held = excluded.held, seen = excluded.seen`,
  level: `INSERT INTO period VALUES (?, ?, 0, ?)
    ON CONFLICT DO UPDATE SET level = excluded.level`,
  history: 'SELECT start, spent FROM bucket WHERE account = ? AND start >= ? ORDER BY start',
} as const;
