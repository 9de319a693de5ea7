import type { Budget } from '../budget/budget.ts';
import { loadBudgets } from '../budget/definition.ts';
import type { Ledger } from '../budget/ledger.ts';
import { memoryLedger } from '../budget/memory-ledger.ts';
import { sqliteLedger, type SqliteLedgerOptions } from '../budget/sqlite-ledger.ts';
import { ConfigurationError, inside, type ValueProblem } from '../errors.ts';
import { installed } from '../installed.ts';
import { memoryPace, type PaceStore } from '../pace/pace-store.ts';
import { sqlitePace } from '../pace/sqlite-pace.ts';
import { defaultPrices, loadPrices, type PriceTable } from '../pricing/prices.ts';
import { hasRedisScheme, redisAddress, type OnAvailability } from '../redis-address.ts';
import type { TotalsStore } from '../totals/day-totals.ts';
import { sqliteReports, type ReportStore } from '../totals/report-store.ts';
import { sqliteTotals } from '../totals/sqlite-totals.ts';
import { textOf, type Env, type Findings } from './credential.ts';

/** How to open a place: whether a file may be created, and who is told when a Redis is away. */
interface OpenOptions extends Pick<SqliteLedgerOptions, 'open'> {
  readonly onAvailability?: OnAvailability;
}

/** The place of the budgets' spend. Its text may hold a password, so only `open` uses it. */
export interface LedgerPlace {
  /** The place without a password. */
  readonly shown: string;
  /** Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) if the file or the package `ioredis` cannot be used. */
  readonly open: (options?: OpenOptions) => Ledger;
  /** The daily totals in the same place; `null` in memory, where none are kept. Throws as `open` does. */
  readonly openTotals: (options?: OpenOptions) => TotalsStore | null;
  /** What was read of the organization's reports, in the same place; `null` in memory. Throws as `open` does. */
  readonly openReports: (options?: OpenOptions) => ReportStore | null;
  /** What is known of the rate limits, for processes that share them. Throws as `open` does. */
  readonly openPace: () => PaceStore;
}

/** Returns the place that `text` names, or its problem. */
export function ledgerPlace(text: string): LedgerPlace | { readonly problem: ValueProblem } {
  if (text === 'memory')
    return { shown: text, open: memoryLedger, openTotals: () => null, openReports: () => null, openPace: memoryPace };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    return {
      shown: text,
      open: (file) => sqliteLedger(text, file),
      openTotals: (file) => sqliteTotals(text, file?.open),
      openReports: () => sqliteReports(text),
      openPace: () => sqlitePace(text),
    };
  }
  if (!hasRedisScheme(text)) return noPlace(`a URL of ${scheme}`, 'name one of them');
  const address = redisAddress(text);
  if (address === null)
    return noPlace(`a URL of ${scheme} that names no host, or is written in another way`, 'write it out');
  return {
    shown: address.shown,
    open: (options) => opened(({ redisLedger }) => redisLedger(text, availabilityOf(options))),
    openTotals: (options) => opened(({ redisTotals }) => redisTotals(text, availabilityOf(options))),
    openReports: (options) => opened(({ redisReports }) => redisReports(text, availabilityOf(options))),
    openPace: () => opened(({ redisPace }) => redisPace(text)),
  };
}

function noPlace(got: string, advice: string): { readonly problem: ValueProblem } {
  const expected = 'the path of an SQLite file, the URL of a Redis such as redis://127.0.0.1:6379, or "memory"';
  return { problem: { kind: 'invalid', expected, got, advice } };
}

/** The place that `PLIMSOLL_LEDGER` names; `null` if it is not set. */
export function ledgerOf(env: Env, findings: Findings): LedgerPlace | null {
  const field = 'PLIMSOLL_LEDGER';
  const text = textOf(env, field);
  if (text === '') return null;
  const place = ledgerPlace(text);
  if (!('problem' in place)) return place;
  findings.problem({ field, ...place.problem });
  return null;
}

function availabilityOf(options: OpenOptions | undefined): Pick<OpenOptions, 'onAvailability'> {
  return options?.onAvailability === undefined ? {} : { onAvailability: options.onAvailability };
}

interface RedisEntry {
  readonly redisLedger: (url: string, options: Pick<OpenOptions, 'onAvailability'>) => Ledger;
  readonly redisTotals: (url: string, options: Pick<OpenOptions, 'onAvailability'>) => TotalsStore;
  readonly redisReports: (url: string, options: Pick<OpenOptions, 'onAvailability'>) => ReportStore;
  readonly redisPace: (url: string) => PaceStore;
}

/** The package's own entry point, by its public name: users of other ledgers need neither `ioredis` nor its types. */
function opened<Kept>(open: (entry: RedisEntry) => Kept): Kept {
  try {
    return open(installed('plimsoll/redis') as RedisEntry);
  } catch {
    // The error's own message may contain the URL with its password.
    const [expected, got] = ['a Redis URL and the package ioredis', 'one without the other'];
    throw new ConfigurationError('PLIMSOLL_LEDGER_INVALID', [
      { kind: 'not_installed', field: 'ledger', expected, got, advice: 'npm install ioredis' },
    ]);
  }
}

/** The prices of the file in `PLIMSOLL_PRICES`; the shipped prices if it is not set or cannot be used. */
export function pricesOf(env: Env, findings: Findings): PriceTable {
  const path = textOf(env, 'PLIMSOLL_PRICES');
  if (path === '') return defaultPrices();
  try {
    return loadPrices(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.problem(...inside('PLIMSOLL_PRICES', error.problems));
    return defaultPrices();
  }
}

/** The budgets of the file in `PLIMSOLL_BUDGETS`; none if it is not set. */
export function budgetsOf(env: Env, findings: Findings): readonly Budget[] {
  const path = textOf(env, 'PLIMSOLL_BUDGETS');
  if (path === '') return [];
  try {
    return loadBudgets(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.problem(...inside('PLIMSOLL_BUDGETS', error.problems));
    return [];
  }
}
