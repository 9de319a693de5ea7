import { systemClock, type Clock } from '../clock.ts';
import { ConfigurationError } from '../configuration-error.ts';
import { got } from '../got.ts';
import type { ThresholdReached } from './account.ts';
import type { Ledger } from './ledger.ts';
import { memoryLedger } from './memory-ledger.ts';
import { systemTimers, type Timers } from './timers.ts';

/** What budgets need besides their definitions. Nothing is needed. */
export interface BudgetsSettings {
  /** Where spend is kept. Default: in this process. */
  readonly ledger?: Ledger;
  /**
   * Told when spend reaches a threshold: once a period, by one of the processes that share the ledger. A promise it
   * returns is not waited for; what it throws is counted.
   */
  readonly onThreshold?: (reached: ThresholdReached) => void | Promise<void>;
  /** How long a call waits for a ledger that takes time: 50 ms. */
  readonly deadlineMs?: number;
  /** How long after the last word of a process what it holds is given up: 60 s. */
  readonly holdMs?: number;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
  /** For tests. From 0 to 1. */
  readonly random?: () => number;
}

const DEADLINE_MS = 50;
const HOLD_MS = 60_000;

/** What is held is said again three times in it: a shorter one would be nothing but postings. */
const SHORTEST_HOLD_MS = 1_000;

/** `setTimeout` fires at once for more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Checked = Required<Omit<BudgetsSettings, 'onThreshold'>>;

/** The settings with their defaults. Throws a `ConfigurationError` (`PLIMSOLL_BUDGETS_INVALID`) with all problems. */
export function checkedSettings(settings: BudgetsSettings): Checked {
  const { ledger = memoryLedger(), clock = systemClock, timers = systemTimers, random = Math.random } = settings;
  const { deadlineMs = DEADLINE_MS, holdMs = HOLD_MS } = settings;
  const problems = [
    ...(isLedger(ledger)
      ? []
      : [`ledger: expected a ledger, got ${got(ledger)}: pass memoryLedger(), sqliteLedger(path) or redisLedger(url)`]),
    ...milliseconds('deadlineMs', deadlineMs, 1),
    ...milliseconds('holdMs', holdMs, SHORTEST_HOLD_MS),
  ];
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', problems);
  return { ledger, clock, timers, random, deadlineMs, holdMs };
}

function isLedger(value: unknown): value is Ledger {
  return typeof value === 'object' && value !== null && 'post' in value && typeof value.post === 'function';
}

function milliseconds(name: string, value: number, least: number): readonly string[] {
  if (value >= least && value <= LONGEST_TIMER_MS) return [];
  return [`${name}: expected milliseconds from ${least} to ${LONGEST_TIMER_MS}, got ${got(value)}: leave it out`];
}
