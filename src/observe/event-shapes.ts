import { SHORT_CHUNK_BYTES, buffers, type LongLine } from './event-lines.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const COLON = 0x3a;
const CLOSING_BRACE = 0x7d;

/** How the data of a content delta begins, as the API writes it, up to its index, and from there to its type. */
const DELTA_BEGINS = Buffer.from('{"type":"content_block_delta","index":');
const DELTA_GOES_ON = Buffer.from(',"delta":{"type":"');

/** The same from the line of the event's name on. */
const EVENT_BEGINS = Buffer.from(`event: content_block_delta\ndata: ${DELTA_BEGINS.toString()}`);

/** The position of the type in a content delta as the API writes it; -1 for anything else. */
export function deltaTypeAt(bytes: Uint8Array, start: number, end: number): number {
  const at = typeAfter(DELTA_BEGINS, bytes, start);
  return at < end ? at : -1;
}

/** The same in a whole event, wherever it ends. */
export function eventTypeAt(bytes: Uint8Array, start: number): number {
  return typeAfter(EVENT_BEGINS, bytes, start);
}

/**
 * Tells whether a chunk begins as the one before did, which `eventTypeAt` compared in full. Looks at the few bytes that set it
 * apart from every other event of the API: comparing all takes as long as everything else.
 */
export function beginsAlike(bytes: Uint8Array, typeAt: number): boolean {
  return (
    typeAt < bytes.length &&
    bytes[7] === 0x63 /* event: content_block_delta */ &&
    bytes[21] === 0x64 &&
    bytes[26] === LF &&
    bytes[33] === 0x7b /* {"type":"content_block_delta" */ &&
    bytes[42] === 0x63 &&
    bytes[56] === 0x64 &&
    bytes[70] === COLON /* ,"index":0,"delta":{"type":" */ &&
    bytes[typeAt - 18] === 0x2c &&
    bytes[typeAt - 9] === 0x7b &&
    bytes[typeAt - 1] === QUOTE
  );
}

/** Every delta has at least this after its beginning, so nothing is read beyond the end. */
const SHORTEST_REST = DELTA_GOES_ON.length + 1;

function typeAfter(beginning: Uint8Array, bytes: Uint8Array, start: number): number {
  const { length } = beginning;
  if (bytes.length - start < length + SHORTEST_REST || !isAt(beginning, bytes, start)) return -1;
  let at = start + length;
  for (let digit = bytes[at] ?? 0; digit >= 0x30 && digit <= 0x39; digit = bytes[++at] ?? 0);
  if (bytes.length - at <= DELTA_GOES_ON.length || !isAt(DELTA_GOES_ON, bytes, at)) return -1;
  at += DELTA_GOES_ON.length;
  return bytes[at] === QUOTE ? -1 : at;
}

/** All of `expected` must be in bounds: reading beyond the end takes many times as long. */
function isAt(expected: Uint8Array, bytes: Uint8Array, start: number): boolean {
  const { length } = expected;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}

const TEXT_FRAME_BYTES = 'text_delta","text":""}}'.length;
const THINKING_FRAME_BYTES = 'thinking_delta","thinking":""}}'.length;
const TOOL_INPUT_FRAME_BYTES = 'input_json_delta","partial_json":""}}'.length;

/**
 * The bytes of a delta besides its content, from its type on; its first two letters tell. `null` for what is not
 * output: a signature is proof of thinking, and a citation a copy of the input.
 */
export function frameBytes(bytes: Uint8Array, typeAt: number): number | null {
  const first = bytes[typeAt];
  if (first === 0x74 /* t */) return bytes[typeAt + 1] === 0x65 /* e */ ? TEXT_FRAME_BYTES : THINKING_FRAME_BYTES;
  return first === 0x69 /* i */ ? TOOL_INPUT_FRAME_BYTES : null;
}

const CLOSING_BYTES = '"}}'.length;

/** The position after a whole content event, as the API writes it, whose type is at `typeAt`; -1 for any other. */
export function eventEnd(bytes: Uint8Array, typeAt: number, frame: number | null): number {
  const end = contentEnd(bytes, contentStart(bytes, typeAt, frame));
  return end !== -1 && bytes[end + 1] === LF && bytes[end - 1] === CLOSING_BRACE ? end + 2 : -1;
}

/** Where the content of a delta begins, if it is written as the API writes it; otherwise where its type does. */
function contentStart(bytes: Uint8Array, typeAt: number, frame: number | null): number {
  if (frame === null) return typeAt;
  const start = typeAt + frame - CLOSING_BYTES;
  return start < bytes.length && bytes[start - 1] === QUOTE && bytes[start - 2] === COLON ? start : typeAt;
}

/** The LF that ends a line of content; -1 where there is none, or a CR before it in a short chunk. */
function contentEnd(bytes: Uint8Array, start: number): number {
  if (bytes.length > SHORT_CHUNK_BYTES) return buffers.indexOf.call(bytes, LF, start);
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === LF) return at;
    if (byte === CR) return -1;
  }
  return -1;
}

/** Tells by its frame whether a delta is text or tool input. */
export function isOfAnswer(frame: number | null): boolean {
  return frame === TEXT_FRAME_BYTES || frame === TOOL_INPUT_FRAME_BYTES;
}

/** A content delta, of which nothing but the size is looked at. */
export interface Delta {
  readonly kind: 'delta';
  /** JSON-encoded. */
  readonly contentBytes: number;
  readonly isWhole: boolean;
  readonly isOfAnswer: boolean;
}

/** The size of a content delta's content: its line without the frame and without the API's padding spaces. */
export function delta(bytes: Uint8Array, typeAt: number, line: LongLine & { readonly start: number }): Delta {
  const { length, padding, trailing, isClosed: isWhole } = line;
  const frame = frameBytes(bytes, typeAt);
  const size = frame === null ? 0 : length - padding - trailing - (typeAt - line.start) - frame;
  return { kind: 'delta', contentBytes: Math.max(0, size), isWhole, isOfAnswer: isOfAnswer(frame) };
}

/** `{"type":"content_block_start","index":10,"content_block":{"type":"server_tool_use"` ends before it. */
const BLOCK_TYPE_ENDS_BY = 106;

const BLOCK_TYPE = /^\{"type":"content_block_start","index":\d+,"content_block":\{"type":"(\w+)"/;

/** The type of a content block that starts as the API writes it; `null` for anything else. */
export function blockType(bytes: Uint8Array, start: number): string | null {
  const opening = text(bytes, start, Math.min(bytes.length, start + BLOCK_TYPE_ENDS_BY));
  return BLOCK_TYPE.exec(opening)?.[1] ?? null;
}

const PLAIN_STOP = /^\{"type":"(content_block_stop","index":\d+|message_stop") *\} *$/;
const PLAIN_START =
  /^\{"type":"content_block_start","index":\d+,"content_block":\{"type":"(?:(text)","text":""|(thinking)","thinking":""(?:,"signature":"")?)\} *\} *$/;
const LONGEST_PLAIN = 128;

/**
 * Returns the kind of an event that carries nothing but its type, as the API writes it: a stop or, for the start of a block,
 * the block's type. `null` for any other, which must be parsed.
 */
export function plainEvent(data: string): 'message_stop' | 'content_block_stop' | 'text' | 'thinking' | null {
  if (data.length > LONGEST_PLAIN) return null;
  if (PLAIN_STOP.test(data)) return data.startsWith('message', STOP_TYPE_AT) ? 'message_stop' : 'content_block_stop';
  const start = PLAIN_START.exec(data);
  if (start === null) return null;
  return start[1] === undefined ? 'thinking' : 'text';
}

const STOP_TYPE_AT = '{"type":"'.length;

/** Bytes of JSON as text. */
export function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, end - start)).toString('utf8');
}
