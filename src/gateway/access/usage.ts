import type { Clock, Timers } from '../../clock.ts';
import { systemClock } from '../../clock.ts';
import type { PriceTable } from '../../pricing/prices.ts';
import { dayAfter, utcDay } from '../../totals/day-totals.ts';
import { Poster, type Posting } from '../../totals/poster.ts';
import {
  MESSAGE_OPERATIONS,
  TOKEN_KINDS,
  type BatchResult,
  type Call,
  type CallCost,
  type CallRecorder,
  type Recorder,
  type Usage,
} from '../../vocabulary.ts';
import { FORGOTTEN_OWNER, OTHER_OWNERS, OWNER_LABEL } from './member.ts';

/**
 * What is counted for each day, client, owner, key and model: `calls` that generate a message, batch results among them;
 * requests that were `refused` here; `unpriced` calls, whose cost is not known; tokens by kind, estimates under their own
 * names; and the cost at list price, as recorded, in whole nano-dollars.
 */
export const USAGE_COUNTS = ['calls', 'refused', 'unpriced', ...TOKEN_KINDS, 'cost_nano_usd'] as const;

export type UsageCount = (typeof USAGE_COUNTS)[number];

/** Whose usage it is. */
export interface UsageCell {
  readonly client: string;
  /** Empty for tokens without an owner. */
  readonly owner: string;
  /** Alias of the API key. */
  readonly key: string;
  /** Canonical id; `other` for models that the price table does not know, empty for requests without a model. */
  readonly model: string;
}

export interface UsageRow {
  /** The UTC day on which the calls began, `YYYY-MM-DD`. */
  readonly day: string;
  readonly cell: UsageCell;
  readonly counts: Readonly<Record<UsageCount, bigint>>;
}

export type UsagePosting = Posting<UsageRow>;

/** What of the usage is to be forgotten: the name of an owner, or the days before one. */
export interface UsageFilter {
  readonly owner: string | null;
  readonly beforeDay: string | null;
}

/** Keeps usage. A method that rejects has changed nothing, or all of one day. */
export interface UsageStore {
  readonly kind: 'sqlite' | 'redis';
  /** Adds a posting whole or not at all, once, and drops what is older than it keeps. */
  add(posting: UsagePosting): void | Promise<void>;
  /** Days from `fromDay` to before `toDay`. */
  read(fromDay: string, toDay: string): readonly UsageRow[] | Promise<readonly UsageRow[]>;
  /** Counts an owner's usage for `forgotten`, or drops days. Returns the number of rows that it changed. */
  forget(what: UsageFilter): number | Promise<number>;
  close(): void | Promise<void>;
}

export function noUsage(): Record<UsageCount, bigint> {
  return Object.fromEntries(USAGE_COUNTS.map((name) => [name, 0n])) as Record<UsageCount, bigint>;
}

/** Adds counts to others in place. */
export function addUsage(sums: Record<UsageCount, bigint>, counts: Readonly<Record<UsageCount, bigint>>): void {
  for (const name of USAGE_COUNTS) sums[name] += counts[name];
}

/** The parts of a cell in one text, by which stores tell cells apart. */
export function usageCellText({ client, owner, key, model }: UsageCell): string {
  return JSON.stringify([client, owner, key, model]);
}

export function usageCellFrom(text: string): UsageCell {
  const [client = '', owner = '', key = '', model = ''] = JSON.parse(text) as string[];
  return { client, owner, key, model };
}

/** The cell after its owner was forgotten. */
export function forgottenCell(cell: UsageCell): UsageCell {
  return { ...cell, owner: FORGOTTEN_OWNER };
}

/** The first day that is kept. */
export function keptFrom(atMs: number, days: number): string {
  return dayAfter(utcDay(atMs), -days);
}

interface UsageBookOptions {
  readonly store: UsageStore;
  readonly prices: PriceTable;
  /** Gets what the store threw. The usage is kept and posted again. */
  readonly onError?: (error: unknown) => void;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests. */
  readonly timers?: Timers;
}

/** Usage is posted this long after a call has ended, with that of all others that end meanwhile. */
const POST_MS = 50;

/** Keeps the usage of calls by client and owner. */
export interface UsageBook {
  readonly recorder: Recorder;
  /** Resolves when the store has everything. */
  flush(): Promise<void>;
  /** Posts the rest, and closes the store. */
  close(): Promise<void>;
}

export function usageBook({ store, prices, onError, clock = systemClock, timers }: UsageBookOptions): UsageBook {
  const counter = new UsageCounter(prices, () => poster.soon(POST_MS));
  const poster = new Poster<UsageRow>({
    ...{ take: () => counter.take(), add: (posting) => store.add(posting), showsLife: false },
    ...{ clock, onError, timers },
  });
  return {
    recorder: counter.recorder(() => clock.epochMs()),
    flush: () => poster.flush(),
    async close() {
      await poster.end().catch((error: unknown) => onError?.(error));
      await store.close();
    },
  };
}

/** Owners whose usage a process keeps apart on a day; that of further ones is counted for `other`. */
const MOST_OWNERS = 20_000;

/** Adds up usage until it is taken away to be stored. */
class UsageCounter {
  readonly #prices: PriceTable;
  readonly #added: () => void;
  #rows = new Map<string, { readonly row: UsageRow; readonly counts: Record<UsageCount, bigint> }>();
  readonly #owners = new Set<string>();
  #ownersOfDay = '';

  constructor(prices: PriceTable, added: () => void) {
    this.#prices = prices;
    this.#added = added;
  }

  recorder(nowMs: () => number): Recorder {
    return {
      started: (call): CallRecorder => ({
        batchResult: (result) => this.#batchResult(call, result, nowMs()),
        finished: () => this.#finished(call),
      }),
    };
  }

  take(): readonly UsageRow[] {
    const rows = [...this.#rows.values()].map(({ row }) => row);
    this.#rows = new Map();
    return rows;
  }

  #finished(call: Call): void {
    const { operation, outcome, startedAtMs, usage, cost } = call;
    const model = call.model ?? call.requestedModel;
    if (outcome === 'blocked') return this.#add(call, { model, atMs: startedAtMs }, { refused: 1n });
    // One that was sent another way is counted where it was answered.
    if (!MESSAGE_OPERATIONS.has(operation) || outcome === 'failed_over') return;
    this.#add(
      call,
      { model, atMs: startedAtMs },
      { calls: 1n, unpriced: usage !== null && cost?.priced === false ? 1n : 0n },
    );
    this.#addParts(call, { model, atMs: startedAtMs }, { usage, cost });
  }

  #batchResult(call: Call, { model, usage, cost }: BatchResult, atMs: number): void {
    if (usage === null) return;
    this.#add(call, { model, atMs }, { calls: 1n, unpriced: cost?.priced === false ? 1n : 0n });
    this.#addParts(call, { model, atMs }, { usage, cost });
  }

  /** Each part counts for the model that it ran on. What another organization pays costs nothing here. */
  #addParts(
    call: Call,
    place: Place,
    { usage, cost }: { readonly usage: Usage | null; readonly cost: CallCost | null },
  ): void {
    for (const [index, { model, tokens }] of (usage?.parts ?? []).entries()) {
      const kinds = call.isBilledToAnother ? null : (cost?.parts[index]?.cost ?? null);
      const nanoUsd = kinds === null ? 0 : Object.values(kinds).reduce((sum, kind) => sum + kind, 0);
      const counted = Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, BigInt(tokens[kind])]));
      this.#add(call, { ...place, model: model ?? place.model }, { ...counted, cost_nano_usd: BigInt(nanoUsd) });
    }
  }

  #add(call: Call, { model, atMs }: Place, more: Partial<Record<UsageCount, bigint>>): void {
    const day = utcDay(atMs);
    const client = call.client ?? '';
    const owner = this.#capped(day, client, call.attribution[OWNER_LABEL] ?? '');
    const cell = { client, owner, key: call.key, model: this.#modelOf(model) };
    const name = `${day} ${usageCellText(cell)}`;
    let known = this.#rows.get(name);
    if (known === undefined) {
      const counts = noUsage();
      known = { row: { day, cell, counts }, counts };
      this.#rows.set(name, known);
    }
    addUsage(known.counts, { ...noUsage(), ...more });
    this.#added();
  }

  /** A model that has no price may be any text of a request's. */
  #modelOf(id: string | null): string {
    if (id === null) return '';
    const model = this.#prices.canonicalModel(id);
    return this.#prices.knownModels.includes(model) ? model : OTHER_OWNERS;
  }

  #capped(day: string, client: string, owner: string): string {
    if (owner === '') return owner;
    if (day > this.#ownersOfDay) {
      this.#owners.clear();
      this.#ownersOfDay = day;
    }
    const name = `${client}/${owner}`;
    if (this.#owners.size >= MOST_OWNERS && !this.#owners.has(name)) return OTHER_OWNERS;
    this.#owners.add(name);
    return owner;
  }
}

interface Place {
  readonly model: string | null;
  readonly atMs: number;
}
