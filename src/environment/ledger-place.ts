import { createRequire } from 'node:module';
import type { Budget } from '../budget/budget.ts';
import { loadBudgets } from '../budget/definition.ts';
import type { Ledger } from '../budget/ledger.ts';
import { memoryLedger } from '../budget/memory-ledger.ts';
import { sqliteLedger, type SqliteLedgerOptions } from '../budget/sqlite-ledger.ts';
import { ConfigurationError } from '../errors.ts';
import { defaultPrices, loadPrices, type PriceTable } from '../pricing/prices.ts';
import { textOf, type Env, type Findings } from './credential.ts';

/** Where spend is kept. What was written may hold a password, so it comes out in `open` alone. */
export interface LedgerPlace {
  /** As it may be shown. */
  readonly shown: string;
  /** Throws a `ConfigurationError` (`PLIMSOLL_LEDGER_INVALID`) where the file or the package `ioredis` cannot be used. */
  readonly open: (file?: Pick<SqliteLedgerOptions, 'open'>) => Ledger;
}

const EXPECTED = 'the path of an SQLite file, the URL of a Redis such as redis://127.0.0.1:6379, or "memory"';

/** The place that `text` names, or a sentence that begins with what was expected. */
export function ledgerPlace(text: string): LedgerPlace | string {
  if (text === 'memory') return { shown: text, open: memoryLedger };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return { shown: text, open: (file) => sqliteLedger(text, file) };
  if (scheme !== 'redis' && scheme !== 'rediss')
    return `expected ${EXPECTED}, got a URL of ${scheme}: name one of them`;
  const url = URL.parse(text);
  if (url === null || url.host === '')
    return `expected ${EXPECTED}, got a URL of ${scheme} without a host: write it out`;
  return { shown: `redis at ${url.host}`, open: () => redisAt(text) };
}

/** Of `PLIMSOLL_LEDGER`; `null` where nothing is said. */
export function ledgerOf(env: Env, findings: Findings): LedgerPlace | null {
  const text = textOf(env, 'PLIMSOLL_LEDGER');
  if (text === '') return null;
  const place = ledgerPlace(text);
  if (typeof place !== 'string') return place;
  findings.problems.push(`PLIMSOLL_LEDGER: ${place}`);
  return null;
}

/** The package's own entry, by its public name: who keeps spend elsewhere need not have `ioredis`, nor its types. */
function redisAt(url: string): Ledger {
  try {
    const { redisLedger } = createRequire(import.meta.url)('plimsoll/redis') as {
      readonly redisLedger: (url: string) => Ledger;
    };
    return redisLedger(url);
  } catch {
    // Its own message may have the URL in it, with its password.
    throw new ConfigurationError('PLIMSOLL_LEDGER_INVALID', [
      'ledger: expected a Redis URL and the package ioredis, got one without the other: npm install ioredis',
    ]);
  }
}

/** Of the file that `PLIMSOLL_PRICES` names; else, and where it cannot be used, the table that comes with the package. */
export function pricesOf(env: Env, findings: Findings): PriceTable {
  const path = textOf(env, 'PLIMSOLL_PRICES');
  if (path === '') return defaultPrices();
  try {
    return loadPrices(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.problems.push(...error.problems.map((problem) => `PLIMSOLL_PRICES: ${problem}`));
    return defaultPrices();
  }
}

/** Of the file that `PLIMSOLL_BUDGETS` names; else none. */
export function budgetsOf(env: Env, findings: Findings): readonly Budget[] {
  const path = textOf(env, 'PLIMSOLL_BUDGETS');
  if (path === '') return [];
  try {
    return loadBudgets(path);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.problems.push(...error.problems.map((problem) => `PLIMSOLL_BUDGETS: ${problem}`));
    return [];
  }
}
