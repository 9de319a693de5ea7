import type { Reservations } from './reservations.ts';

/** The batches that are remembered at most. The ledger keeps what the others hold until they expire. */
const MOST_BATCHES = 10_000;

interface BatchHold {
  readonly reservations: Reservations;
  /** What it held at first. */
  readonly nanoUsd: bigint;
  readonly untilMs: number;
}

/**
 * What batches hold of one budget, each under a name of its own in the ledger: it outlives the process that made the
 * batch, and whoever reads the results releases it.
 */
export class BatchHolds {
  readonly #open: (batchId: string, untilMs: number) => Reservations;
  readonly #close: (reservations: Reservations) => void;
  readonly #batches = new Map<string, BatchHold>();

  /** `open` makes the reservations of a batch for a ledger, and `close` is told of those that are over. */
  constructor(open: (batchId: string, untilMs: number) => Reservations, close: (reservations: Reservations) => void) {
    this.#open = open;
    this.#close = close;
  }

  /** Holds an amount until the batch ends, `untilMs` at the latest. */
  hold(batchId: string, nanoUsd: bigint, untilMs: number): void {
    const reservations = this.#batches.get(batchId)?.reservations ?? this.#open(batchId, untilMs);
    this.#batches.set(batchId, { reservations, nanoUsd, untilMs });
    reservations.hold(nanoUsd);
  }

  /** Keeps so much of what was held at first: `left` of so many requests. */
  keep(batchId: string, left: number, requests: number): void {
    const known = this.#batches.get(batchId);
    if (known === undefined || requests <= 0) return;
    known.reservations.hold((known.nanoUsd * BigInt(Math.max(0, left))) / BigInt(requests));
  }

  /** Releases what the batch holds, also where another process made it. */
  release(batchId: string, nowMs: number): void {
    const reservations = this.#batches.get(batchId)?.reservations ?? this.#open(batchId, nowMs);
    this.#batches.set(batchId, { reservations, nanoUsd: 0n, untilMs: nowMs });
    reservations.hold(0n);
    this.#forget(nowMs);
  }

  /** Forgets the batches that are over, or that the ledger has forgotten. */
  #forget(nowMs: number): void {
    for (const [batchId, { reservations, untilMs }] of this.#batches) {
      const isOver = reservations.isIdle || untilMs < nowMs || this.#batches.size > MOST_BATCHES;
      if (!isOver || !reservations.isSettled) continue;
      this.#batches.delete(batchId);
      this.#close(reservations);
    }
  }
}
