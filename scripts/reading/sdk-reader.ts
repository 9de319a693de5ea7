import { Stream } from '@anthropic-ai/sdk/core/streaming';
import type { Input } from './input.ts';

/** What a body says of a call. */
export interface Reading {
  readonly startUsage: unknown;
  readonly deltaUsage: unknown;
  readonly model: string | null;
  readonly stopReason: string | null;
  readonly stopped: boolean;
  readonly errorType: string | null;
  readonly begun: boolean;
  /** `null` where a block may be broken that nobody parses. */
  readonly toolUses: number | null;
  readonly events: number;
  /** `null` where the size of the content depends on how it was written. */
  readonly contentBytes: number | null;
  /** `null` where data that nobody parses may be broken. */
  readonly unreadable: number | null;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A content delta as the API writes it: it is measured and not parsed. */
const MEASURED = /^\{"type":"content_block_delta","index":\d*,"delta":\{"type":"[^"\n]/;

/** A content block as the API writes it, which is not parsed where it is large. */
const OPENED = /^\{"type":"content_block_start","index":\d+,"content_block":\{"type":"(\w+)"/;
const LARGE = 1_000;

const isOpened = (data: string): boolean => (data.split('\n', 1)[0] ?? '').length > LARGE && OPENED.test(data);

/** A delta whose frame is as long as the API's, so that what is not frame is content. */
const EXACT = new RegExp(
  `^\\{"type":"content_block_delta","index":\\d+,"delta":\\{"type":"(?:${[
    'text_delta","text',
    'thinking_delta","thinking',
    'input_json_delta","partial_json',
    'signature_delta","signature',
  ].join('|')})":"[^\n]*"\\} *\\}$`,
);

const TOOLS: ReadonlySet<unknown> = new Set(['tool_use', 'server_tool_use', 'mcp_tool_use']);

/**
 * Reads a body with the SDK's own reader of event streams, and takes from its events what the SDK's users get: those with a
 * name that is no ping, up to an error, each by the type in its data.
 */
export async function sdkReading({ chunks }: Input): Promise<Reading> {
  const reading = new Collected();
  const body = {
    async *[Symbol.asyncIterator]() {
      yield* chunks;
    },
  };
  for await (const { event, data } of Stream.rawEvents({ body } as unknown as Response)) {
    if (event === 'error') {
      reading.fail(data);
      break;
    }
    if (event === null) reading.drop();
    else if (event !== 'ping' && data !== '') reading.take(data);
  }
  return reading.reading();
}

class Collected {
  #start: unknown = null;
  #delta: Json | null = null;
  #model: string | null = null;
  #stopReason: string | null = null;
  #stopped = false;
  #errorType: string | null = null;
  #begun = false;
  #toolUses = 0;
  #events = 0;
  #contentBytes = 0;
  #isMeasurable = true;
  #unreadable = 0;
  #isJudged = true;
  #hasDropped = false;

  reading(): Reading {
    return {
      startUsage: this.#start,
      deltaUsage: this.#delta,
      model: this.#model,
      stopReason: this.#stopReason,
      stopped: this.#stopped,
      errorType: this.#errorType,
      begun: this.#begun,
      toolUses: this.#isJudged ? this.#toolUses : null,
      events: this.#events,
      contentBytes: this.#isMeasurable ? this.#contentBytes : null,
      unreadable: this.#isJudged ? this.#unreadable : null,
    };
  }

  drop(): void {
    if (!this.#hasDropped) this.#unreadable++;
    this.#hasDropped = true;
  }

  fail(data: string): void {
    if (MEASURED.test(data) || isOpened(data)) this.#isJudged = false;
    const value = parsed(data);
    if (!isObject(value)) this.#unreadable++;
    this.#error(value);
  }

  #error(value: unknown): void {
    const error = isObject(value) ? value['error'] : null;
    this.#errorType = isObject(error) && typeof error['type'] === 'string' ? error['type'] : '';
  }

  take(data: string): void {
    this.#events++;
    if (data.includes('\ufffd')) this.#isMeasurable = false;
    if (MEASURED.test(data)) return this.#measure(data);
    if (isOpened(data) && !isObject(parsed(data))) {
      this.#isJudged = false;
      return;
    }
    const value = parsed(data);
    if (!isObject(value) || typeof value['type'] !== 'string') {
      this.#unreadable++;
      if (data.startsWith('{"type":"message_stop"')) this.#stopped = true;
    } else this.#read(value);
  }

  /** What the data says, where it is whole; where it is not, only that content has come. */
  #measure(data: string): void {
    this.#begun = true;
    const value = parsed(data);
    if (!EXACT.test(data)) this.#isMeasurable = false;
    if (isObject(value)) return this.#content(value);
    this.#isMeasurable = false;
    this.#isJudged = false;
  }

  #read(value: Json): void {
    const { type, message, content_block: block } = value;
    if (type === 'message_stop') this.#stopped = true;
    if (type === 'error') this.#error(value);
    if (type === 'content_block_delta') this.#content(value);
    if (type === 'content_block_start' && isObject(block) && TOOLS.has(block['type'])) this.#toolUses++;
    if (type === 'message_start' && isObject(message)) this.#begin(message);
    if (type === 'message_delta') this.#change(value);
  }

  #begin(message: Json): void {
    if (typeof message['model'] === 'string') this.#model = message['model'];
    if (typeof message['stop_reason'] === 'string') this.#stopReason = message['stop_reason'];
    if (isObject(message['usage'])) this.#start = message['usage'];
  }

  #change({ delta, usage }: Json): void {
    if (isObject(delta) && typeof delta['stop_reason'] === 'string') this.#stopReason = delta['stop_reason'];
    if (!isObject(usage)) return;
    const said = Object.entries(usage).filter(([, count]) => count !== null);
    this.#delta = { ...this.#delta, ...Object.fromEntries(said) };
  }

  #content({ delta }: Json): void {
    this.#begun = true;
    if (!isObject(delta)) return;
    const text = delta['text'] ?? delta['thinking'] ?? delta['partial_json'];
    if (typeof text === 'string') this.#contentBytes += Buffer.byteLength(JSON.stringify(text)) - 2;
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
