import { LedgerUnavailableError, type Ledger, type Posted, type Posting } from './ledger.ts';
import { isLocked, openLedgerFile, type LedgerFile } from './sqlite-file.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface SqliteLedgerOptions {
  /** How long a posting waits while another process has the file locked, without holding up this one: 50 ms. */
  readonly lockWaitMs?: number;
  /** `create` (the default) makes the file where there is none; `existing` refuses. */
  readonly open?: 'create' | 'existing';
  /** For tests. */
  readonly timers?: Timers;
  /** For tests. From 0 to 1. */
  readonly random?: () => number;
}

/**
 * A ledger in a file of `node:sqlite`, for the processes of one machine. What is settled is in the file when the
 * posting is answered, and survives the end of the process however it comes; a machine that fails can lose the last
 * moments (WAL, `synchronous = NORMAL`). A file that stays locked is an unavailable ledger.
 * Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) where the file cannot be used.
 */
export function sqliteLedger(path: string, options: SqliteLedgerOptions = {}): Ledger {
  const file = openLedgerFile(path, options.open ?? 'create');
  return {
    kind: 'sqlite',
    id: () => file.id,
    post: (posting) => {
      try {
        return file.post(posting);
      } catch (error) {
        if (isLocked(error)) return whenUnlocked(file, posting, options);
        throw unavailable(error);
      }
    },
    balance: (place, { nowMs, holdMs }) => orUnavailable(() => file.balance(place, nowMs - holdMs)),
    history: (account, fromMs) => orUnavailable(() => file.history(account, fromMs)),
    close: () => file.close(),
  };
}

/**
 * Asks again after pauses: SQLite's own busy timeout would stop the whole process meanwhile. They get longer, and no
 * two processes make the same, so that they do not meet again.
 */
async function whenUnlocked(file: LedgerFile, posting: Posting, options: SqliteLedgerOptions): Promise<Posted> {
  const { lockWaitMs = 50, timers = systemTimers, random = Math.random } = options;
  let waitedMs = 0;
  for (let longestMs = 1; waitedMs < lockWaitMs; longestMs *= 1.5) {
    const pauseMs = Math.min(lockWaitMs - waitedMs, longestMs * (0.5 + random() / 2));
    await new Promise<void>((resolve) => timers.whileWaiting(pauseMs, resolve));
    waitedMs += pauseMs;
    try {
      return file.post(posting);
    } catch (error) {
      if (!isLocked(error)) throw unavailable(error);
    }
  }
  throw new LedgerUnavailableError('another process has the file locked');
}

function orUnavailable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unavailable(error);
  }
}

function unavailable(error: unknown): LedgerUnavailableError {
  return new LedgerUnavailableError('the file cannot be used', error);
}
