const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const CLOSING_BRACE = 0x7d;

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

/** The measures of a line, or of as much of it as has come. */
export interface LongLine {
  /** Bytes from the beginning of the value to the end of the line. */
  readonly length: number;
  /** The last character that is no space is a brace. */
  readonly isClosed: boolean;
  /** Spaces in front of that brace. */
  readonly padding: number;
  /** Spaces after the last character that is none. */
  readonly trailing: number;
}

/** A line of which nothing has come. */
export const NO_LINE: LongLine = { length: 0, isClosed: false, padding: 0, trailing: 0 };

/** The measures of a whole line. */
export function measured(bytes: Uint8Array, start: number, end: number): LongLine {
  return longer(NO_LINE, end === bytes.length ? bytes : bytes.subarray(0, end), start);
}

/** The measures of an open line with one more piece, of which only the end is looked at. */
export function longer(line: LongLine, bytes: Uint8Array, start: number): LongLine {
  const length = line.length + bytes.length - start;
  const trailing = spacesBefore(bytes, start, bytes.length);
  const last = bytes.length - trailing - 1;
  if (last < start) return { ...line, length, trailing: line.trailing + trailing };
  if (bytes[last] !== CLOSING_BRACE) return { length, isClosed: false, padding: 0, trailing };
  const padding = spacesBefore(bytes, start, last);
  const goesOn = last - padding === start;
  return { length, isClosed: true, padding: goesOn ? padding + line.trailing : padding, trailing };
}

function spacesBefore(bytes: Uint8Array, start: number, end: number): number {
  let from = end;
  while (from > start && bytes[from - 1] === SPACE) from--;
  return end - from;
}
