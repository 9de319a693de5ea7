const LF = 0x0a;
const CR = 0x0d;

/** A chunk need not be a Buffer, and making it one costs more than reading its lines; a Buffer's search is twice as fast. */
export const buffers = Buffer.prototype as Uint8Array;

/** Finds the next LF or CR, looking at each byte once. */
export class LineEnds {
  readonly #bytes: Uint8Array;
  readonly #found = new Map([
    [LF, -2],
    [CR, -2],
  ]);

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** -1 where there is none from `position` on. */
  next(position: number): number {
    const lf = this.#find(LF, position);
    const cr = this.#find(CR, position);
    return lf === -1 || (cr !== -1 && cr < lf) ? cr : lf;
  }

  #find(byte: number, position: number): number {
    const known = this.#found.get(byte) ?? -2;
    if (known === -1 || known >= position) return known;
    const found = buffers.indexOf.call(this.#bytes, byte, position);
    this.#found.set(byte, found);
    return found;
  }
}
