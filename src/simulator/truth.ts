import { bill, type BilledNanoUsd, type BilledPart, type BilledTokens, type Billable } from './billing.ts';
import type { Verdict } from './refusals.ts';
import type { WireUsage } from './usage.ts';

/**
 * The fate of a response's body. `unread`: not read to its end yet. `complete`: read to its end. `cut`: the server ended or
 * broke it early. `cancelled`: the reader left. `none`: there was no response.
 */
export type Delivery = 'unread' | 'complete' | 'cut' | 'cancelled' | 'none';

/** The part of the usage that reached the reader: all of it, only that of `message_start`, or nothing. */
export type UsageReported = 'full' | 'start' | 'none';

/** The server's record of one request. It changes until `endedAtMs` is set. */
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
  /** `messages.create`, `messages.stream`, `messages.batches.results`, …; `other` for paths that are not served. */
  readonly operation: string;
  /** The model of the request. */
  readonly requestedModel: string | null;
  /** The model that answered, as the response names it. */
  readonly model: string | null;
  /** The name of the accepted key, never the key; `null` if none was accepted. */
  readonly key: string | null;
  /** The SDK's own count of retries: 0 for a first attempt. */
  readonly retryCount: number;
  /** `null` if no response was sent. */
  readonly status: number | null;
  /** Of a refusal, or of an error in the body of a 200; `null` for none. */
  readonly errorType: string | null;
  readonly errorCode: string | null;
  /** The fault that was applied; `null` for none. */
  readonly fault: string | null;
  readonly streamed: boolean;
  /** Events sent, pings included. */
  readonly eventsSent: number;
  readonly delivery: Delivery;
  /** The billed usage as the API would write it; its output is what was generated. `null` if nothing is billed. */
  readonly usage: WireUsage | null;
  readonly usageReported: UsageReported;
  /** What the answer says besides its tokens; `null` if there is none. */
  readonly verdict: Verdict | null;
  /** Empty if nothing is billed, and for a stream until it has ended. */
  readonly billed: readonly BilledPart[];
  /** `billed` is paid by the customer behind a user profile, and is in no totals of the organization. */
  readonly toProfile: boolean;
}

/** The server's record of one request of a batch, once the batch has ended. */
export interface TruthBatchItem {
  readonly batchId: string;
  readonly customId: string;
  readonly result: 'succeeded' | 'errored' | 'canceled' | 'expired';
  /** The model that answered; `null` if none did. */
  readonly model: string | null;
  readonly usage: WireUsage | null;
  readonly verdict: Verdict | null;
  /** `null` unless the item errored. */
  readonly errorType: string | null;
  /** Empty for an item that did not succeed, which costs nothing. */
  readonly billed: readonly BilledPart[];
  /** True once the item's line of the results has been read. */
  readonly wasRead: boolean;
}

/** The oracle: what really happened, for tests to compare with. */
export interface Truth {
  /** In order of arrival; the oldest are dropped beyond the simulator's `keepRequests`. */
  readonly requests: readonly TruthRequest[];
  /** Items of batches that have ended, at most `keepRequests` of them. */
  readonly batchItems: readonly TruthBatchItem[];
  /** Requests that have not ended, including those with unread bodies. A stream is billed when it ends, everything else when its head is sent. */
  readonly open: number;
  /** All requests so far by HTTP status; `none` if no response was sent. */
  readonly statuses: ReadonlyMap<number | 'none', number>;
  /** Faults applied so far, by name. */
  readonly faults: ReadonlyMap<string, number>;
  /**
   * Tokens and money so far of all requests, by the billed model.
   * `billed` is all that the API would charge the organization; `reported` is the part whose full usage reached the reader.
   * `to_profiles` is what it would charge the customers behind user profiles, which is in neither of the others.
   */
  totals(which?: 'billed' | 'reported' | 'to_profiles'): ReadonlyMap<string, Totals>;
}

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

/** Use that was billed. */
export interface BilledUse extends Billable {
  /** The name of the accepted key. */
  readonly key: string | null;
  readonly product: string;
}

/** The record of a request while the simulator writes it. */
export type RequestRecord = Mutable<TruthRequest>;

/** The record of a batch item while the simulator writes it. */
export type BatchItemRecord = Mutable<TruthBatchItem>;

/** The part of a record that is known when a request arrives. */
type NewRequest = Pick<TruthRequest, 'number' | 'id' | 'startedAtMs' | 'method' | 'path' | 'operation' | 'retryCount'>;

/** Keeps the records: totals of all requests, details of the last `keepRequests`. */
export class Ledger implements Truth {
  readonly #keepRequests: number;
  readonly #tellBilled: (entry: BilledUse) => void;
  readonly #entries: RequestRecord[] = [];
  readonly #batchItems: BatchItemRecord[] = [];
  readonly #billed = new Map<string, Totals>();
  readonly #reported = new Map<string, Totals>();
  readonly #toProfiles = new Map<string, Totals>();
  readonly statuses = new Map<number | 'none', number>();
  readonly faults = new Map<string, number>();
  open = 0;

  /** `billed` gets everything that is billed, with the name of its key, when it is. */
  constructor(keepRequests: number, billed: (entry: BilledUse) => void = () => undefined) {
    this.#keepRequests = keepRequests;
    this.#tellBilled = billed;
  }

  get requests(): readonly TruthRequest[] {
    return this.#entries;
  }

  get batchItems(): readonly TruthBatchItem[] {
    return this.#batchItems;
  }

  totals(which: 'billed' | 'reported' | 'to_profiles' = 'billed'): ReadonlyMap<string, Totals> {
    return { billed: this.#billed, reported: this.#reported, to_profiles: this.#toProfiles }[which];
  }

  /** Begins the record of a request. */
  begin(incoming: NewRequest): RequestRecord {
    const record: RequestRecord = {
      ...incoming,
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
      verdict: null,
      billed: [],
      toProfile: false,
    };
    this.open += 1;
    this.#entries.push(record);
    if (this.#entries.length > this.#keepRequests) this.#entries.shift();
    return record;
  }

  /** Bills a record's usage once, and returns what the organization pays of it. */
  bill(record: RequestRecord, betas: readonly string[]): readonly BilledPart[] {
    if (record.usage === null || record.model === null || record.billed.length > 0) return [];
    const { model, usage, startedAtMs: atMs, verdict } = record;
    const billable = { model, usage, atMs, betas, refusals: verdict?.refusals ?? [] };
    record.billed = bill(billable);
    if (record.toProfile) {
      charge(this.#toProfiles, record.billed);
      return [];
    }
    this.#tellBilled({ ...billable, key: record.key, product: 'messages_api' });
    charge(this.#billed, record.billed);
    return record.billed;
  }

  /** Ends a record. Later calls change nothing. */
  end(record: RequestRecord, atMs: number): void {
    if (record.endedAtMs !== null) return;
    record.endedAtMs = atMs;
    this.open -= 1;
    add(this.statuses, record.status ?? 'none');
    if (record.fault !== null) add(this.faults, record.fault);
    if (record.usageReported === 'full' && !record.toProfile) charge(this.#reported, record.billed);
  }

  /** Records and bills an item of a batch that has ended. */
  recordBatchItem(
    item: Omit<TruthBatchItem, 'billed' | 'wasRead'>,
    { createdAtMs, key }: { readonly createdAtMs: number; readonly key: string | null },
  ): BatchItemRecord {
    const { model, usage, verdict } = item;
    const refusals = verdict?.refusals ?? [];
    const billable = model === null || usage === null ? null : { model, usage, atMs: createdAtMs, betas: [], refusals };
    const billed = billable === null ? [] : bill(billable);
    if (billable !== null) this.#tellBilled({ ...billable, key, product: 'message_batches_api' });
    const record = { ...item, billed, wasRead: false };
    this.#batchItems.push(record);
    if (this.#batchItems.length > this.#keepRequests) this.#batchItems.shift();
    charge(this.#billed, billed);
    return record;
  }

  /** Notes that an item's line was read; only the first time counts. */
  markRead(record: BatchItemRecord): void {
    if (record.wasRead) return;
    record.wasRead = true;
    charge(this.#reported, record.billed);
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Sums of bills. Money is whole nano-dollars. */
export interface Totals {
  /** Billed parts; a response in several iterations has several. */
  readonly parts: number;
  readonly tokens: BilledTokens;
  readonly nanoUsd: BilledNanoUsd;
  /** Sum of all kinds of `nanoUsd`. */
  readonly totalNanoUsd: number;
  /** Parts without a price. */
  readonly unpriced: number;
}

const NO_TOKENS: BilledTokens = { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0 };

const NO_MONEY: BilledNanoUsd = { ...NO_TOKENS, server_tools: 0 };

/** Adds billed parts to the totals of their models. */
function charge(totals: Map<string, Totals>, parts: readonly BilledPart[]): void {
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
