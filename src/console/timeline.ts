import { TOKEN_KINDS, type RateLimitReason, type TokenKind } from '../vocabulary.ts';
import { observe, type Sketch } from './sketch.ts';

/** Labels that calls are counted by. The same object stands for the same labels, so counting compares no text. */
export interface CellLabels {
  readonly operation: string;
  readonly key: string;
  readonly model: string;
  readonly attribution: Readonly<Record<string, string>>;
}

/** Stands for the attribution of what was counted without: it belongs to every value, so no filter by one leaves it out. */
export const EVERY: CellLabels['attribution'] = Object.freeze({});

/** What happened to the calls of one label set in one bin. */
export class Cell {
  ok = 0;
  failed = 0;
  /** Calls that their caller left. Neither answered nor failed. */
  left = 0;
  attempts = 0;
  retries = 0;
  waitSeconds = 0;
  costNanoUsd = 0;
  readonly tokens: number[] = TOKEN_KINDS.map(() => 0);
  rejected: Partial<Record<RateLimitReason, number>> | null = null;
  duration: Sketch | null = null;
  firstToken: Sketch | null = null;

  reject(reason: RateLimitReason, count = 1): void {
    this.rejected ??= {};
    this.rejected[reason] = (this.rejected[reason] ?? 0) + count;
  }

  took(seconds: number, count = 1): void {
    observe((this.duration ??= []), seconds, count);
  }

  began(seconds: number, count = 1): void {
    observe((this.firstToken ??= []), seconds, count);
  }

  addTokens(kind: TokenKind, count: number): void {
    const at = TOKEN_KINDS.indexOf(kind);
    this.tokens[at] = (this.tokens[at] ?? 0) + count;
  }
}

/** Ranges that the page offers, in seconds. Each has 60 whole bins, and the one that is still being filled. */
export const RANGES = [60, 300, 900, 3_600] as const;

export type RangeSeconds = (typeof RANGES)[number];

const BINS = 61;

/** Stands for the labels of calls that there was no room for. */
const FOLDED: CellLabels = { operation: 'other', key: 'other', model: 'other', attribution: {} };

export interface Bin {
  /** On a whole step of the clock. */
  readonly startMs: number;
  readonly cells: Map<CellLabels, Cell>;
}

/** The calls of the last minutes in bins of one length. */
class Timeline {
  readonly stepMs: number;
  readonly #bins: Bin[] = [];

  constructor(rangeSeconds: number) {
    this.stepMs = (rangeSeconds * 1_000) / (BINS - 1);
  }

  /** Returns the bin of a moment, and forgets those that are out of range. A clock set back stays in the last bin. */
  at(ms: number): Bin {
    const startMs = Math.floor(ms / this.stepMs) * this.stepMs;
    const last = this.#bins.at(-1);
    if (last !== undefined && last.startMs >= startMs) return last;
    const bin: Bin = { startMs, cells: new Map() };
    this.#bins.push(bin);
    const oldest = startMs - (BINS - 1) * this.stepMs;
    while ((this.#bins[0]?.startMs ?? startMs) < oldest) this.#bins.shift();
    return bin;
  }

  /** The bins in range at a moment, oldest first; empty ones are there too. */
  upTo(ms: number): readonly Bin[] {
    const end = Math.floor(ms / this.stepMs) * this.stepMs;
    const known = new Map(this.#bins.map((bin) => [bin.startMs, bin]));
    return Array.from({ length: BINS }, (_, index) => {
      const startMs = end - (BINS - 1 - index) * this.stepMs;
      return known.get(startMs) ?? { startMs, cells: new Map() };
    });
  }

  get cells(): number {
    return this.#bins.reduce((sum, { cells }) => sum + cells.size, 0);
  }
}

/**
 * The last hour, at four lengths of bins: 1 s, 5 s, 15 s and a minute. Its memory is bounded by the number of cells; labels
 * that find no room are counted together as `other`, so that totals stay right.
 */
export class LastHour {
  readonly #timelines = RANGES.map((range) => new Timeline(range));
  readonly #mostCells: number;

  /** About 1.1 kB a cell that has latencies: 13 MB if all are used. */
  constructor(mostCells = 12_000) {
    this.#mostCells = mostCells;
  }

  /** Applies a change to the cells of these labels at a moment. */
  count(labels: CellLabels, ms: number, change: (cell: Cell) => void): void {
    for (const timeline of this.#timelines) change(this.#cellOf(timeline.at(ms).cells, labels));
  }

  #cellOf(cells: Map<CellLabels, Cell>, labels: CellLabels): Cell {
    const known = cells.get(labels);
    if (known !== undefined) return known;
    const place = this.cells < this.#mostCells ? labels : FOLDED;
    const cell = cells.get(place) ?? new Cell();
    cells.set(place, cell);
    return cell;
  }

  /** The number of cells kept. */
  get cells(): number {
    return this.#timelines.reduce((sum, { cells }) => sum + cells, 0);
  }

  /** The bins of a range at a moment, and their length. */
  bins(range: RangeSeconds, ms: number): { readonly stepMs: number; readonly bins: readonly Bin[] } {
    const timeline = this.#timelines[RANGES.indexOf(range)] ?? this.#timelines[0];
    if (timeline === undefined) throw new RangeError('there is no such range');
    return { stepMs: timeline.stepMs, bins: timeline.upTo(ms) };
  }
}
