import { Books } from './admin/books.ts';
import { ReadLimit } from './admin/read-limit.ts';
import type { Batch } from './batch.ts';
import { systemClock, type SimulatorClock } from './clock.ts';
import type { Caller } from './credentials.ts';
import { refusal } from './errors.ts';
import type { Refused } from './exchange.ts';
import { Limits, type LimitScope } from './limits.ts';
import { checkOptions, type SimulatorOptions } from './options.ts';
import { MonthlySpend } from './billing.ts';
import { Threads } from './messages.ts';
import { Ledger } from './truth.ts';
import type { WireUsage } from './usage.ts';

/** The state that all requests of a simulator share. */
export interface SimulatorState {
  readonly options: SimulatorOptions;
  readonly clock: SimulatorClock;
  readonly limits: Limits;
  readonly spend: MonthlySpend;
  readonly ledger: Ledger;
  /** What was billed, as the organization's reports show it. */
  readonly books: Books;
  /** Reads of the Admin API. */
  readonly reads: ReadLimit;
  /** By id, in order of creation. */
  readonly batches: Map<string, Batch>;
  readonly files: Map<string, StoredFile>;
  readonly threads: Threads;
}

/** An uploaded file. */
export interface StoredFile {
  readonly metadata: Readonly<{ id: string; mime_type: string; downloadable: boolean }>;
  readonly content: Uint8Array;
  readonly organization: string | null;
}

/** Creates the state of a simulator. Throws a `SimulatorOptionsError` if the options are not valid. */
export function createState(options: SimulatorOptions): SimulatorState {
  checkOptions(options);
  const { clock = systemClock } = options;
  const books = new Books(clock, options.organization ?? {});
  return {
    options,
    clock,
    limits: new Limits(options.tier ?? 'scale', options.limits ?? {}, options.limiter),
    spend: new MonthlySpend((options.spentThisMonthUsd ?? 0) * 1e9),
    ledger: new Ledger(options.keepRequests ?? Infinity, (entry) => books.enter(entry)),
    books,
    reads: new ReadLimit(),
    batches: new Map(),
    files: new Map(),
    threads: new Threads(),
  };
}

/** A request that asks the limits for admission. */
interface AdmissionRequest {
  readonly caller: Caller;
  /** `null` if only the tier's cap applies. */
  readonly scope: LimitScope | null;
  readonly model: string | null;
  /** True if it costs anything: the cap only refuses what does. */
  readonly spends: boolean;
  /** Tokens that count towards the input limit; see `limitedInputTokens`. */
  readonly inputTokens: number;
}

/** Takes a request from the limits, or returns its refusal: by the tier's monthly cap first, then by each limit. */
export function admit({ limits, spend, clock }: SimulatorState, asked: AdmissionRequest): Refused | null {
  const nowMs = clock.now();
  const { caller, scope, model } = asked;
  const capUsd = limits.monthlyCapUsd;
  if (asked.spends && capUsd !== null && spend.spent(caller.organization, nowMs) >= capUsd * 1e9) {
    return { refusal: refusal('tier_spend_cap'), scope, model };
  }
  if (scope === null) return null;
  const refused = limits.admit(scope, asked, nowMs);
  if (refused === null) return null;
  const { perMinute, retryAfterSeconds } = refused;
  return { refusal: refusal(refused.refusal), scope, model, perMinute, retryAfterSeconds };
}

/** Input tokens that count towards the limit: all but cache reads, which only count for Haiku 3.5. */
export function limitedInputTokens(usage: WireUsage, modelClass: string): number {
  const uncached = usage.input_tokens + usage.cache_creation_input_tokens;
  return modelClass === 'haiku-3-5' ? uncached + usage.cache_read_input_tokens : uncached;
}
