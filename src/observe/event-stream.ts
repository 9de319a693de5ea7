import { isJson, type Json } from './usage.ts';

/** The events that say something of a call. The content between them is only measured. */
type EventName =
  'message_start' | 'content_block_start' | 'content_block_delta' | 'message_delta' | 'message_stop' | 'error';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const CLOSING_BRACE = 0x7d;

/**
 * An unfinished line longer than this is an error of the stream: what it would say is given up, so that no server can
 * make plimsoll hold more. Lines of content are not held at all.
 */
const LONGEST_LINE_BYTES = 1 << 20;

/** `data: {"type":"content_block_start","index":10,"content_block":{"type":"server_tool_use"` ends before it. */
const BLOCK_TYPE_ENDS_BY = 112;

/** Where the quote before the delta's type stands in a line of index 0, and the length of such lines without content. */
const DELTA_TYPE_AT = deltaLine('').indexOf('""');
const TEXT_FRAME_BYTES = deltaLine('text_delta","text":"').length;
const THINKING_FRAME_BYTES = deltaLine('thinking_delta","thinking":"').length;
const TOOL_INPUT_FRAME_BYTES = deltaLine('input_json_delta","partial_json":"').length;

function deltaLine(content: string): string {
  return `data: {"type":"content_block_delta","index":0,"delta":{"type":"${content}"}}`;
}

/**
 * Reads along a Messages event stream, chunk by chunk, however it is cut, with LF or CRLF. Only the data of the few
 * events that carry usage is parsed; of content deltas the size is taken. An event counts when its blank line has
 * come, which is when the reader of the stream gets it too.
 *
 * State between two chunks is either a held beginning of a line that may matter, or "inside a line to be skipped":
 *
 *     …\n| event: message_de|lta\n          held
 *     …\n| data: {"type":"content_block_st|  skipped, when the event is of no interest
 */
export class EventStreamScanner {
  /** Usage of `message_start`, whose output count is a placeholder. */
  startUsage: Json | null = null;
  /** Usage of the last `message_delta`, totals so far. */
  deltaUsage: Json | null = null;
  model: string | null = null;
  stopReason: string | null = null;
  /** `message_stop` was seen: the stream is whole. */
  stopped = false;
  /** An `error` event was seen: its `error.type`, or the empty string. */
  errorType: string | null = null;
  /** A content delta was seen. */
  begun = false;
  /** Blocks in which the model called a tool, the server's own included. */
  toolUses = 0;
  /** Bytes of JSON-encoded text, thinking and tool input seen in content deltas. */
  contentBytes = 0;
  /** Events whose data could not be read. */
  unreadable = 0;

  #event: EventName | null = null;
  #data: string | null = null;
  #held: Buffer | null = null;
  #skipping = false;

  feed(chunk: Uint8Array): void {
    let position = 0;
    if (this.#skipping || this.#held !== null) {
      position = this.#finishLine(chunk);
      if (position === 0) return;
    }
    for (;;) {
      const end = buffers.indexOf.call(chunk, LF, position);
      if (end === -1) break;
      this.#line(chunk, position, end);
      position = end + 1;
    }
    if (position < chunk.length) this.#hold(chunk.subarray(position));
  }

  /** Ends the line that the chunk before left open; the position after it, or 0 where it is still open. */
  #finishLine(chunk: Uint8Array): number {
    const end = chunk.indexOf(LF);
    if (this.#skipping) {
      if (end !== -1) this.#skipping = false;
      return end + 1;
    }
    const rest = end === -1 ? chunk : chunk.subarray(0, end);
    const line = Buffer.concat([this.#held ?? Buffer.alloc(0), rest]);
    this.#held = null;
    if (end === -1) this.#hold(line);
    else this.#line(line, 0, line.length);
    return end + 1;
  }

  /** Keeps the beginning of a line until the rest comes; a copy, because the chunk belongs to the reader. */
  #hold(beginning: Uint8Array): void {
    const isData = beginning[0] === 0x64; /* d */
    if (isData && this.#event === null) {
      this.#skipping = true;
    } else if (isData && this.#event === 'content_block_start' && beginning.length >= BLOCK_TYPE_ENDS_BY) {
      this.#takeData(beginning, 0, beginning.length);
      this.#skipping = true; // a block that starts with its content, such as search results, can be large
    } else if (beginning.length > LONGEST_LINE_BYTES) {
      this.unreadable++;
      this.#skipping = true;
    } else {
      this.#held = Buffer.from(beginning);
    }
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    if (end > start && bytes[end - 1] === CR) end--;
    if (end === start) return this.#dispatch();
    // `event:` and `data:` are all that the API sends; other fields, comments and a byte-order mark say nothing here.
    const first = bytes[start];
    if (first === 0x65 /* e */) this.#event = eventName(bytes, start, end);
    else if (first === 0x64 /* d */ && this.#event !== null) this.#takeData(bytes, start, end);
  }

  #takeData(bytes: Uint8Array, start: number, end: number): void {
    if (this.#event === 'content_block_delta') {
      this.contentBytes += deltaBytes(bytes, start, end);
      return;
    }
    if (this.#event === 'content_block_start') {
      const opening = text(bytes, start, Math.min(end, start + BLOCK_TYPE_ENDS_BY));
      if (/"content_block": ?\{"type": ?"(?:server_|mcp_)?tool_use"/.test(opening)) this.toolUses++;
      return;
    }
    if (text(bytes, start, start + 5) !== 'data:') return;
    const data = text(bytes, start + 5, end);
    this.#data = this.#data === null ? data : `${this.#data}\n${data}`;
  }

  #dispatch(): void {
    const event = this.#event;
    if (event === null) return;
    this.#event = null;
    if (event === 'content_block_start') return;
    if (event === 'content_block_delta') {
      this.begun = true;
      return;
    }
    const data = this.#data;
    this.#data = null;
    if (event === 'message_stop') this.stopped = true;
    else if (data !== null) this.#read(event, data);
  }

  #read(event: EventName, data: string): void {
    const value = parsed(data);
    if (value === null) this.unreadable++;
    if (event === 'error') {
      const error = value?.['error'];
      this.errorType = isJson(error) && typeof error['type'] === 'string' ? error['type'] : '';
    } else if (value !== null && event === 'message_start') {
      const message = value['message'];
      if (!isJson(message)) return;
      if (typeof message['model'] === 'string') this.model = message['model'];
      if (isJson(message['usage'])) this.startUsage = message['usage'];
    } else if (value !== null) {
      this.#readDelta(value);
    }
  }

  #readDelta(value: Json): void {
    const delta = value['delta'];
    if (isJson(delta) && typeof delta['stop_reason'] === 'string') this.stopReason = delta['stop_reason'];
    // Several deltas may come, each with totals: the later one wins, and what it leaves out keeps its value.
    if (isJson(value['usage'])) this.deltaUsage = { ...this.deltaUsage, ...present(value['usage']) };
  }
}

/** Compared by length and, where that is not enough, by the letter in which the API's names of that length differ. */
function eventName(bytes: Uint8Array, start: number, end: number): EventName | null {
  let from = start + 6; // after `event:`
  if (bytes[from] === SPACE) from++;
  const length = end - from;
  if (length === 19) return bytes[from + 14] === 0x64 /* d */ ? 'content_block_delta' : 'content_block_start';
  if (length !== 13 && length !== 12 && length !== 5) return null;
  const name = text(bytes, from, end);
  return name === 'message_start' || name === 'message_delta' || name === 'message_stop' || name === 'error'
    ? name
    : null;
}

/**
 * Size of a content delta's content: its line without the frame and without the API's padding spaces. A signature is
 * proof of thinking and a citation a copy of the input: neither is output.
 */
function deltaBytes(bytes: Uint8Array, start: number, end: number): number {
  let typeAt = start + DELTA_TYPE_AT;
  while (bytes[typeAt] !== QUOTE && typeAt < end) typeAt++; // an index of two digits moves it by one
  const frame = frameBytes(bytes[typeAt + 1], bytes[typeAt + 2]);
  if (frame === null) return 0;
  let last = end - 1;
  if (bytes[last] === CLOSING_BRACE) {
    last--;
    while (bytes[last] === SPACE) last--;
  }
  return Math.max(0, last + 2 - start - frame - (typeAt - start - DELTA_TYPE_AT));
}

/** Told by the first two letters of the delta's type. */
function frameBytes(first: number | undefined, second: number | undefined): number | null {
  if (first === 0x74 /* t */) return second === 0x65 /* e */ ? TEXT_FRAME_BYTES : THINKING_FRAME_BYTES;
  return first === 0x69 /* i */ ? TOOL_INPUT_FRAME_BYTES : null;
}

/** A chunk need not be a Buffer, and making it one costs more than reading its lines; a Buffer's search is twice as fast. */
const buffers = Buffer.prototype as Uint8Array;

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, end - start)).toString('utf8');
}

function parsed(data: string): Json | null {
  try {
    const value: unknown = JSON.parse(data);
    return isJson(value) ? value : null;
  } catch {
    return null; // counted by the caller
  }
}

function present(usage: Json): Json {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null));
}
