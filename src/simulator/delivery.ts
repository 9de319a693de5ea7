import type { UnderlyingByteSource } from 'node:stream/web';
import { totalNanoUsd } from './billing.ts';
import { wait, type SimulatorClock } from './clock.ts';
import type { Caller } from './credentials.ts';
import { errorBody } from './errors.ts';
import { errorEvent, type BodyItem } from './event-stream.ts';
import {
  override,
  refusalItem,
  responseHeaders,
  worded,
  type Answered,
  type Bill,
  type Refused,
  type Served,
} from './exchange.ts';
import { bodyFault, eventError, type BodyFault, type Fault, type Place } from './scenario.ts';
import type { Entry } from './truth.ts';
import type { World } from './world.ts';

/** What a response is made from. */
export interface Dispatch {
  readonly answered: Answered;
  readonly fault: Fault;
  readonly entry: Entry;
  readonly caller: Caller;
  readonly betas: readonly string[];
  readonly perTokenMs: number;
  /** Held until the body has ended: a `Request` that is collected stops passing on its abort. */
  readonly arrival: { readonly request: Request; readonly signal: AbortSignal };
}

/**
 * Sends an answer: head, body, and what goes wrong with it. The record says what was sent and what is billed; it ends
 * when the body has.
 */
export function response(world: World, dispatch: Dispatch): Response {
  const { answered, entry } = dispatch;
  entry.delivery = 'unread';
  if ('refusal' in answered) return refusalResponse(world, dispatch, answered);
  const { bill, items } = answered;
  Object.assign(entry, { status: 200, model: bill?.model ?? null });
  if (bill !== null && bill.partial === null) generated(world, dispatch, bill.usage);
  return new Response(body(world, dispatch, items), { status: 200, headers: headersOf(world, dispatch) });
}

function refusalResponse(world: World, dispatch: Dispatch, refused: Refused): Response {
  const { entry, caller } = dispatch;
  const refusal = worded(refused, { caller, limits: world.limits, nowMs: world.clock.now() });
  const { status, type, errorCode = null } = refusal;
  Object.assign(entry, { status, errorType: type, errorCode });
  const headers = headersOf(world, dispatch);
  return new Response(body(world, dispatch, [refusalItem(refusal, entry.id)]), { status, headers });
}

function headersOf(world: World, { answered, fault, entry, caller }: Dispatch): Headers {
  const from = { caller, limits: world.limits, nowMs: world.clock.now() };
  const headers = responseHeaders(answered, entry.id, from);
  if ('headers' in fault && fault.headers !== undefined) override(headers, fault.headers);
  return headers;
}

/** A document is generated, and billed, before its head is sent: the head's figures have it in them. */
function generated(world: World, dispatch: Dispatch, usage: Bill['usage']): void {
  const { entry, answered } = dispatch;
  entry.usage = usage;
  charge(world, dispatch);
  if (answered.scope !== null) world.limits.produced(answered.scope, usage.output_tokens, world.clock.now());
}

function body(world: World, dispatch: Dispatch, items: Iterable<BodyItem>): ReadableStream<Uint8Array> {
  const { answered, arrival } = dispatch;
  const served = 'refusal' in answered ? null : answered;
  return pacedBody(withFault(dispatch, items), {
    clock: world.clock,
    signal: arrival.signal,
    perTokenMs: dispatch.perTokenMs,
    ...recording(world, dispatch, served),
  });
}

function withFault({ answered, fault, entry }: Dispatch, items: Iterable<BodyItem>): Iterator<BodyItem, Ending> {
  const wrong = bodyFault(fault);
  if (wrong === null) return complete(items);
  const isStream = entry.streamed && !('refusal' in answered);
  return isStream ? faultyStream(items, wrong, errorBody(eventError(wrong), entry.id)) : faultyDocument(items, wrong);
}

/** Keeps the record of a body while it is read. */
function recording(world: World, dispatch: Dispatch, served: Served | null): Pick<BodyOptions, 'sent' | 'ended'> {
  const { entry } = dispatch;
  const partial = served?.bill?.partial ?? null;
  let outputTokens = 0;
  return {
    sent(item) {
      if (item.event !== null) entry.eventsSent += 1;
      if (item.reports !== null && served?.bill) entry.usageReported = item.reports;
      if (item.outputTokens <= outputTokens) return;
      if (served?.scope) world.limits.produced(served.scope, item.outputTokens - outputTokens, world.clock.now());
      outputTokens = item.outputTokens;
    },
    ended(how) {
      entry.delivery = how;
      if (partial !== null) {
        entry.usage = partial(outputTokens);
        charge(world, dispatch);
      }
      world.ledger.ended(entry, world.clock.now());
    },
  };
}

function charge(world: World, { entry, betas, caller }: Dispatch): void {
  const nanoUsd = totalNanoUsd(world.ledger.bill(entry, betas));
  world.spend.add(caller.organization, entry.startedAtMs, nanoUsd);
}

function* complete(items: Iterable<BodyItem>): Generator<BodyItem, Ending> {
  yield* items;
  return 'complete';
}

/**
 * An event stream with its fault in it. `errorJson` is what an `error` event carries.
 * Where the place never comes, the fault is before `message_stop`: one that was chosen always happens.
 */
export function* faultyStream(
  items: Iterable<BodyItem>,
  fault: BodyFault,
  errorJson: Record<string, unknown>,
): Generator<BodyItem, Ending> {
  const place = fault.at ?? DEFAULT_PLACE[fault.fault];
  let before = 0;
  let outputTokens = 0;
  let happened = false;
  for (const item of items) {
    const here = item.event === 'message_stop' || (typeof place === 'number' ? before >= place : item.event === place);
    if (here && !happened) {
      happened = true;
      const ending = yield* atPlace(fault, item, errorEvent(errorJson, outputTokens));
      if (ending !== null) return ending;
    } else {
      yield item;
    }
    before += 1;
    outputTokens = Math.max(outputTokens, item.outputTokens);
  }
  return 'complete';
}

/** A document with its fault in its middle: in front of the middle line, where it has lines. It has no error events. */
export function* faultyDocument(items: Iterable<BodyItem>, fault: BodyFault): Generator<BodyItem, Ending> {
  const all = [...items];
  const [first] = all;
  const pieces = all.length === 1 && first !== undefined ? halves(first) : all;
  const middle = fault.fault === 'error_event' ? -1 : Math.floor(pieces.length / 2);
  for (const [index, item] of pieces.entries()) {
    if (index !== middle) {
      yield item;
      continue;
    }
    const ending = yield* atPlace(fault, item, item);
    if (ending !== null) return ending;
  }
  return 'complete';
}

function halves(item: BodyItem): readonly BodyItem[] {
  const bytes = bytesOf(item);
  const middle = Math.floor(bytes.length / 2);
  return [
    { text: bytes.subarray(0, middle), event: null, outputTokens: 0, reports: null, pauseMs: 0 },
    { ...item, text: bytes.subarray(middle) },
  ];
}

const DEFAULT_PLACE: Readonly<Record<BodyFault['fault'], Place>> = {
  body_reset: 'message_delta',
  cut_body: 'message_delta',
  stalled_body: 'content_block_delta',
  malformed_json: 'content_block_delta',
  error_event: 'message_delta',
};

/** What happens in place of the item; `null` where the body goes on. */
function* atPlace(fault: BodyFault, item: BodyItem, error: BodyItem): Generator<BodyItem, Ending | null> {
  switch (fault.fault) {
    case 'body_reset':
      return 'reset';
    case 'cut_body':
      return 'cut';
    case 'stalled_body':
      yield { ...item, pauseMs: fault.stallMs ?? Infinity };
      return null;
    case 'malformed_json': {
      const { sent: _sent, ...unread } = item;
      yield { ...unread, text: malformed(item), reports: null };
      return null;
    }
    case 'error_event':
      yield error;
      return 'cut';
  }
}

/** No JSON value has a comma in front of a bare `}`: the document breaks at its last brace. */
function malformed(item: BodyItem): string {
  const text = Buffer.from(bytesOf(item)).toString();
  const brace = text.lastIndexOf('}');
  return `${text.slice(0, brace)},${text.slice(brace)}`;
}

/** How the server ends a body: as it should, early without a word, or with a broken connection. */
export type Ending = 'complete' | 'cut' | 'reset';

/** How a body is paced and who is told of it. */
export interface BodyOptions {
  readonly clock: SimulatorClock;
  /** The request's: when it is aborted, the body fails with its reason. */
  readonly signal: AbortSignal;
  readonly perTokenMs: number;
  /** A piece was handed to the reader. */
  sent(item: BodyItem): void;
  /** Nothing more will come; called once. */
  ended(how: 'complete' | 'cut' | 'cancelled'): void;
}

const encoder = new TextEncoder();

/** A piece's bytes; a copy, because a stream takes what it is given. */
export function bytesOf({ text }: BodyItem): Uint8Array {
  return typeof text === 'string' ? encoder.encode(text) : Uint8Array.from(text);
}

/**
 * A body that makes each piece when the reader asks for it, and not before. Cancelling it, or aborting the request,
 * stops it at once, in the middle of a wait too.
 */
export function pacedBody(items: Iterator<BodyItem, Ending>, options: BodyOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new PacedSource(items, options));
}

class PacedSource implements UnderlyingByteSource {
  readonly type = 'bytes';
  readonly #items: Iterator<BodyItem, Ending>;
  readonly #options: BodyOptions;
  readonly #startedAtMs: number;
  /** Ends a wait that nobody needs any more. */
  readonly #stop = new AbortController();
  /** One ahead, so that the end is known with the last piece: not every reader asks again after that. */
  #next: IteratorResult<BodyItem, Ending>;
  #over = false;
  #forget = (): void => undefined;

  constructor(items: Iterator<BodyItem, Ending>, options: BodyOptions) {
    this.#items = items;
    this.#options = options;
    this.#startedAtMs = options.clock.now();
    this.#next = items.next();
  }

  start(controller: ReadableByteStreamController): void {
    const { signal } = this.#options;
    const aborted = (): void => {
      this.#finish('cancelled');
      controller.error(signal.reason);
    };
    signal.addEventListener('abort', aborted, { once: true });
    this.#forget = () => signal.removeEventListener('abort', aborted);
    if (signal.aborted) aborted();
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    if (this.#next.done === true) return this.#close(this.#next.value, controller);
    const item = this.#next.value;
    const { clock, perTokenMs } = this.#options;
    const lateMs = clock.now() - this.#startedAtMs - item.outputTokens * perTokenMs;
    try {
      await wait(clock, Math.max(0, -lateMs) + item.pauseMs, this.#stop.signal);
    } catch (error) {
      if (this.#over) return;
      throw error;
    }
    this.#next = this.#items.next();
    controller.enqueue(bytesOf(item));
    item.sent?.();
    this.#options.sent(item);
    if (this.#next.done === true && this.#next.value !== 'reset') this.#close(this.#next.value, controller);
  }

  cancel(): void {
    this.#finish('cancelled');
  }

  #close(ending: Ending, controller: ReadableByteStreamController): void {
    this.#finish(ending === 'complete' ? 'complete' : 'cut');
    if (ending === 'reset') return controller.error(connectionError('terminated'));
    controller.close();
    // A reader that brought its own buffer is still waiting with it.
    controller.byobRequest?.respond(0);
  }

  #finish(how: 'complete' | 'cut' | 'cancelled'): void {
    if (this.#over) return;
    this.#over = true;
    this.#forget();
    this.#stop.abort();
    this.#options.ended(how);
  }
}

/** The error that `fetch` gives when a connection breaks: `fetch failed` before the response, `terminated` in its body. */
export function connectionError(message: 'fetch failed' | 'terminated'): TypeError {
  const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
  return new TypeError(message, { cause });
}
