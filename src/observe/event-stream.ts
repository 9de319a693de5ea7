import type { BodyEnd, BodyListener } from './branch.ts';
import { DocumentListener, SHORT_JSON, parseJson } from './content.ts';
import { EventLines, measured, type EventName, type EventSink, type LongLine } from './event-lines.ts';
import {
  beginsAlike,
  blockType,
  delta,
  deltaTypeAt,
  eventEnd,
  eventTypeAt,
  frameBytes,
  isOfAnswer,
  plainEvent,
  text,
  type Delta,
} from './event-shapes.ts';
import { fallback, isJson, revisedUsage, type Answered, type Fallback, type Json } from './usage.ts';

/** A block that starts with its content, such as search results, can be large. Only starts up to here are parsed. */
const LONGEST_BLOCK_START = 1_024;

const SPACE = 0x20;

/** A position beyond the end of every chunk. */
const BEYOND_ANY = 1 << 29;

/** A data line of an event whose content is only measured, or the data of any other. */
type Pending =
  Delta | { readonly kind: 'block'; readonly type: string } | { readonly kind: 'text'; readonly text: string };

/**
 * Reads along a Messages event stream, chunk by chunk, and finds in it what the SDK's reader finds: the same events, by the
 * type in their data and not by their name, up to an `error`. Only the data of the few events that carry usage is parsed; of
 * content deltas the size is taken. What cannot be understood is counted.
 */
export class EventStreamScanner implements Answered, EventSink {
  /** Usage of `message_start`, whose output count is a placeholder. */
  startUsage: Json | null = null;
  /** Usage of the last `message_delta`, totals so far. */
  deltaUsage: Json | null = null;
  model: string | null = null;
  /** Id of the message. */
  id: unknown = null;
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
  /** Events whose data could not be read, and 1 where there was data without the name of an event: the SDK drops it. */
  unreadable = 0;
  /** Events that the SDK gives its caller were seen. */
  events = 0;
  /** The body as a JSON document, where there were no events in it. Set at its end. */
  document: Json | null = null;

  readonly #lines = new EventLines(this);
  #pending: Pending | null = null;
  /** Where the type was in the last chunk, if that was one content event. */
  #alikeAt = BEYOND_ANY;
  #alikeFrame: number | null = null;
  #hasUnnamed = false;
  /** The SDK reads no further after an error. */
  #isOver = false;

  feed(chunk: Uint8Array): void {
    if (this.#isOver || this.takeAlike(chunk)) return;
    this.#alikeAt = BEYOND_ANY;
    this.#lines.feed(chunk);
  }

  /** The stream is over. */
  end(): void {
    if (!this.#isOver) this.#lines.end();
  }

  /** Bytes copied to hold open lines. */
  get copiedBytes(): number {
    return this.#lines.copiedBytes;
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    if (this.#pending !== null) return this.#addData(bytes, start, end);
    const typeAt = deltaTypeAt(bytes, start, end);
    if (typeAt !== -1) {
      this.#pending = delta(bytes, typeAt, { ...measured(bytes, start, end), start });
    } else {
      const type = end - start > LONGEST_BLOCK_START ? blockType(bytes, start) : null;
      this.#pending = type === null ? { kind: 'text', text: text(bytes, start, end) } : { kind: 'block', type };
    }
  }

  wholeContent(bytes: Uint8Array, start: number): number {
    const typeAt = this.#isOver ? -1 : eventTypeAt(bytes, start);
    if (typeAt === -1) return -1;
    const frame = frameBytes(bytes, typeAt);
    const end = eventEnd(bytes, typeAt, frame);
    if (end === -1) return -1;
    this.#addContent(bytes, end, typeAt + (frame ?? bytes.length));
    this.begun = true;
    if (isOfAnswer(frame)) this.answering = true;
    if (start === 0 && end === bytes.length) [this.#alikeAt, this.#alikeFrame] = [typeAt, frame];
    return end;
  }

  /** Takes a chunk that, like the last one, is one content event of the same kind; returns whether it is. */
  takeAlike(chunk: Uint8Array): boolean {
    const typeAt = this.#alikeAt;
    const frame = this.#alikeFrame;
    if (!beginsAlike(chunk, typeAt) || frameBytes(chunk, typeAt) !== frame) return false;
    const { length } = chunk;
    if (eventEnd(chunk, typeAt, frame) !== length) return false;
    this.#addContent(chunk, length, typeAt + (frame ?? length));
    return true;
  }

  /** Counts an event that ends at `end`, and would end at `empty` without content. */
  #addContent(bytes: Uint8Array, end: number, empty: number): void {
    let last = end - 4;
    while (bytes[last] === SPACE) last--; // the API pads its deltas
    this.events++;
    this.contentBytes += Math.max(0, last + 2 - empty);
  }

  isEnough(beginning: Uint8Array, start: number): boolean {
    return (
      this.#pending === null &&
      (deltaTypeAt(beginning, start, beginning.length) !== -1 || blockType(beginning, start) !== null)
    );
  }

  longData(beginning: Uint8Array, start: number, rest: LongLine): void {
    const typeAt = deltaTypeAt(beginning, start, beginning.length);
    if (typeAt !== -1) this.#pending = delta(beginning, typeAt, { ...rest, start });
    else this.#pending = { kind: 'block', type: blockType(beginning, start) ?? '' };
  }

  /** JSON may be written in several lines. */
  #addData(bytes: Uint8Array, start: number, end: number): void {
    const pending = this.#pending;
    if (pending?.kind === 'text') this.#pending = { ...pending, text: `${pending.text}\n${text(bytes, start, end)}` };
    else if (pending?.kind === 'delta') {
      const { length, trailing, isClosed } = measured(bytes, start, end);
      if (trailing < length) this.#pending = { ...pending, isWhole: isClosed };
    }
  }

  giveUp(): void {
    if (!this.#isOver) this.unreadable++;
  }

  dispatch(name: EventName): void {
    const pending = this.#pending;
    this.#pending = null;
    if (this.#isOver) return;
    if (name === 'error') return this.#readError(pending);
    if (pending === null || name === 'ping') return;
    if (name === null) return this.#countUnnamed();
    if (pending.kind === 'text' && pending.text === '') return;
    this.events++;
    if (pending.kind === 'text') return this.#read(pending.text);
    if (pending.kind === 'block') return this.#startBlock(pending.type);
    this.begun = true;
    if (pending.isOfAnswer) this.answering = true;
    this.contentBytes += pending.contentBytes;
    if (!pending.isWhole) this.unreadable++;
  }

  #countUnnamed(): void {
    if (!this.#hasUnnamed) this.unreadable++;
    this.#hasUnnamed = true;
  }

  #readError(pending: Pending | null): void {
    this.#isOver = true;
    if (pending !== null && pending.kind !== 'text') return this.#fail(null); // content, and no error
    const value = parsed(pending?.text ?? '');
    if (value === null) this.unreadable++;
    this.#fail(value);
  }

  #fail(value: Json | null): void {
    const error = value?.['error'];
    this.error = value;
    this.errorType = isJson(error) && typeof error['type'] === 'string' ? error['type'] : '';
  }

  #read(data: string): void {
    const plain = plainEvent(data);
    if (plain === 'message_stop') this.stopped = true;
    else if (plain !== null && plain !== 'content_block_stop') this.#startBlock(plain);
    if (plain !== null) return;
    const value = parsed(data);
    const type = value?.['type'];
    if (value === null || typeof type !== 'string') this.#countUnreadable(data);
    else if (type === 'message_start') this.#readStart(value['message']);
    else if (type === 'message_delta') this.#readDelta(value);
    else if (type === 'message_stop') this.stopped = true;
    else if (type === 'content_block_start') this.#readBlock(value['content_block']);
    else if (type === 'content_block_delta') this.#readContent(value['delta']);
    else if (type === 'error') this.#fail(value);
  }

  /** The end of a stream is one, even if it is written badly: nothing comes after it that would be billed. */
  #countUnreadable(data: string): void {
    this.unreadable++;
    if (data.startsWith('{"type":"message_stop"')) this.stopped = true;
  }

  #readStart(message: unknown): void {
    if (!isJson(message)) return;
    if (typeof message['model'] === 'string') this.model = message['model'];
    this.diagnostics = message['diagnostics'];
    this.id = message['id'];
    if (isJson(message['usage'])) this.startUsage = message['usage'];
    if (typeof message['stop_reason'] === 'string') this.stopReason = message['stop_reason'];
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
    this.deltaUsage = revisedUsage(this.deltaUsage, usage, this.startUsage);
    if (typeof usage['output_tokens'] === 'number' || Array.isArray(usage['iterations'])) this.isOutputReported = true;
  }

  #readBlock(block: unknown): void {
    if (!isJson(block) || block['type'] !== 'fallback') return this.#startBlock(isJson(block) ? block['type'] : null);
    this.fallbacks.push(fallback(block, this.hasContent));
    this.hasContent = false;
  }

  #startBlock(type: unknown): void {
    this.hasContent = true;
    this.isOutputReported = false;
    if (typeof type !== 'string') return;
    if (TOOL_USES.has(type)) this.toolUses++;
    if (!type.endsWith('thinking')) return;
    this.thought = true;
    if (this.answering) this.thoughtLater = true;
  }

  /** A content delta that is not written as the API writes it. */
  #readContent(delta: unknown): void {
    this.begun = true;
    if (!isJson(delta)) return;
    if (typeof delta['text'] === 'string' || typeof delta['partial_json'] === 'string') this.answering = true;
    const content = CONTENT_FIELDS.map((name) => delta[name]).find((value) => typeof value === 'string');
    if (typeof content === 'string') this.contentBytes += Buffer.byteLength(JSON.stringify(content)) - 2;
  }
}

const TOOL_USES: ReadonlySet<string> = new Set(['tool_use', 'server_tool_use', 'mcp_tool_use']);

const CONTENT_FIELDS = ['text', 'thinking', 'partial_json'];

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
  #document: DocumentListener | null = new DocumentListener();
  #scanning = true;

  constructor(events: StreamEvents) {
    this.#events = events;
  }

  chunk(bytes: Uint8Array): void {
    if (!this.#scanning) return;
    const scanner = this.#scanner;
    if (scanner.takeAlike(bytes)) return;
    const { startUsage, begun, answering } = scanner;
    try {
      scanner.feed(bytes);
      if (scanner.events > 0) this.#document = null;
      this.#document?.chunk(bytes);
      if (startUsage !== scanner.startUsage) this.#events.start(scanner);
      if (begun !== scanner.begun) this.#events.startContent();
      if (answering !== scanner.answering) this.#events.startAnswer();
    } catch (error) {
      this.#scanning = false;
      this.#events.fail(error);
    }
  }

  end(how: BodyEnd): void {
    const scanner = this.#scanner;
    if (this.#scanning) this.#endScanner(scanner, how);
    this.#events.end(scanner, how);
  }

  /** What has come has come, also where its reader left before it was told. */
  #endScanner(scanner: EventStreamScanner, how: BodyEnd): void {
    try {
      scanner.end();
      if (how === 'done' && scanner.errorType === null) scanner.document = this.#document?.end() ?? null;
    } catch (error) {
      this.#events.fail(error);
    }
  }
}

function parsed(data: string): Json | null {
  try {
    const value: unknown = data.length <= SHORT_JSON ? JSON.parse(data) : parseJson(data);
    return isJson(value) ? value : null;
  } catch {
    return null; // counted by the caller
  }
}
