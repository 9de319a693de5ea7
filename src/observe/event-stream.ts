import type { BodyEnd, BodyListener } from './body-tap.ts';
import { fallback, isJson, revisedUsage, type Answered, type Fallback, type Json } from './usage.ts';

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

/** A block that starts with its content, such as search results, can be large. Only starts up to here are read whole. */
const LONGEST_BLOCK_START = 1_024;

/** `data: {"type":"content_block_start","index":10,"content_block":{"type":"server_tool_use"` ends before it. */
const BLOCK_TYPE_ENDS_BY = 112;

const BLOCK_TYPE = /"content_block": ?\{"type": ?"(\w+)"/;

/** The place of the quote before the delta's type in a line of index 0, and the length of such lines without content. */
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
export class EventStreamScanner implements Answered {
  /** Usage of `message_start`, whose output count is a placeholder. */
  startUsage: Json | null = null;
  /** Usage of the last `message_delta`, totals so far. */
  deltaUsage: Json | null = null;
  model: string | null = null;
  stopReason: string | null = null;
  stopDetails: unknown = null;
  /** `diagnostics` of `message_start`. */
  diagnostics: unknown = null;
  readonly fallbacks: Fallback[] = [];
  /** A block began after the last fallback. */
  hasContent = false;
  /** All content that came before the last count of output: that count is the answer's. */
  isOutputReported = false;
  /** `message_stop` was seen: the stream is whole. */
  stopped = false;
  /** An `error` event was seen: its `error.type`, or the empty string. */
  errorType: string | null = null;
  /** The data of the `error` event; `null` where it could not be read. */
  error: Json | null = null;
  /** A content delta was seen. */
  begun = false;
  /** A content delta of the answer's own, text or tool input, was seen. */
  answering = false;
  /** A block of thinking began after that. */
  thoughtLater = false;
  /** A block of thinking began. */
  thought = false;
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
    position = this.#readLines(chunk, position);
    if (position < chunk.length) this.#hold(chunk.subarray(position));
  }

  /** Ends the line that the chunk before left open; the position after it, or 0 where it is still open. */
  #finishLine(chunk: Uint8Array): number {
    const position = chunk.indexOf(LF) + 1;
    if (this.#skipping) {
      if (position > 0) this.#skipping = false;
      return position;
    }
    const rest = position === 0 ? chunk : chunk.subarray(0, position);
    const line = Buffer.concat([this.#held ?? Buffer.alloc(0), rest]);
    this.#held = null;
    if (position === 0) this.#hold(line);
    else this.#readLines(line, 0);
    return position;
  }

  /**
   * Reads the lines from `start` on; the position after the last that is whole. One loop without a call for a line of
   * content: nearly all lines are.
   */
  #readLines(bytes: Uint8Array, start: number): number {
    let position = start;
    for (;;) {
      const next = buffers.indexOf.call(bytes, LF, position);
      if (next === -1) return position;
      const end = next > position && bytes[next - 1] === CR ? next - 1 : next;
      // `event:` and `data:` are all that the API sends; other fields, comments and a byte-order mark say nothing here.
      const first = bytes[position];
      if (end === position) {
        if (this.#event === 'content_block_delta') this.begun = true;
        else if (this.#event !== null) this.#dispatch(this.#event);
        this.#event = null;
      } else if (first === 0x65 /* e */) {
        this.#event = eventName(bytes, position, end);
      } else if (first === 0x64 /* d */ && this.#event !== null) {
        if (this.#event !== 'content_block_delta') this.#takeData(this.#event, bytes.subarray(position, end));
        else {
          this.contentBytes += deltaBytes(bytes, position, end);
          if (!this.answering) this.answering = isOfAnswer(bytes, position, end);
        }
      }
      position = next + 1;
    }
  }

  /** Keeps the beginning of a line until the rest comes; a copy, because the chunk belongs to the reader. */
  #hold(beginning: Uint8Array): void {
    const isData = beginning[0] === 0x64; /* d */
    if (isData && this.#event === null) {
      this.#skipping = true;
    } else if (isData && this.#event === 'content_block_start' && beginning.length > LONGEST_BLOCK_START) {
      this.#takeData(this.#event, beginning);
      this.#skipping = true;
    } else if (beginning.length > LONGEST_LINE_BYTES) {
      this.unreadable++;
      this.#skipping = true;
    } else {
      this.#held = Buffer.from(beginning);
    }
  }

  /** Takes the data of an event, or as much of it as is needed. */
  #takeData(event: EventName, line: Uint8Array): void {
    if (event === 'content_block_start') return this.#takeBlock(line);
    if (text(line, 0, 5) !== 'data:') return;
    const data = text(line, 5, line.length);
    this.#data = this.#data === null ? data : `${this.#data}\n${data}`;
  }

  /** The beginning of a content block: its type, and a `fallback` as a whole. */
  #takeBlock(line: Uint8Array): void {
    const block = line.length > LONGEST_BLOCK_START ? null : parsed(text(line, 5, line.length))?.['content_block'];
    const type = isJson(block) ? block['type'] : BLOCK_TYPE.exec(text(line, 0, BLOCK_TYPE_ENDS_BY))?.[1];
    if (isJson(block) && type === 'fallback') {
      this.fallbacks.push(fallback(block, this.hasContent));
      this.hasContent = false;
      return;
    }
    this.hasContent = true;
    this.isOutputReported = false;
    if (typeof type !== 'string') return;
    if (type.endsWith('tool_use')) this.toolUses++;
    if (!type.endsWith('thinking')) return;
    this.thought = true;
    if (this.answering) this.thoughtLater = true;
  }

  /** The blank line of an event has come. */
  #dispatch(event: EventName): void {
    if (event === 'content_block_start') return;
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
      this.error = value;
      this.errorType = isJson(error) && typeof error['type'] === 'string' ? error['type'] : '';
    } else if (value !== null && event === 'message_start') {
      const message = value['message'];
      if (!isJson(message)) return;
      if (typeof message['model'] === 'string') this.model = message['model'];
      this.diagnostics = message['diagnostics'];
      if (isJson(message['usage'])) this.startUsage = message['usage'];
    } else if (value !== null) {
      this.#readDelta(value);
    }
  }

  #readDelta(value: Json): void {
    const delta = value['delta'];
    if (isJson(delta) && typeof delta['stop_reason'] === 'string') {
      this.stopReason = delta['stop_reason'];
      this.stopDetails = delta['stop_details'];
    }
    const usage = value['usage'];
    if (!isJson(usage)) return;
    // Several deltas may come, each with totals: the later one wins, and what it leaves out keeps its value.
    this.deltaUsage = revisedUsage(this.deltaUsage, usage);
    if (typeof usage['output_tokens'] === 'number' || Array.isArray(usage['iterations'])) this.isOutputReported = true;
  }
}

/** Gets what a stream says of a call, as it comes. */
export interface StreamEvents {
  /** `message_start` has come, with the model and the input side of the usage. */
  start(scanner: EventStreamScanner): void;
  /** The first content delta has come. */
  startContent(): void;
  /** The first delta of text or tool input has come. */
  startAnswer(): void;
  /** The scanner failed, or one of these methods did: nothing more of the stream is read. */
  fail(error: unknown): void;
  end(scanner: EventStreamScanner, how: BodyEnd): void;
}

/** Reads an event stream along with its reader. */
export class EventStreamListener implements BodyListener {
  readonly #events: StreamEvents;
  readonly #scanner = new EventStreamScanner();
  #scanning = true;

  constructor(events: StreamEvents) {
    this.#events = events;
  }

  chunk(bytes: Uint8Array): void {
    if (!this.#scanning) return;
    const scanner = this.#scanner;
    const { startUsage, begun, answering } = scanner;
    try {
      scanner.feed(bytes);
      if (startUsage !== scanner.startUsage) this.#events.start(scanner);
      if (begun !== scanner.begun) this.#events.startContent();
      if (answering !== scanner.answering) this.#events.startAnswer();
    } catch (error) {
      this.#scanning = false;
      this.#events.fail(error);
    }
  }

  end(how: BodyEnd): void {
    this.#events.end(this.#scanner, how);
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

/** The place of the quote before the type of a content delta. */
function deltaTypeAt(bytes: Uint8Array, start: number, end: number): number {
  let typeAt = start + DELTA_TYPE_AT;
  while (bytes[typeAt] !== QUOTE && typeAt < end) typeAt++; // an index of two digits moves it by one
  return typeAt;
}

/** Tells whether a content delta is text or tool input: neither thinking nor what the API adds. */
function isOfAnswer(bytes: Uint8Array, start: number, end: number): boolean {
  const typeAt = deltaTypeAt(bytes, start, end);
  const first = bytes[typeAt + 1];
  return first === 0x69 /* i */ || (first === 0x74 /* t */ && bytes[typeAt + 2] === 0x65); /* e */
}

/**
 * Size of a content delta's content: its line without the frame and without the API's padding spaces. A signature is
 * proof of thinking and a citation a copy of the input: neither is output.
 */
function deltaBytes(bytes: Uint8Array, start: number, end: number): number {
  const typeAt = deltaTypeAt(bytes, start, end);
  // The first two letters of the type tell.
  const first = bytes[typeAt + 1];
  let frame = TOOL_INPUT_FRAME_BYTES;
  if (first === 0x74 /* t */) frame = bytes[typeAt + 2] === 0x65 /* e */ ? TEXT_FRAME_BYTES : THINKING_FRAME_BYTES;
  else if (first !== 0x69 /* i */) return 0;
  let last = end - 1;
  if (bytes[last] === CLOSING_BRACE) {
    last--;
    while (bytes[last] === SPACE) last--;
  }
  return Math.max(0, last + 2 - start - frame - (typeAt - start - DELTA_TYPE_AT));
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
