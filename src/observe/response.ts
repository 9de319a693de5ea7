import {
  BATCH_OUTCOMES,
  type BatchOutcome,
  type BatchResult,
  type CallCost,
  type Outcome,
  type Usage,
} from '../vocabulary.ts';
import type { BodyEnd, BodyListener } from './body-tap.ts';
import { JsonListener, tapContent, tapJson, type JsonEnd } from './content.ts';
import { EventStreamListener, type EventStreamScanner, type StreamEvents } from './event-stream.ts';
import type { LiveCall, Observation } from './live-call.ts';
import { bodyRejection } from './rejection.ts';
import { estimatedOutputTokens, isJson, mergedUsage, usage, withEstimatedOutput, type Json } from './usage.ts';

/**
 * A call that got a successful response. It lives as long as the body is followed, so it must not lead to the response,
 * nor to the request's signal, whose listeners can: a body that is dropped unread has to stay collectable.
 */
interface Followed {
  readonly call: FollowedCall;
  readonly observation: Observation;
  /** Path of the request, or its whole URL. */
  readonly path: string;
}

/** The call, or the part of it, that a successful response belongs to. */
export type FollowedCall = Pick<
  LiveCall,
  | 'operation'
  | 'startedAtMs'
  | 'model'
  | 'stopReason'
  | 'usage'
  | 'startContent'
  | 'priceUsage'
  | 'addBatchResult'
  | 'end'
>;

/** Reads along in the body of a successful response and ends the call when it is over. The response stays unread. */
export function followResponse(followed: Followed, response: Response): void {
  const { call } = followed;
  const unseen = (): void => call.end('ok');
  const type = response.headers.get('content-type') ?? '';
  if (isEmpty(response, type)) unseen();
  else if (isOneJson(call, type)) tapJson(response, (value, how) => followJson(followed, value, how), unseen);
  else tapContent(response, responseListener(followed, type), unseen);
}

/** The SDK does not read these. */
function isEmpty(response: Response, type: string): boolean {
  if (response.status === 204 || (response.body === null && response instanceof Response)) return true;
  return type.includes('json') && response.headers.get('content-length') === '0';
}

/** Reads along in the bytes of a successful response of this content type, and ends the call when they are over. */
export function responseListener(followed: Followed, type: string): BodyListener {
  const { call } = followed;
  if (isOneJson(call, type)) return new JsonListener((value, how) => followJson(followed, value, how));
  if (call.operation === 'messages.batches.results') return new BatchResultsListener(followed);
  if (type.startsWith('text/event-stream')) return new EventStreamListener(new StreamedCall(followed));
  return { chunk: () => undefined, end: (how) => call.end(OUTCOME_OF_END[how]) };
}

function isOneJson({ operation }: FollowedCall, type: string): boolean {
  return type.includes('json') && !type.includes('jsonl') && operation !== 'messages.batches.results';
}

/** The outcome of a body that is whole when it has been read to its end. */
export const OUTCOME_OF_END: Readonly<Record<BodyEnd, Outcome>> = {
  done: 'ok',
  failed: 'connection_error',
  aborted: 'cancelled',
  cancelled: 'cancelled',
  abandoned: 'abandoned',
};

/** Takes what a JSON body says of the call, and ends it. An error is counted, and the reader of the body is not troubled. */
function followJson(followed: Followed, value: unknown, how: JsonEnd): void {
  const { call, observation } = followed;
  try {
    if (how === 'malformed') return call.end('server_error');
    if (isJson(value)) {
      if (typeof value['model'] === 'string') call.model = value['model'];
      if (typeof value['stop_reason'] === 'string') call.stopReason = value['stop_reason'];
      if (isJson(value['usage'])) call.usage = readUsage(followed, value['usage']);
      if (value['type'] === 'message_batch') observation.batches.note(value);
      if (isErrorDocument(value)) return endWithError(call, value);
    }
    call.end(OUTCOME_OF_END[how]);
  } catch (error) {
    observation.onError('body', error);
    call.end('ok');
  }
}

/** Tells an error from every other JSON document of the API: those have a type of their own. */
function isErrorDocument(document: Json): boolean {
  const { type, error } = document;
  return type === 'error' || (type === undefined && isJson(error));
}

function readUsage({ observation }: Followed, raw: Json): Usage {
  const read = usage(raw);
  if (read.malformed) observation.onError('usage', new RangeError('a usage figure is not a count'));
  return read;
}

/** A call whose response is an event stream. */
class StreamedCall implements StreamEvents {
  readonly #followed: Followed;

  constructor(followed: Followed) {
    this.#followed = followed;
  }

  start({ model, startUsage }: EventStreamScanner): void {
    const { call } = this.#followed;
    call.model = model;
    if (startUsage !== null) call.usage = withEstimatedOutput(usage(startUsage), 0);
    call.priceUsage();
  }

  startContent(): void {
    this.#followed.call.startContent();
  }

  fail(error: unknown): void {
    this.#followed.observation.onError('body', error);
  }

  end(scanner: EventStreamScanner, how: BodyEnd): void {
    try {
      this.#settle(scanner);
      for (let i = 0; i < scanner.unreadable; i++) {
        this.fail(new SyntaxError('an event of the stream could not be read'));
      }
    } catch (error) {
      this.fail(error);
    }
    const { call } = this.#followed;
    if (scanner.errorType === null) call.end(outcomeOfStream(scanner, how));
    else endWithError(call, scanner.error);
  }

  #settle(scanner: EventStreamScanner): void {
    const { call } = this.#followed;
    if (scanner.model !== null) call.model = scanner.model;
    call.stopReason = scanner.stopReason;
    const raw = mergedUsage(scanner.startUsage, scanner.deltaUsage);
    if (raw === null) return;
    call.usage = readUsage(this.#followed, raw);
    if (scanner.deltaUsage !== null) return;
    call.usage = withEstimatedOutput(call.usage, estimatedOutputTokens(scanner.contentBytes, scanner.toolUses));
  }
}

/** An error in the body of a 200 is no success. */
function endWithError(call: Pick<LiveCall, 'end'>, body: unknown): void {
  const rejection = bodyRejection(body);
  call.end(rejection.outcome, rejection);
}

function outcomeOfStream({ stopped }: EventStreamScanner, how: BodyEnd): Outcome {
  if (stopped) return 'ok';
  return how === 'done' ? 'truncated' : OUTCOME_OF_END[how];
}

const LF = 0x0a;

/** A line is as long as a response can be. A longer one is given up and counted as an error. */
const LONGEST_LINE_BYTES = 32 << 20;

/**
 * Reads along in the results of a batch, a JSON document a line, however they are cut, and records each result that was
 * not recorded before. A line that cannot be read is counted and left out. Never throws.
 */
export class BatchResultsListener implements BodyListener {
  readonly #followed: Followed;
  readonly #batchId: string;
  /** The line that is still open, in copies: the chunks belong to the reader. */
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(followed: Followed) {
    this.#followed = followed;
    this.#batchId = /\/batches\/([^/?]+)\/results/.exec(followed.path)?.[1] ?? '';
  }

  chunk(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#hold(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < bytes.length) this.#hold(Buffer.from(bytes.subarray(start)));
  }

  /** The last line of a whole body may have no end of its own. */
  end(how: BodyEnd): void {
    if (how === 'done') this.#endLine();
    this.#followed.call.end(OUTCOME_OF_END[how]);
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#heldBytes > LONGEST_LINE_BYTES) this.#held = [];
    else if (piece.length > 0) this.#held.push(piece);
  }

  #endLine(): void {
    const isTooLong = this.#heldBytes > LONGEST_LINE_BYTES;
    const line = Buffer.concat(this.#held).toString('utf8');
    this.#held = [];
    this.#heldBytes = 0;
    try {
      if (isTooLong) throw new RangeError('a line of batch results is longer than 32 MiB');
      if (line.trim() !== '') this.#add(JSON.parse(line));
    } catch (error) {
      this.#followed.observation.onError('body', error);
    }
  }

  #add(line: unknown): void {
    const { call, observation } = this.#followed;
    if (!isJson(line) || !isJson(line['result'])) throw new TypeError('a line of batch results has no result');
    const { custom_id: customId, result } = line;
    const outcome = BATCH_OUTCOMES.find((known) => known === result['type']);
    if (typeof customId !== 'string' || outcome === undefined)
      throw new TypeError('a batch result is of no known kind');
    if (!observation.batches.isNew(this.#batchId, customId)) return;
    call.addBatchResult(this.#result(outcome, result['message']));
  }

  #result(outcome: BatchOutcome, message: unknown): BatchResult {
    if (outcome !== 'succeeded' || !isJson(message)) return { outcome, model: null, usage: null, cost: null };
    const model = typeof message['model'] === 'string' ? message['model'] : null;
    if (!isJson(message['usage'])) return { outcome, model, usage: null, cost: null };
    const used = readUsage(this.#followed, message['usage']);
    return { outcome, model, usage: used, cost: this.#cost(used, model) };
  }

  #cost(used: Usage, model: string | null): CallCost | null {
    const { call, observation } = this.#followed;
    try {
      return observation.batchPrice(used, model, observation.batches.createdAtMs(this.#batchId) ?? call.startedAtMs);
    } catch (error) {
      observation.onError('pricing', error);
      return null;
    }
  }
}
