import type { UnderlyingByteSource } from 'node:stream/web';
import { totalNanoUsd } from './billing.ts';
import { wait, type SimulatorClock } from './clock.ts';
import type { Caller } from './credentials.ts';
import { errorBody } from './errors.ts';
import { errorEvent, inDialect, type BodyItem } from './event-stream.ts';
import {
  applyOverrides,
  jsonItem,
  refusalItem,
  responseHeaders,
  withFigures,
  type EndpointResult,
  type Bill,
  type Refused,
  type Served,
} from './exchange.ts';
import { bodyFault, eventError, type BodyFault, type Fault, type Place } from './scenario.ts';
import type { RequestRecord } from './truth.ts';
import type { SimulatorState } from './state.ts';

/** A response about to be sent. */
interface OutgoingResponse {
  readonly result: EndpointResult;
  readonly fault: Fault;
  readonly record: RequestRecord;
  readonly caller: Caller;
  readonly betas: readonly string[];
  readonly perTokenMs: number;
  /** Held until the body has ended: a garbage-collected `Request` no longer passes on its abort. */
  readonly incoming: { readonly request: Request; readonly signal: AbortSignal };
}

/**
 * Sends a response: head, body, and the fault in it. Records what was sent and what is billed; the record ends with the
 * body.
 */
export function response(state: SimulatorState, outgoing: OutgoingResponse): Response {
  const { result, record, fault } = outgoing;
  record.delivery = 'unread';
  if ('refusal' in result) return refusalResponse(state, outgoing, result);
  if (fault.fault === 'error_body') return errorResponse(state, outgoing, result);
  const { bill, items } = result;
  Object.assign(record, { status: 200, model: bill?.model ?? null, verdict: bill?.verdict ?? null });
  record.toProfile = bill?.toProfile ?? false;
  if (bill !== null && bill.partial === null) chargeDocument(state, outgoing, bill.usage);
  const written = fault.fault === 'dialect' ? inDialect(items, fault) : items;
  return new Response(body(state, outgoing, written), { status: 200, headers: headersOf(state, outgoing) });
}

/** A 200 whose body is an error: nothing is billed. */
function errorResponse(state: SimulatorState, outgoing: OutgoingResponse, served: Served): Response {
  const { record, fault } = outgoing;
  Object.assign(record, { status: 200, errorType: eventError(fault).type });
  const items = [{ ...jsonItem(errorEventOf(outgoing, state)), usageShown: null }];
  const result: Served = { contentType: 'application/json', items, bill: null, scope: served.scope };
  const failed = { ...outgoing, result };
  return new Response(body(state, failed, items), { status: 200, headers: headersOf(state, failed) });
}

function refusalResponse(state: SimulatorState, outgoing: OutgoingResponse, refused: Refused): Response {
  const { record, caller } = outgoing;
  const refusal = withFigures(refused, { caller, limits: state.limits, nowMs: state.clock.now() });
  const { status, type, errorCode = null } = refusal;
  Object.assign(record, { status, errorType: type, errorCode });
  const headers = headersOf(state, outgoing);
  return new Response(body(state, outgoing, [refusalItem(refusal, record.id)]), { status, headers });
}

function headersOf(state: SimulatorState, { result, fault, record, caller }: OutgoingResponse): Headers {
  const from = { caller, limits: state.limits, nowMs: state.clock.now() };
  const headers = responseHeaders(result, record.id, from);
  if ('headers' in fault && fault.headers !== undefined) applyOverrides(headers, fault.headers);
  if (fault.fault === 'dialect' && fault.contentType !== undefined) {
    applyOverrides(headers, { 'content-type': fault.contentType });
  }
  return headers;
}

/** Bills a JSON response before its head is sent, so that the head's figures include it. */
function chargeDocument(state: SimulatorState, outgoing: OutgoingResponse, usage: Bill['usage']): void {
  const { record, result } = outgoing;
  record.usage = usage;
  charge(state, outgoing);
  if (result.scope !== null) state.limits.addOutput(result.scope, usage.output_tokens, state.clock.now());
}

function body(
  state: SimulatorState,
  outgoing: OutgoingResponse,
  items: Iterable<BodyItem>,
): ReadableStream<Uint8Array> {
  const { result, incoming } = outgoing;
  const served = 'refusal' in result ? null : result;
  return pacedBody(withFault(state, outgoing, items), {
    clock: state.clock,
    signal: incoming.signal,
    perTokenMs: outgoing.perTokenMs,
    ...recordDelivery(state, outgoing, served),
  });
}

/** The data of an `error` event, with the figures of the limits. */
function errorEventOf({ result, fault, record, caller }: OutgoingResponse, state: SimulatorState) {
  const refused = { refusal: eventError(fault), scope: result.scope, model: record.requestedModel };
  return errorBody(withFigures(refused, { caller, limits: state.limits, nowMs: state.clock.now() }), record.id);
}

function withFault(
  state: SimulatorState,
  outgoing: OutgoingResponse,
  items: Iterable<BodyItem>,
): Iterator<BodyItem, Ending> {
  const { result, fault, record } = outgoing;
  const wrong = bodyFault(fault);
  if (wrong === null) return complete(items);
  const isStream = record.streamed && !('refusal' in result);
  return isStream ? faultyStream(items, wrong, errorEventOf(outgoing, state)) : faultyDocument(items, wrong);
}

/** Keeps the record up to date while the body is read. */
function recordDelivery(
  state: SimulatorState,
  outgoing: OutgoingResponse,
  served: Served | null,
): Pick<BodyOptions, 'sent' | 'ended'> {
  const { record } = outgoing;
  const partial = served?.bill?.partial ?? null;
  let outputTokens = 0;
  return {
    sent(item) {
      if (item.event !== null) record.eventsSent += 1;
      if (item.event === 'error') record.errorType = eventError(outgoing.fault).type;
      if (item.usageShown !== null && served?.bill) record.usageReported = item.usageShown;
      if (item.outputTokens <= outputTokens) return;
      if (served?.scope) state.limits.addOutput(served.scope, item.outputTokens - outputTokens, state.clock.now());
      outputTokens = item.outputTokens;
    },
    ended(how) {
      record.delivery = how;
      if (partial !== null) {
        record.usage = partial(outputTokens);
        charge(state, outgoing);
      }
      state.ledger.end(record, state.clock.now());
    },
  };
}

function charge(state: SimulatorState, { record, betas, caller }: OutgoingResponse): void {
  const nanoUsd = totalNanoUsd(state.ledger.bill(record, betas));
  state.spend.add(caller.organization, record.startedAtMs, nanoUsd);
}

function* complete(items: Iterable<BodyItem>): Generator<BodyItem, Ending> {
  yield* items;
  return 'complete';
}

/**
 * An event stream with its fault. `errorJson` is the data of an `error` event. If the fault's place never comes, the fault
 * happens before `message_stop`: a chosen fault always happens.
 */
function* faultyStream(
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

/** A JSON or JSONL body with its fault in the middle: before the middle line if it has lines. It has no error events. */
function* faultyDocument(items: Iterable<BodyItem>, fault: BodyFault): Generator<BodyItem, Ending> {
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
    { text: bytes.subarray(0, middle), event: null, outputTokens: 0, usageShown: null, pauseMs: 0 },
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

/** Applies the fault in place of the item; `null` if the body goes on. */
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
      yield { ...unread, text: malformed(item), usageShown: null };
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

/** The end of a body: complete, cut short without an error, or with a broken connection. */
type Ending = 'complete' | 'cut' | 'reset';

/** The pace of a body, and the callbacks for its progress. */
interface BodyOptions {
  readonly clock: SimulatorClock;
  /** The signal of the request: when it is aborted, the body fails with its reason. */
  readonly signal: AbortSignal;
  readonly perTokenMs: number;
  /** Called when a piece has been handed to the reader. */
  sent(item: BodyItem): void;
  /** Called once, when nothing more will come. */
  ended(how: 'complete' | 'cut' | 'cancelled'): void;
}

const encoder = new TextEncoder();

/** The bytes of a piece: a copy, because a stream detaches the buffer it is given. */
function bytesOf({ text }: BodyItem): Uint8Array {
  return typeof text === 'string' ? encoder.encode(text) : Uint8Array.from(text);
}

/** A body that makes each piece when the reader asks for it. Canceling it or aborting the request stops it at once, even during a wait. */
function pacedBody(items: Iterator<BodyItem, Ending>, options: BodyOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new PacedSource(items, options));
}

class PacedSource implements UnderlyingByteSource {
  readonly type = 'bytes';
  readonly #items: Iterator<BodyItem, Ending>;
  readonly #options: BodyOptions;
  readonly #startedAtMs: number;
  /** Ends a wait that is no longer needed. */
  readonly #stop = new AbortController();
  /** One item ahead, so that the end is known with the last piece: not every reader asks again after that. */
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
    // A reader with its own buffer is still waiting.
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

/** The error of `fetch` when a connection breaks: `fetch failed` before the response, `terminated` in its body. */
export function connectionError(message: 'fetch failed' | 'terminated'): TypeError {
  const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
  return new TypeError(message, { cause });
}
