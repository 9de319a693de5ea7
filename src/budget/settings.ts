import { systemClock, systemTimers, type Clock, type Timers } from '../clock.ts';
import { ConfigurationError, optionProblems, unfit, type Problem } from '../errors.ts';
import { LARGEST_WINDOW } from '../prompt.ts';
import type { ThresholdReached } from './account.ts';
import type { BudgetDefinition } from './definition.ts';
import type { Ledger } from './ledger.ts';
import { memoryLedger } from './memory-ledger.ts';

/** Options of `budgets()`. */
export interface BudgetsOptions extends BudgetsSettings {
  readonly definitions: readonly BudgetDefinition[];
}

/** Settings that the budgets share. All are optional. */
export interface BudgetsSettings {
  /** Stores the spend. Default: `memoryLedger()`, in this process. */
  readonly ledger?: Ledger;
  /**
   * Called when spend reaches a threshold: once per period, in one of the processes that share the ledger. plimsoll
   * does not wait for a returned promise, and counts an error.
   */
  readonly onThreshold?: (reached: ThresholdReached) => void | Promise<void>;
  /** The longest that a call waits for the ledger. Default: 1 s: a ledger that is busy is not down. */
  readonly deadlineMs?: number;
  /** A process that posts nothing for this long loses its reservations in the ledger. Default: 60 s, at least 1 s. */
  readonly holdMs?: number;
  /**
   * The tokens to expect of a document by its id or URL, or of a thread that the API keeps, before its route has used one;
   * from then on what the route has used counts. Default: 1,000,000, the largest context window.
   */
  readonly unseenTokens?: number;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
  /** For tests. From 0 to 1. */
  readonly random?: () => number;
}

const DEADLINE_MS = 1_000;

const HOLD_MS = 60_000;

/** Reservations are renewed three times in `holdMs`: a shorter time would cause almost nothing but renewals. */
const SHORTEST_HOLD_MS = 1_000;

/** For a longer delay, `setTimeout` fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type CheckedSettings = Required<Omit<BudgetsSettings, 'onThreshold'>>;

const NAMES: Readonly<Record<keyof BudgetsSettings, true>> = {
  ledger: true,
  onThreshold: true,
  deadlineMs: true,
  holdMs: true,
  unseenTokens: true,
  clock: true,
  timers: true,
  random: true,
};

/** The options, if there are any. Throws a `ConfigurationError` (`PLIMSOLL_BUDGETS_INVALID`) for names that are none. */
export function checkedOptions(options: BudgetsOptions): BudgetsOptions {
  refuse(optionProblems(options, { ...NAMES, definitions: true }));
  return options;
}

/** Fills in the defaults. Throws a `ConfigurationError` (`PLIMSOLL_BUDGETS_INVALID`) with all problems. */
export function checkedSettings(settings: BudgetsSettings): CheckedSettings {
  const { ledger = memoryLedger(), clock = systemClock, timers = systemTimers, random = Math.random } = settings;
  const { deadlineMs = DEADLINE_MS, holdMs = HOLD_MS, unseenTokens = LARGEST_WINDOW } = settings;
  refuse([
    ...optionProblems(settings, NAMES),
    ...(isLedger(ledger)
      ? []
      : [
          unfit('ledger', ledger, {
            expected: 'a ledger',
            advice: 'pass memoryLedger(), sqliteLedger(path) or redisLedger(url)',
          }),
        ]),
    ...milliseconds('deadlineMs', deadlineMs, 1),
    ...milliseconds('holdMs', holdMs, SHORTEST_HOLD_MS),
    ...(unseenTokens >= 0 && unseenTokens <= LARGEST_WINDOW
      ? []
      : [
          unfit('unseenTokens', unseenTokens, {
            expected: `tokens from 0 to ${LARGEST_WINDOW}`,
            advice: 'leave it out',
          }),
        ]),
  ]);
  return { ledger, clock, timers, random, deadlineMs, holdMs, unseenTokens };
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ConfigurationError('PLIMSOLL_BUDGETS_INVALID', problems);
}

function isLedger(value: unknown): value is Ledger {
  return typeof value === 'object' && value !== null && 'post' in value && typeof value.post === 'function';
}

function milliseconds(name: string, value: number, least: number): readonly Problem[] {
  if (value >= least && value <= LONGEST_TIMER_MS) return [];
  return [
    unfit(name, value, { expected: `milliseconds from ${least} to ${LONGEST_TIMER_MS}`, advice: 'leave it out' }),
  ];
}
