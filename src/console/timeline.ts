import { Cell, OTHER, type CellLabels } from './cell.ts';
import { Packer, Unpacker } from './packed.ts';

/** Ranges that the page offers, in seconds. Each has 60 whole bins, and the one that is still being filled. */
export const RANGES = [60, 300, 900, 3_600] as const;

export type RangeSeconds = (typeof RANGES)[number];

export const BINS = 61;

/** Sets of labels at once: what comes on top is counted as `other`. */
const MOST_SETS = 1_000;

/** Bytes of one bin: all bins together have 4 MB. */
const MOST_BYTES = 17_000;

const HOUR_MS = 3_660_000;

/** Stands for the labels of calls that not even their model found room for. */
const FOLDED: CellLabels = { operation: 'other', key: 'other', model: 'other', attribution: OTHER };

/** Models and keys whose folded calls keep their names. */
const MOST_FOLDED = 40;

/** To look through all sets at each new one would cost more than counting. */
const FORGET_MS = 10_000;

/** Sets of labels by number. A number is given anew once its labels were not seen for an hour. */
class Sets {
  readonly #ids = new Map<CellLabels, number>();
  readonly #known: { readonly labels: CellLabels; lastMs: number }[] = [];
  readonly #free: number[] = [];
  readonly #folded = new Map<string, CellLabels>();
  readonly #most: number;
  #forgotMs = -Infinity;

  constructor(most: number) {
    this.#most = most;
  }

  /** The number of these labels, or of those that they are folded into where there is no room. */
  idOf(labels: CellLabels, ms: number): number {
    const id = this.#ids.get(labels);
    const known = id === undefined ? undefined : this.#known[id];
    if (id !== undefined && known !== undefined) {
      known.lastMs = ms;
      return id;
    }
    if (this.#ids.size >= this.#most && ms - this.#forgotMs >= FORGET_MS) this.#forget(ms);
    if (this.#ids.size < this.#most || labels.attribution === OTHER) return this.#add(labels, ms);
    return this.idOf(this.foldedOf(labels), ms);
  }

  labelsOf(id: number): CellLabels {
    return this.#known[id]?.labels ?? FOLDED;
  }

  /** The labels that stand for these where there is no room: key and model stay, while they are few. */
  foldedOf({ key, model }: CellLabels): CellLabels {
    const name = JSON.stringify([key, model]);
    const known = this.#folded.get(name);
    if (known !== undefined) return known;
    if (this.#folded.size >= MOST_FOLDED) return FOLDED;
    const labels = { operation: 'other', key, model, attribution: OTHER };
    this.#folded.set(name, labels);
    return labels;
  }

  since(ms: number): readonly CellLabels[] {
    return [...this.#ids.values()].flatMap((id) => {
      const set = this.#known[id];
      return set === undefined || set.lastMs < ms ? [] : [set.labels];
    });
  }

  #add(labels: CellLabels, ms: number): number {
    const id = this.#free.pop() ?? this.#known.length;
    this.#known[id] = { labels, lastMs: ms };
    this.#ids.set(labels, id);
    return id;
  }

  #forget(ms: number): void {
    this.#forgotMs = ms;
    for (const [labels, id] of this.#ids) {
      if ((this.#known[id]?.lastMs ?? ms) >= ms - HOUR_MS) continue;
      this.#ids.delete(labels);
      this.#free.push(id);
    }
  }
}

/** A bin that is being filled, on a whole step of the clock. */
interface OpenBin {
  readonly startMs: number;
  readonly cells: Map<number, Cell>;
}

/** Tells of one cell of a bin; the cell is another's the next moment. */
type Visit = (startMs: number, labels: CellLabels, cell: Cell) => void;

/** Bins of one length: the last is filled, those before are packed. */
class Level {
  readonly stepMs: number;
  readonly #packed: { readonly startMs: number; readonly bytes: Uint8Array }[] = [];
  #open: OpenBin | null = null;

  constructor(rangeSeconds: number) {
    this.stepMs = (rangeSeconds * 1_000) / (BINS - 1);
  }

  /** The bin of a moment, and the one that it ended, if it did. A clock set back stays in the last bin. */
  at(ms: number, pack: (bin: OpenBin) => Uint8Array): { readonly bin: OpenBin; readonly ended: OpenBin | null } {
    const startMs = Math.floor(ms / this.stepMs) * this.stepMs;
    const open = this.#open;
    if (open !== null && open.startMs >= startMs) return { bin: open, ended: null };
    if (open !== null) this.#packed.push({ startMs: open.startMs, bytes: pack(open) });
    const oldest = startMs - (BINS - 1) * this.stepMs;
    while ((this.#packed[0]?.startMs ?? startMs) < oldest) this.#packed.shift();
    const bin: OpenBin = { startMs, cells: new Map() };
    this.#open = bin;
    return { bin, ended: open };
  }

  get open(): OpenBin | null {
    return this.#open;
  }

  get packed(): readonly { readonly startMs: number; readonly bytes: Uint8Array }[] {
    return this.#packed;
  }
}

interface LastHourOptions {
  readonly mostSets?: number;
  /** Of one bin. */
  readonly mostBytes?: number;
}

/**
 * The last hour, at four lengths of bins: 1 s, 5 s, 15 s and a minute. Calls are counted into the second; a bin that is over
 * is packed, and added to the next longer one. Memory is bounded: labels that find no room are counted as `other`, with
 * their key and model, so that totals stay right.
 */
export class LastHour {
  readonly #levels = RANGES.map((range) => new Level(range));
  readonly #sets: Sets;
  readonly #mostBytes: number;
  readonly #packer = new Packer();
  readonly #unpacker = new Unpacker();

  /** About 5 MB at most. */
  constructor({ mostSets = MOST_SETS, mostBytes = MOST_BYTES }: LastHourOptions = {}) {
    this.#sets = new Sets(mostSets);
    this.#mostBytes = mostBytes;
  }

  /** Applies a change to the cell of these labels at a moment. */
  count(labels: CellLabels, ms: number, change: (cell: Cell) => void): void {
    change(cellOf(this.#binAt(0, ms).cells, this.#sets.idOf(labels, ms)));
  }

  /** Labels that calls had since a moment, and those that stand for the folded ones. */
  labelsSince(ms: number): readonly CellLabels[] {
    return this.#sets.since(ms);
  }

  /** Visits every cell of a range at a moment, and returns the starts of its bins, oldest first; empty ones are there too. */
  visit(range: RangeSeconds, ms: number, visit: Visit): readonly number[] {
    const at = RANGES.indexOf(range);
    const level = this.#levels[at];
    if (level === undefined) throw new RangeError('there is no such range');
    const { stepMs } = level;
    const end = Math.floor(ms / stepMs) * stepMs;
    const starts = Array.from({ length: BINS }, (_, index) => end - (BINS - 1 - index) * stepMs);
    const isInRange = (startMs: number): boolean => startMs >= (starts[0] ?? end) && startMs <= end;
    for (const { startMs, bytes } of level.packed) {
      if (isInRange(startMs)) this.#unpacker.each(bytes, (id, cell) => visit(startMs, this.#sets.labelsOf(id), cell));
    }
    // What is not over yet is in the bins that are filled, of this length and of all shorter ones.
    for (const { open } of this.#levels.slice(0, at + 1)) {
      const startMs = Math.floor((open?.startMs ?? 0) / stepMs) * stepMs;
      if (open === null || !isInRange(startMs)) continue;
      for (const [id, cell] of open.cells) visit(startMs, this.#sets.labelsOf(id), cell);
    }
    return starts;
  }

  #binAt(index: number, ms: number): OpenBin {
    const level = this.#levels[index];
    if (level === undefined) throw new RangeError('there is no such level');
    const { bin, ended } = level.at(ms, (over) => this.#pack(over));
    if (ended !== null && index + 1 < this.#levels.length) {
      const { cells } = this.#binAt(index + 1, ended.startMs);
      for (const [id, cell] of ended.cells) cellOf(cells, id).add(cell);
    }
    return bin;
  }

  /** Packs the cells with the most calls first; those that do not fit are folded into those of their key and model. */
  #pack({ startMs, cells }: OpenBin): Uint8Array {
    for (const [id, cell] of cells) this.#packer.cell(id, cell);
    if (this.#packer.length <= this.#mostBytes) return this.#packer.take();
    this.#packer.take();
    const folded = new Map<number, Cell>();
    const room = this.#mostBytes * 0.8;
    for (const [id, cell] of [...cells].sort(([, one], [, other]) => other.calls - one.calls)) {
      const labels = this.#sets.labelsOf(id);
      if (this.#packer.length < room) this.#packer.cell(id, cell);
      else cellOf(folded, this.#sets.idOf(this.#sets.foldedOf(labels), startMs)).add(cell);
    }
    for (const [id, cell] of folded) this.#packer.cell(id, cell);
    return this.#packer.take();
  }
}

function cellOf(cells: Map<number, Cell>, id: number): Cell {
  const known = cells.get(id);
  if (known !== undefined) return known;
  const cell = new Cell();
  cells.set(id, cell);
  return cell;
}
