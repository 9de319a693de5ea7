import { RATE_LIMIT_REASONS } from '../vocabulary.ts';
import { Cell } from './cell.ts';
import type { Sketch } from './sketch.ts';

/**
 * Cells in bytes: most of what a call leaves in a bin are zeros and small numbers, which take a byte each. Waits are kept in
 * microseconds, everything else in whole units. A cell of one call takes about 25 bytes.
 */

const MICROSECONDS = 1e6;

/** Bytes that grow as they are written; used again for each bin. */
export class Packer {
  #bytes = new Uint8Array(4_096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Returns a copy of what was written, and begins anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Writes the cell of a set of labels. */
  cell(id: number, cell: Cell): void {
    this.#number(id);
    this.#number(cell.ok);
    this.#number(cell.failed);
    this.#number(cell.left);
    this.#number(cell.attempts);
    this.#number(cell.retries);
    this.#number(cell.waitSeconds * MICROSECONDS);
    this.#number(cell.costNanoUsd);
    this.#sparse(cell.tokens);
    this.#sparse(cell.rejected ?? []);
    this.#sketch(cell.duration ?? []);
    this.#sketch(cell.firstToken ?? []);
  }

  #sparse(counts: readonly number[]): void {
    let present = 0;
    for (const [at, count] of counts.entries()) if (count > 0) present += 2 ** at;
    this.#number(present);
    for (const count of counts) if (count > 0) this.#number(count);
  }

  /** Buckets in order, each as the distance from the one before. */
  #sketch(sketch: Sketch): void {
    const pairs = Array.from({ length: sketch.length / 2 }, (_, at) => [sketch[2 * at] ?? 0, sketch[2 * at + 1] ?? 0]);
    pairs.sort(([one = 0], [other = 0]) => one - other);
    this.#number(pairs.length);
    let before = 0;
    for (const [bucket = 0, count = 0] of pairs) {
      this.#number(bucket - before);
      this.#number(count);
      before = bucket;
    }
  }

  /** Writes a whole number that is not negative, seven bits a byte. What a metrics page may hold else is cut to that. */
  #number(value: number): void {
    if (this.#length + 9 > this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    let left = value > 0 ? Math.min(Number.MAX_SAFE_INTEGER, Math.round(value)) : 0;
    while (left >= 128) {
      this.#bytes[this.#length] = (left % 128) + 128;
      this.#length += 1;
      left = Math.floor(left / 128);
    }
    this.#bytes[this.#length] = left;
    this.#length += 1;
  }
}

/** Reads packed cells one by one, into the same cell: what is kept of it has to be copied. */
export class Unpacker {
  readonly #cell = new Cell();
  readonly #rejected = RATE_LIMIT_REASONS.map(() => 0);
  readonly #duration: Sketch = [];
  readonly #firstToken: Sketch = [];
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  each(bytes: Uint8Array, visit: (id: number, cell: Cell) => void): void {
    this.#bytes = bytes;
    this.#at = 0;
    while (this.#at < bytes.length) visit(this.#number(), this.#read());
  }

  #read(): Cell {
    const cell = this.#cell;
    cell.ok = this.#number();
    cell.failed = this.#number();
    cell.left = this.#number();
    cell.attempts = this.#number();
    cell.retries = this.#number();
    cell.waitSeconds = this.#number() / MICROSECONDS;
    cell.costNanoUsd = this.#number();
    this.#sparse(cell.tokens);
    cell.rejected = this.#sparse(this.#rejected) ? this.#rejected : null;
    cell.duration = this.#sketch(this.#duration);
    cell.firstToken = this.#sketch(this.#firstToken);
    return cell;
  }

  /** Tells whether any is there. */
  #sparse(counts: number[]): boolean {
    const present = this.#number();
    for (let at = 0; at < counts.length; at += 1) counts[at] = (present >> at) & 1 ? this.#number() : 0;
    return present > 0;
  }

  #sketch(sketch: Sketch): Sketch | null {
    const pairs = this.#number();
    sketch.length = 0;
    let bucket = 0;
    for (let at = 0; at < pairs; at += 1) {
      bucket += this.#number();
      sketch.push(bucket, this.#number());
    }
    return pairs === 0 ? null : sketch;
  }

  #number(): number {
    let byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    if (byte < 128) return byte;
    let value = byte - 128;
    for (let unit = 128; byte >= 128; unit *= 128) {
      byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      value += (byte % 128) * unit;
    }
    return value;
  }
}
