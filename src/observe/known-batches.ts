import type { SeenBatch } from '../answers.ts';
import { isJson, type Json } from './usage.ts';

/** Batches that are remembered. Beyond it the one that was seen longest ago is forgotten. */
const MOST_BATCHES = 10_000;

/** Ids that are remembered of batches whose results were read in part. The API allows 100,000 a batch. */
const MOST_IDS = 200_000;

interface KnownBatch {
  readonly createdAtMs: number | null;
  /** Requests in the batch; `null` while it is not known. */
  readonly size: number | null;
  /** Ids of the results that have been recorded; `null` when all have been. */
  readonly recorded: Set<string> | null;
}

/**
 * Remembers which batch results have been recorded, so that reading them again counts nothing again. Of a batch that was
 * read to its end only the id is kept. Bounded: a batch that had to be forgotten counts again when it is read again,
 * after 10,000 other batches, or 200,000 results of batches that were read in part.
 */
export class KnownBatches {
  readonly #batches = new Map<string, KnownBatch>();
  #ids = 0;

  /** Takes a batch object of the API, which has the time it was made and the number of its requests. */
  note(batch: Json): void {
    const id = batch['id'];
    if (typeof id !== 'string') return;
    const known = this.#batches.get(id) ?? unknownBatch();
    this.#keep(id, { ...known, createdAtMs: createdAtMs(batch) ?? known.createdAtMs, size: size(batch) ?? known.size });
  }

  /** The time the batch was made; `null` while it is not known. */
  createdAtMs(batchId: string): number | null {
    return this.#batches.get(batchId)?.createdAtMs ?? null;
  }

  /** Tells whether a result has not been recorded before. From now on it has. */
  isNew(batchId: string, customId: string): boolean {
    const known = this.#batches.get(batchId) ?? unknownBatch();
    const { recorded } = known;
    if (recorded === null || recorded.has(customId)) return false;
    recorded.add(customId);
    this.#ids += 1;
    const isWhole = recorded.size === known.size;
    if (isWhole) this.#ids -= recorded.size;
    this.#keep(batchId, isWhole ? { ...known, recorded: null } : known);
    return true;
  }

  #keep(id: string, batch: KnownBatch): void {
    this.#batches.delete(id); // so that it comes last
    this.#batches.set(id, batch);
    while (this.#batches.size > MOST_BATCHES || this.#ids > MOST_IDS) {
      const [oldest] = this.#batches;
      if (oldest === undefined) return;
      this.#batches.delete(oldest[0]);
      this.#ids -= oldest[1].recorded?.size ?? 0;
    }
  }
}

/** What a batch object of the API says; `null` if it has no id. */
export function seenBatch(batch: Json): SeenBatch | null {
  const { id, processing_status: status, request_counts: counts } = batch;
  if (typeof id !== 'string') return null;
  const requests = size(batch);
  const succeeded = isJson(counts) ? Number(counts['succeeded']) : Number.NaN;
  const isCounted = requests !== null && Number.isSafeInteger(succeeded);
  return { id, hasEnded: status === 'ended', wasRead: false, counts: isCounted ? { requests, succeeded } : null };
}

function unknownBatch(): KnownBatch {
  return { createdAtMs: null, size: null, recorded: new Set<string>() };
}

function createdAtMs(batch: Json): number | null {
  const created = batch['created_at'];
  const atMs = typeof created === 'string' ? Date.parse(created) : Number.NaN;
  return Number.isFinite(atMs) ? atMs : null;
}

function size({ request_counts: counts }: Json): number | null {
  if (!isJson(counts)) return null;
  const sum = Object.values(counts).reduce<number>((total, count) => total + Number(count), 0);
  return Number.isSafeInteger(sum) && sum > 0 ? sum : null;
}
