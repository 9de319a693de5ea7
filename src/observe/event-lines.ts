/** Takes what the lines of an event stream carry. Bytes belong to the reader of the stream and are not kept. */
export interface EventSink {
  /** Takes a whole line of data: `bytes` from `start` to `end`, without field name and line end. */
  data(bytes: Uint8Array, start: number, end: number): void;
  /**
   * Tells whether the beginning of a line of data, which is as long as `BEGINNING_BYTES`, says all that is needed: then the
   * rest is not held, and `longData` is called in place of `data`.
   */
  isEnough(beginning: Uint8Array, start: number): boolean;
  longData(beginning: Uint8Array, start: number, rest: LongLine): void;
  /** A line of data was too long to be held. */
  giveUp(): void;
  /** The blank line of an event has come, with its name; `null` where it has none. */
  dispatch(name: EventName): void;
  /**
   * Takes a whole event that begins at `start`, where it is content as the API writes it and needs no second look: returns
   * the position after its blank line. -1 for any other, which comes line by line. A CR in its content may pass,
   * though that is not JSON.
   */
  wholeContent(bytes: Uint8Array, start: number): number;
}

/** The name of an event as far as it matters: the SDK reads any that it has, drops those without one, and throws at `error`. */
export type EventName = 'named' | 'ping' | 'error' | null;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const CLOSING_BRACE = 0x7d;

const NOTHING = Buffer.alloc(0);

/** Buffer's methods, for chunks that are none: its search is twice as fast, and converting costs more than reading lines. */
export const buffers = Buffer.prototype as Uint8Array;

/** Up to this size, one loop that looks for CR and LF is faster; beyond it, the runtime's search is. */
export const SHORT_CHUNK_BYTES = 192;

/** From this length on, the beginning of an open line is looked at: it may say enough. */
const BEGINNING_BYTES = 1_024;

/** A longer line is given up and counted as an error. The rest of a line whose beginning says enough is not held at all. */
const LONGEST_LINE_BYTES = 32 << 20;

/** A held line above this gives its memory back. */
const KEPT_BYTES = 4_096;

/**
 * Cuts an event stream into lines and fields as the SDK does (`_iterSSEMessages` of 1.14.0), however it comes in chunks: lines
 * end with LF, CR or CRLF, one byte-order mark is dropped at the start of any line, `event` and `data` come in any order,
 * other fields and comments say nothing, and an event counts when its blank line has come. A CR at the end of a chunk ends
 * its line when the next chunk comes or the stream ends, as for the reader.
 *
 * Each byte is looked at once or a few times, whatever the chunks: an open line is kept in a buffer that doubles.
 */
export class EventLines {
  /** Bytes copied to hold open lines, for proofs that this grows with the stream and not faster. */
  copiedBytes = 0;
  readonly #sink: EventSink;
  #name: EventName = null;
  /** A blank line ends an event that has data or a name that is not empty; before that, it says nothing. */
  #hasData = false;
  #hasName = false;
  /** The open line: all of it or, unless `#mode` is `hold`, its beginning. */
  #held = NOTHING;
  #heldBytes = 0;
  #mode: 'hold' | 'measure' | 'skip' = 'hold';
  #openLine = NO_LINE;
  /** The chunk before ended with CR: the line is over, and an LF that comes belongs to it. */
  #endsWithCr = false;

  constructor(sink: EventSink) {
    this.#sink = sink;
  }

  feed(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    let position = 0;
    if (this.#endsWithCr) {
      this.#endsWithCr = false;
      this.#endOpenLine();
      if (chunk[0] === LF) position = 1;
    }
    if (chunk.length <= SHORT_CHUNK_BYTES) position = this.#readContent(chunk, position);
    if (position === chunk.length) return;
    // Nearly no stream has a CR: then there is nothing to look for but LF.
    if (buffers.indexOf.call(chunk, CR, position) === -1) position = this.#readLines(chunk, position);
    else position = this.#readAnyLines(chunk, position);
    if (position < chunk.length) this.#hold(chunk, position);
  }

  /** Reads whole events of content, of which nearly all chunks consist; the position after them. */
  #readContent(bytes: Uint8Array, start: number): number {
    if (this.#hasData || this.#hasName || this.#name !== null || this.#heldBytes > 0) return start;
    let position = start;
    while (position < bytes.length) {
      const next = this.#sink.wholeContent(bytes, position);
      if (next === -1) return position;
      position = next;
    }
    return position;
  }

  /** The stream is over. A last line without an end counts, and ends its event only where it is blank. */
  end(): void {
    if (this.#endsWithCr || this.#heldBytes > 0) this.#endOpenLine();
    this.#endsWithCr = false;
  }

  /** Reads the lines from `start` on; the position after the last that is whole. One loop: nearly all lines are content. */
  #readLines(bytes: Uint8Array, start: number): number {
    let position = start;
    while (position < bytes.length) {
      position = this.#readContent(bytes, position);
      const end = buffers.indexOf.call(bytes, LF, position);
      if (end === -1) return position;
      this.#endLine(bytes, position, end);
      position = end + 1;
    }
    return position;
  }

  /** The same where lines end with CR or CRLF. */
  #readAnyLines(bytes: Uint8Array, start: number): number {
    const ends = new LineEnds(bytes);
    let position = start;
    for (let end = ends.next(position); end !== -1; end = ends.next(position)) {
      const isCr = bytes[end] === CR;
      if (isCr && end + 1 === bytes.length) {
        this.#endsWithCr = true;
        if (position < end) this.#hold(bytes.subarray(0, end), position);
        return bytes.length;
      }
      this.#endLine(bytes, position, end);
      position = isCr && bytes[end + 1] === LF ? end + 2 : end + 1;
    }
    return position;
  }

  /** A line ends in this chunk; it may have begun in an earlier one. */
  #endLine(bytes: Uint8Array, start: number, end: number): void {
    if (this.#heldBytes === 0) return this.#line(bytes, start, end);
    if (start < end) this.#hold(bytes.subarray(0, end), start);
    this.#endOpenLine();
  }

  #endOpenLine(): void {
    if (this.#mode === 'hold') this.#line(this.#held, 0, this.#heldBytes);
    else if (this.#mode === 'measure') this.#longLine();
    this.#heldBytes = 0;
    this.#mode = 'hold';
    this.#openLine = NO_LINE;
    if (this.#held.length > KEPT_BYTES) this.#held = NOTHING;
  }

  #longLine(): void {
    const beginning = this.#held.subarray(0, this.#heldBytes);
    const start = valueStart(beginning, markEnd(beginning, 0, beginning.length) + 4, beginning.length);
    const { length, ...rest } = this.#openLine;
    this.#hasData = true;
    this.#sink.longData(beginning, start, { ...rest, length: length - start });
  }

  /** A whole line. */
  #line(bytes: Uint8Array, from: number, end: number): void {
    const start = bytes[from] === 0xef ? markEnd(bytes, from, end) : from;
    if (start === end) return this.#blankLine();
    const field = fieldAt(bytes, start, end);
    if (field === 'data') {
      this.#hasData = true;
      this.#sink.data(bytes, valueStart(bytes, start + 4, end), end);
    } else if (field === 'event') {
      const value = valueStart(bytes, start + 5, end);
      this.#name = nameAt(bytes, value, end);
      this.#hasName = value < end; // an empty name is one for the event that follows
    }
  }

  #blankLine(): void {
    if (!this.#hasData && !this.#hasName) return;
    const name = this.#name;
    this.#name = null;
    this.#hasData = false;
    this.#hasName = false;
    this.#sink.dispatch(name);
  }

  /** Keeps the bytes from `start` on as part of the open line, or as much of them as may be needed. */
  #hold(bytes: Uint8Array, start: number): void {
    this.#openLine = longer(this.#openLine, bytes, start);
    if (this.#mode !== 'hold') return;
    const missing = BEGINNING_BYTES - this.#heldBytes;
    if (missing <= 0 || bytes.length - start < missing) return this.#append(bytes, start, bytes.length);
    this.#append(bytes, start, start + missing);
    this.#mode = this.#modeOfBeginning();
    if (this.#mode === 'hold') this.#append(bytes, start + missing, bytes.length);
  }

  #modeOfBeginning(): 'hold' | 'measure' | 'skip' {
    const beginning = this.#held.subarray(0, this.#heldBytes);
    const start = markEnd(beginning, 0, beginning.length);
    const field = fieldAt(beginning, start, beginning.length);
    if (field === null) return 'skip';
    if (field === 'event') return 'hold';
    return this.#sink.isEnough(beginning, valueStart(beginning, start + 4, beginning.length)) ? 'measure' : 'hold';
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#heldBytes + end - start;
    if (length > LONGEST_LINE_BYTES) {
      this.#sink.giveUp();
      this.#mode = 'skip';
      return;
    }
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(256, length, 2 * this.#held.length));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.copiedBytes += this.#heldBytes;
      this.#held = grown;
    }
    this.#held.set(bytes.subarray(start, end), this.#heldBytes);
    this.copiedBytes += end - start;
    this.#heldBytes = length;
  }
}

/** The position after a byte-order mark, where there is one. */
function markEnd(bytes: Uint8Array, start: number, end: number): number {
  return start + 3 <= end && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf
    ? start + 3
    : start;
}

/** The field of a line, if it is one that matters. */
function fieldAt(bytes: Uint8Array, start: number, end: number): 'event' | 'data' | null {
  const first = bytes[start];
  if (first === 0x64 /* d */) return isField(bytes, start, { end, name: DATA }) ? 'data' : null;
  if (first === 0x65 /* e */) return isField(bytes, start, { end, name: EVENT }) ? 'event' : null;
  return null;
}

const DATA = Buffer.from('data');
const EVENT = Buffer.from('event');

function isField(bytes: Uint8Array, start: number, { end, name }: { end: number; name: Uint8Array }): boolean {
  const after = start + name.length;
  if (after > end || (after < end && bytes[after] !== COLON)) return false;
  for (let i = 1; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

/** The position of a field's value: after its colon and one space. A field without a colon has an empty one. */
function valueStart(bytes: Uint8Array, afterName: number, end: number): number {
  if (afterName >= end) return end;
  return afterName + 1 < end && bytes[afterName + 1] === SPACE ? afterName + 2 : afterName + 1;
}

function nameAt(bytes: Uint8Array, start: number, end: number): EventName {
  const length = end - start;
  if (length !== 4 && length !== 5) return 'named';
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1');
  return name === 'ping' || name === 'error' ? name : 'named';
}

/** Finds the next LF or CR, looking at each byte once. */
class LineEnds {
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
const NO_LINE: LongLine = { length: 0, isClosed: false, padding: 0, trailing: 0 };

/** The measures of a whole line. */
export function measured(bytes: Uint8Array, start: number, end: number): LongLine {
  return longer(NO_LINE, end === bytes.length ? bytes : bytes.subarray(0, end), start);
}

/** The measures of an open line with one more piece, of which only the end is looked at. */
function longer(line: LongLine, bytes: Uint8Array, start: number): LongLine {
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
