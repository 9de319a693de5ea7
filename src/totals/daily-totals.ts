import { systemClock, type Clock, type Timers } from '../clock.ts';
import { optionProblems, refuseOptions } from '../errors.ts';
import { defaultPrices, type PriceTable } from '../pricing/prices.ts';
import type { Recorder } from '../vocabulary.ts';
import type { DayTotals, TotalsRow, TotalsStore } from './day-totals.ts';
import { Poster } from './poster.ts';
import { sqliteTotals } from './sqlite-totals.ts';
import { TotalsRecorder } from './totals-recorder.ts';

/** Options of `dailyTotals()`. */
export interface DailyTotalsOptions {
  /** The path of an SQLite file, or a store: `redisTotals()` of `plimsoll/redis`. */
  readonly store: string | TotalsStore;
  /** Default: the table that comes with the package. */
  readonly prices?: PriceTable;
  /** Milliseconds between postings. Default: 10,000. */
  readonly everyMs?: number;
  /** Gets what the store threw. The totals are kept and posted again. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
}

const NAMES: Readonly<Record<keyof DailyTotalsOptions, true>> = {
  store: true,
  prices: true,
  everyMs: true,
  onError: true,
  clock: true,
  timers: true,
};

/** What calls add up to by UTC day, key, model, tier, speed, geo and kind, kept for 400 days. */
export interface DailyTotals {
  /** Give it to `instrument()` or to a gateway, in `recorders`. */
  readonly recorder: Recorder;
  /** Posts what is not stored yet. Resolves when the store has it; rejects where it does not answer. */
  flush(): Promise<void>;
  /** Days from `fromDay` to before `toDay`, of all processes that share the store. */
  read(fromDay: string, toDay: string): Promise<DayTotals>;
  /** Posts the rest, and closes the store. Where that fails, `onError` gets the error, and the rest is lost. */
  close(): Promise<void>;
}

/**
 * Keeps daily totals of what calls used, to compare with the organization's reports. Totals are posted every ten seconds; a
 * process that ends without `close` leaves a gap that the comparison knows of. Throws a `ConfigurationError`
 * (`PLIMSOLL_TOTALS_INVALID`) for a file that cannot be used.
 *
 * @example
 * const totals = dailyTotals({ store: 'plimsoll-totals.db' });
 * const claude = instrument(new Anthropic(), { key: 'prod-checkout-api', recorders: [totals.recorder] });
 */
export function dailyTotals(options: DailyTotalsOptions): DailyTotals {
  refuseOptions(optionProblems(options, NAMES));
  const { prices = defaultPrices(), clock = systemClock } = options;
  const store = typeof options.store === 'string' ? sqliteTotals(options.store) : options.store;
  const recorder = new TotalsRecorder({ prices, now: () => clock.epochMs() });
  const poster = new Poster<TotalsRow>({
    ...{ take: () => recorder.take(), add: (posting) => store.add(posting), showsLife: true, clock },
    ...{ onError: options.onError, timers: options.timers },
  });
  poster.every(options.everyMs ?? POST_EVERY_MS);
  return {
    recorder,
    flush: () => poster.flush(),
    read: async (fromDay, toDay) => store.read(fromDay, toDay),
    async close() {
      // A store that does not answer is closed all the same: the next process finds the gap.
      await poster.end().catch((error: unknown) => options.onError?.(error));
      await store.close();
    },
  };
}

const POST_EVERY_MS = 10_000;
