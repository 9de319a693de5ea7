import { systemClock, systemTimers, type Cancel, type Clock, type Timers } from '../clock.ts';
import { ConfigurationError } from '../errors.ts';
import { defaultRegistry, storeFor, type MetricRegistry } from '../record/metrics/registry.ts';
import type { Store } from '../record/metrics/store.ts';
import { memoryReports, sqliteReports, type ReportStore, type ReportText } from '../totals/report-store.ts';
import { READ_ADVICE, adminClient, outcomeOf, retryAfterMs, type ReadOutcome } from './admin-client.ts';
import { KeptDays, firstRevisedDay } from './kept-days.ts';
import { OrganizationGauges } from './organization-metrics.ts';
import { organizationReport, readDays, type OrganizationOptions, type ReadDays } from './organization.ts';
import { LeaseLostError, polledClient } from './polled-client.ts';
import type { ReportSource } from './read-analytics.ts';
import { organizationView, type OrganizationView } from './view.ts';

/** Options of `watchOrganization()`. */
export interface WatchOptions extends Omit<OrganizationOptions, 'now' | 'maxRetries'> {
  /**
   * Where what was read is kept, and the lease by which one process of many reads: the path of an SQLite file, which may
   * be that of a ledger, or `redisReports()` of `plimsoll/redis`. Default: this process alone, until it ends.
   */
  readonly store?: string | ReportStore;
  /** A prom-client registry. Default: prom-client's own `register`. */
  readonly registry?: MetricRegistry;
  /** Its alias, for the label `organization`, and the tier of `instrument()` with the same name. Default: `default`. */
  readonly organization?: string;
  /** Milliseconds between polls. Default: 10 minutes; less than 5 are 5. */
  readonly everyMs?: number;
  /** Gets one sentence, with what to do, when reading begins to fail in another way than before. */
  readonly onProblem?: (sentence: string) => void;
  /** Gets what the store threw. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
}

/** A running watch. */
export interface OrganizationWatch {
  /** What was last read by whichever process reads; `null` before the first time. */
  view(): OrganizationView | null;
  /** Ends reading, and lets another process read. */
  close(): Promise<void>;
}

/** How often is looked and asked. */
interface WatchPace {
  readonly everyMs: number;
  /** Between looks at what others have read, and claims of the lease. */
  readonly lookMs: number;
  /** A process that does not claim the lease again for so long has lost it. */
  readonly leaseMs: number;
  readonly perMinute: number;
}

const MINUTE_MS = 60_000;

/** Requests: half of the 60 a minute that are known as a limit of the organization. */
const PACE: WatchPace = { everyMs: 10 * MINUTE_MS, lookMs: 15_000, leaseMs: MINUTE_MS, perMinute: 30 };

const LEAST_EVERY_MS = 5 * MINUTE_MS;

/**
 * Reads the organization's reports, keys and limits again and again, and shows them as metrics. Of many processes with one
 * store, one reads; when it ends, another goes on where it was. Reads only. What cannot be read is told once, and is absent
 * from the metrics. Throws a `ConfigurationError` (`PLIMSOLL_REPORTS_INVALID`) for a file that cannot be used.
 *
 * @example
 * const watch = watchOrganization({ adminKey: () => process.env.ANTHROPIC_ADMIN_KEY ?? '', store: 'plimsoll.db' });
 * process.once('beforeExit', () => void watch.close());
 */
export function watchOrganization(options: WatchOptions): OrganizationWatch {
  const everyMs = Math.max(LEAST_EVERY_MS, options.everyMs ?? PACE.everyMs);
  return pacedWatch(options, { ...PACE, everyMs });
}

/** The same at any pace. */
export function pacedWatch(options: WatchOptions, pace: WatchPace): OrganizationWatch {
  const metrics = storeFor(options.registry ?? defaultRegistry());
  const store = typeof options.store === 'string' ? sqliteReports(options.store) : (options.store ?? memoryReports());
  const watcher = new Watcher(options, { pace, metrics, store });
  return {
    view: () => watcher.view,
    async close() {
      await watcher.end();
      if (typeof options.store === 'string') await store.close();
    },
  };
}

/** When the next poll is due, and how the last one ended. */
interface PollState {
  readonly nextAtMs: number;
  readonly outcome: ReadOutcome;
}

interface WatcherParts {
  readonly pace: WatchPace;
  readonly metrics: Store;
  readonly store: ReportStore;
}

class Watcher {
  view: OrganizationView | null = null;
  readonly #options: WatchOptions;
  readonly #parts: WatcherParts;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #gauges: OrganizationGauges;
  readonly #holder = crypto.randomUUID();
  #heldUntilMs = -Infinity;
  #state: PollState = { nextAtMs: -Infinity, outcome: 'ok' };
  #viewText = '';
  #looking: Promise<void> | null = null;
  #polling: Promise<void> | null = null;
  #timer: Cancel | null = null;
  #hasEnded = false;

  constructor(options: WatchOptions, parts: WatcherParts) {
    const { clock = systemClock, timers = systemTimers, organization } = options;
    this.#options = options;
    this.#parts = parts;
    this.#clock = clock;
    this.#timers = timers;
    this.#gauges = new OrganizationGauges(parts.metrics, { clock, organization });
    this.#look();
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#timer?.();
    await this.#looking;
    await this.#polling;
    try {
      await this.#parts.store.release(this.#holder);
    } catch (error) {
      this.#fail(error);
    }
  }

  #look(): void {
    if (this.#hasEnded) return;
    this.#looking ??= this.#lookOnce()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => (this.#looking = null));
    this.#timer = this.#timers.inBackground(this.#parts.pace.lookMs, () => this.#look());
  }

  /** An error of the store, or of plimsoll itself. */
  #fail(error: unknown): void {
    this.#parts.metrics.errors('organization');
    this.#options.onError?.(error);
  }

  /** Claims the lease, shows what was read by others, and begins a poll if one is due. */
  async #lookOnce(): Promise<void> {
    const { store, pace } = this.#parts;
    // Measured from before the claim: the store's own lease ends no earlier.
    const fromMs = this.#clock.monotonicMs();
    const claim = { holder: this.#holder, atMs: this.#clock.epochMs(), forMs: pace.leaseMs };
    const holds = await store.claim(claim);
    this.#heldUntilMs = holds ? fromMs + pace.leaseMs : -Infinity;
    await this.#show();
    if (!holds || this.#polling !== null || this.#hasEnded || this.#clock.epochMs() < this.#state.nextAtMs) return;
    this.#polling = this.#poll()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => (this.#polling = null));
  }

  async #show(): Promise<void> {
    const texts = await this.#parts.store.read('view');
    const [state, view = ''] = [texts.get(STATE), texts.get(LATEST)];
    if (state !== undefined) this.#state = JSON.parse(state) as PollState;
    if (view !== this.#viewText) {
      this.#viewText = view;
      this.view = view === '' ? null : (JSON.parse(view) as OrganizationView);
    }
    this.#gauges.show(this.view);
  }

  async #poll(): Promise<void> {
    let ended: Omit<PollState, 'nextAtMs'> & { readonly waitMs: number; readonly view: OrganizationView | null };
    try {
      const report = await this.#report();
      const [missed] = report.unread.filter(({ outcome }) => PASSING.has(outcome));
      // Without its list, keys would be joined with nothing: the last list and its numbers stand.
      ended =
        missed === undefined
          ? { outcome: 'ok', waitMs: 0, view: organizationView(report) }
          : { outcome: missed.outcome, waitMs: 0, view: null };
    } catch (error) {
      if (error instanceof LeaseLostError) return;
      ended = { outcome: this.#outcomeOf(error), waitMs: retryAfterMs(error, this.#clock.epochMs()), view: null };
    }
    await this.#keep(ended.outcome, ended);
  }

  /** An admin key that cannot be read is none. */
  #outcomeOf(error: unknown): Exclude<ReadOutcome, 'ok'> {
    return error instanceof ConfigurationError ? 'unauthorized' : outcomeOf(error);
  }

  async #keep(
    outcome: ReadOutcome,
    { waitMs, view }: { readonly waitMs: number; readonly view: OrganizationView | null },
  ): Promise<void> {
    this.#gauges.polled(outcome);
    if (outcome !== 'ok' && outcome !== this.#state.outcome)
      this.#options.onProblem?.(`The organization cannot be read: ${READ_ADVICE[outcome]}.`);
    const pauseMs = Math.max(waitMs, this.#parts.pace.everyMs, AFTER[outcome]);
    const state: PollState = { nextAtMs: this.#clock.epochMs() + pauseMs, outcome };
    this.#state = state;
    await this.#write([
      { folder: 'view', name: STATE, text: JSON.stringify(state) },
      ...(view === null ? [] : [{ folder: 'view', name: LATEST, text: JSON.stringify(view) } as const]),
    ]);
    await this.#show();
  }

  async #write(texts: readonly ReportText[]): Promise<void> {
    if (texts.length === 0) return;
    const isKept = await this.#parts.store.write(this.#holder, this.#clock.epochMs(), texts);
    if (!isKept) throw new LeaseLostError();
  }

  async #report() {
    const { pace } = this.#parts;
    const { clock, timers, ...options } = this.#options;
    const client = polledClient(adminClient({ ...options, maxRetries: 0 }), {
      mayAsk: () => !this.#hasEnded && this.#clock.monotonicMs() < this.#heldUntilMs,
      perMinute: pace.perMinute,
      monotonicMs: () => this.#clock.monotonicMs(),
      wait: (waitMs) => new Promise((resolve) => void this.#timers.inBackground(waitMs, resolve)),
    });
    const days = (source: ReportSource, fromDay: string, toDay: string): Promise<ReadDays> =>
      this.#readDays(source, fromDay, toDay);
    return organizationReport({ ...options, now: () => this.#clock.epochMs() }, { client, days });
  }

  /** Reads what is due, and keeps each part of it as soon as it was read. */
  async #readDays(source: ReportSource, fromDay: string, toDay: string): Promise<ReadDays> {
    const nowMs = this.#clock.epochMs();
    const kept = new KeptDays(await this.#parts.store.read('days'));
    const first = firstRevisedDay(nowMs);
    const range = { fromDay: first < fromDay ? first : fromDay, toDay };
    for (const [index, due] of kept.due(range, nowMs).entries())
      await this.#write(kept.add(await readDays(source, due.fromDay, due.toDay), index === 0));
    await this.#write(kept.age(nowMs));
    return kept.of(range);
  }
}

const STATE = 'poll';

const LATEST = 'latest';

/** Refusals of a list that another try may not meet. */
const PASSING: ReadonlySet<ReadOutcome> = new Set<ReadOutcome>([
  'rate_limited',
  'server_error',
  'connection_error',
  'malformed',
]);

const HOUR_MS = 60 * MINUTE_MS;

/** The least wait after each outcome: what people have to mend is not asked again at once. */
const AFTER: Readonly<Record<ReadOutcome, number>> = {
  ok: 0,
  unauthorized: HOUR_MS,
  forbidden: HOUR_MS,
  not_available: HOUR_MS,
  rate_limited: MINUTE_MS,
  invalid: HOUR_MS,
  server_error: 0,
  connection_error: 0,
  malformed: HOUR_MS,
};
