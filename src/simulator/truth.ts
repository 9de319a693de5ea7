import { bill, type BilledNanoUsd, type BilledPart, type BilledTokens } from './billing.ts';
import type { WireUsage } from './usage.ts';

/**
 * What became of a response's body. `unread`: nobody has asked for it, or not for all of it, yet.
 * `complete`: read to its end. `cut`: the server ended or broke it early. `cancelled`: the reader left.
 * `none`: there was no response to read.
 */
export type Delivery = 'unread' | 'complete' | 'cut' | 'cancelled' | 'none';

/** How much of the usage reached the reader: all of it, what `message_start` says, or nothing. */
export type UsageReported = 'full' | 'start' | 'none';

/** What the server knows of one request. Live: it changes until `endedAtMs` is set. */
export interface TruthRequest {
  /** 1 for the first request of the simulator. */
  readonly number: number;
  /** The `request-id` header. */
  readonly id: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** `messages.create`, `messages.stream`, `messages.batches.results`, …; `other` for what is not served. */
  readonly operation: string;
  /** The model asked for. */
  readonly requestedModel: string | null;
  /** The model that answered, as the answer names it. */
  readonly model: string | null;
  /** The name of the accepted key, never the key; `null` where none was accepted. */
  readonly key: string | null;
  /** The retry that the SDK said this is: 0 for a first try. */
  readonly retryCount: number;
  /** `null` where no response was sent. */
  readonly status: number | null;
  readonly errorType: string | null;
  readonly errorCode: string | null;
  /** The fault that was applied; `null` for none. */
  readonly fault: string | null;
  readonly streamed: boolean;
  /** Events sent, pings included. */
  readonly eventsSent: number;
  readonly delivery: Delivery;
  /** What is billed for, as the API would write it; output is what was generated. `null` where nothing is billed. */
  readonly usage: WireUsage | null;
  readonly usageReported: UsageReported;
  /** Empty where nothing is billed, and for a stream until it has ended. */
  readonly billed: readonly BilledPart[];
}

/** What the server knows of one request of a batch, once the batch has ended. */
export interface TruthBatchItem {
  readonly batchId: string;
  readonly customId: string;
  readonly result: 'succeeded' | 'errored' | 'canceled' | 'expired';
  /** The model that answered; `null` where none did. */
  readonly model: string | null;
  readonly usage: WireUsage | null;
  /** Empty for what did not succeed: that costs nothing. */
  readonly billed: readonly BilledPart[];
  /** The item's line of the results has been read, once or more. */
  readonly told: boolean;
}

/** The oracle: what really happened, for tests and demos to compare with. */
export interface Truth {
  /** In order of arrival; the oldest are dropped beyond the simulator's `keepRequests`. */
  readonly requests: readonly TruthRequest[];
  /** Items of batches that have ended, as far as `keepRequests` goes. */
  readonly batchItems: readonly TruthBatchItem[];
  /** Requests that have not ended, unread bodies among them. A stream is billed when it ends, all else when its head is sent. */
  readonly open: number;
  /** Requests so far, dropped ones included, by HTTP status; `none` where no response was sent. */
  readonly statuses: ReadonlyMap<number | 'none', number>;
  /** Faults that were applied so far, by name. */
  readonly faults: ReadonlyMap<string, number>;
  /**
   * Tokens and money so far by the model that is billed, dropped requests included.
   * `billed` is all that the API would charge; `reported` only that whose full usage reached the reader.
   */
  totals(which?: 'billed' | 'reported'): ReadonlyMap<string, Totals>;
}

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

/** A request's record as the simulator writes it. */
export type Entry = Mutable<TruthRequest>;

/** The record of a batch's item as the simulator writes it. */
export type BatchItemEntry = Mutable<TruthBatchItem>;

/** What is known of a request when it arrives. */
export type Arrival = Pick<
  TruthRequest,
  'number' | 'id' | 'startedAtMs' | 'method' | 'path' | 'operation' | 'retryCount'
>;

/** Keeps the truth. Totals are kept for all requests, details for the last `keepRequests`. */
export class Ledger implements Truth {
  readonly #keepRequests: number;
  readonly #entries: Entry[] = [];
  readonly #batchItems: BatchItemEntry[] = [];
  readonly #billed = new Map<string, Totals>();
  readonly #reported = new Map<string, Totals>();
  readonly statuses = new Map<number | 'none', number>();
  readonly faults = new Map<string, number>();
  open = 0;

  constructor(keepRequests: number) {
    this.#keepRequests = keepRequests;
  }

  get requests(): readonly TruthRequest[] {
    return this.#entries;
  }

  get batchItems(): readonly TruthBatchItem[] {
    return this.#batchItems;
  }

  totals(which: 'billed' | 'reported' = 'billed'): ReadonlyMap<string, Totals> {
    return which === 'billed' ? this.#billed : this.#reported;
  }

  /** Begins a record. */
  arrived(arrival: Arrival): Entry {
    const entry: Entry = {
      ...arrival,
      endedAtMs: null,
      streamed: false,
      requestedModel: null,
      model: null,
      key: null,
      status: null,
      errorType: null,
      errorCode: null,
      fault: null,
      eventsSent: 0,
      delivery: 'none',
      usage: null,
      usageReported: 'none',
      billed: [],
    };
    this.open += 1;
    this.#entries.push(entry);
    if (this.#entries.length > this.#keepRequests) this.#entries.shift();
    return entry;
  }

  /** Charges for a record's usage, once; returns what was charged. */
  bill(entry: Entry, betas: readonly string[]): readonly BilledPart[] {
    if (entry.usage === null || entry.model === null || entry.billed.length > 0) return [];
    entry.billed = bill({ model: entry.model, usage: entry.usage, atMs: entry.startedAtMs, betas });
    charge(this.#billed, entry.billed);
    return entry.billed;
  }

  /** Ends a record; later calls change nothing. */
  ended(entry: Entry, atMs: number): void {
    if (entry.endedAtMs !== null) return;
    entry.endedAtMs = atMs;
    this.open -= 1;
    add(this.statuses, entry.status ?? 'none');
    if (entry.fault !== null) add(this.faults, entry.fault);
    if (entry.usageReported === 'full') charge(this.#reported, entry.billed);
  }

  /** Records an item of a batch that has ended, and bills it. */
  batchItemEnded(item: Omit<TruthBatchItem, 'billed' | 'told'>, createdAtMs: number): BatchItemEntry {
    const { model, usage } = item;
    const billed = model === null || usage === null ? [] : bill({ model, usage, atMs: createdAtMs, betas: [] });
    const entry = { ...item, billed, told: false };
    this.#batchItems.push(entry);
    if (this.#batchItems.length > this.#keepRequests) this.#batchItems.shift();
    charge(this.#billed, billed);
    return entry;
  }

  /** An item's line was read; only the first time counts. */
  batchItemTold(entry: BatchItemEntry): void {
    if (entry.told) return;
    entry.told = true;
    charge(this.#reported, entry.billed);
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Sums over what was billed. Money is whole nano-dollars. */
export interface Totals {
  /** Bills, of which an answer in several iterations has several. */
  readonly parts: number;
  readonly tokens: BilledTokens;
  readonly nanoUsd: BilledNanoUsd;
  /** All kinds of `nanoUsd` together. */
  readonly totalNanoUsd: number;
  /** Parts that have no price. */
  readonly unpriced: number;
}

const NO_TOKENS: BilledTokens = { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0 };

const NO_MONEY: BilledNanoUsd = { ...NO_TOKENS, server_tools: 0 };

/** Adds bills to the totals of their models. */
export function charge(totals: Map<string, Totals>, parts: readonly BilledPart[]): void {
  for (const part of parts) totals.set(part.model, plus(totals.get(part.model), part));
}

function plus(totals: Totals | undefined, part: BilledPart): Totals {
  const nanoUsd = summed(totals?.nanoUsd ?? NO_MONEY, part.nanoUsd ?? NO_MONEY);
  return {
    parts: (totals?.parts ?? 0) + 1,
    tokens: summed(totals?.tokens ?? NO_TOKENS, part.tokens),
    nanoUsd,
    totalNanoUsd: Object.values(nanoUsd).reduce((sum, kind) => sum + kind, 0),
    unpriced: (totals?.unpriced ?? 0) + (part.nanoUsd === null ? 1 : 0),
  };
}

function summed<Kind extends string>(left: Readonly<Record<Kind, number>>, right: Readonly<Record<Kind, number>>) {
  const sums: Record<Kind, number> = { ...left };
  for (const kind in left) sums[kind] += right[kind];
  return sums;
}
