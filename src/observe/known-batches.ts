import { isJson, type Json } from './usage.ts';

/** Batches that are remembered; beyond it the one that was not heard of for the longest is forgotten. */
const MOST_BATCHES = 10_000;

/** Ids of results that are remembered for batches whose results were read in part; the API allows 100,000 a batch. */
const MOST_IDS = 200_000;

interface KnownBatch {
  readonly createdAtMs: number | null;
  /** Requests in it; `null` where nobody has said. */
  readonly size: number | null;
  /** The results that have been told; `null` when all of them have. */
  readonly told: Set<string> | null;
}

/**
 * Which results of which batches have been told, so that reading them again counts nothing again. Of a batch that was
 * read to its end only the id is kept. Bounded: a batch that had to be forgotten counts again when it is read again,
 * after 10,000 other batches, or 200,000 results of batches that were read in part.
 */
export class KnownBatches {
  readonly #batches = new Map<string, KnownBatch>();
  #ids = 0;

  /** A batch object of the API's: when it was made and how many requests it has are in it. */
  note(batch: Json): void {
    const id = batch['id'];
    if (typeof id !== 'string') return;
    const known = this.#batches.get(id) ?? unheardOf();
    this.#keep(id, { ...known, createdAtMs: createdAtMs(batch) ?? known.createdAtMs, size: size(batch) ?? known.size });
  }

  /** When the batch was made; `null` where nobody has said. */
  createdAtMs(batchId: string): number | null {
    return this.#batches.get(batchId)?.createdAtMs ?? null;
  }

  /** Whether this result has not been told before; from now on it has. */
  isNew(batchId: string, customId: string): boolean {
    const known = this.#batches.get(batchId) ?? unheardOf();
    const { told } = known;
    if (told === null || told.has(customId)) return false;
    told.add(customId);
    this.#ids += 1;
    const isWhole = told.size === known.size;
    if (isWhole) this.#ids -= told.size;
    this.#keep(batchId, isWhole ? { ...known, told: null } : known);
    return true;
  }

  #keep(id: string, batch: KnownBatch): void {
    this.#batches.delete(id); // so that it comes last
    this.#batches.set(id, batch);
    while (this.#batches.size > MOST_BATCHES || this.#ids > MOST_IDS) {
      const [oldest] = this.#batches;
      if (oldest === undefined) return;
      this.#batches.delete(oldest[0]);
      this.#ids -= oldest[1].told?.size ?? 0;
    }
  }
}

function unheardOf(): KnownBatch {
  return { createdAtMs: null, size: null, told: new Set<string>() };
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
