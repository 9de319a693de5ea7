import {
  BATCH_OUTCOMES,
  type BatchOutcome,
  type BatchResult,
  type CallCost,
  type Outcome,
  type Usage,
} from '../vocabulary.ts';
import { tapBody, type BodyEnd, type BodyListener } from './body-tap.ts';
import { EventStreamScanner } from './event-stream.ts';
import { JsonListener, tapJson, type JsonEnd } from './json-body.ts';
import type { LiveCall, Observation } from './live-call.ts';
import { estimatedOutputTokens, isJson, mergedUsage, usage, withEstimatedOutput, type Json } from './usage.ts';

/**
 * A call that was answered with success. It lives as long as the body is followed, so it must not lead to the response,
 * nor to the request's signal, whose listeners can: a body that is dropped unread has to stay collectable.
 */
export interface Answered {
  readonly call: LiveCall;
  /** Of the request, or its whole URL. */
  readonly path: string;
  readonly observation: Observation;
}

/** Reads along in the body of a successful answer and ends the call when it is over. The response stays unread. */
export function followAnswer(answered: Answered, response: Response): void {
  const { call } = answered;
  const type = response.headers.get('content-type') ?? '';
  if (response.body === null) return call.end('ok');
  if (isOneJson(call, type)) return tapJson(response, jsonFollower(answered));
  tapBody(response.body, answerListener(answered, type));
}

/** Reads along in the bytes of a successful answer of this content type, and ends the call when they are over. */
export function answerListener(answered: Answered, type: string): BodyListener {
  const { call } = answered;
  if (isOneJson(call, type)) return new JsonListener(jsonFollower(answered));
  if (call.operation === 'messages.batches.results') return resultsFollower(answered);
  if (type.startsWith('text/event-stream')) return new StreamFollower(answered);
  return { chunk: () => undefined, end: guarded(answered, (how) => call.end(plainOutcome(how))) };
}

function isOneJson({ operation }: LiveCall, type: string): boolean {
  return type.includes('json') && !type.includes('jsonl') && operation !== 'messages.batches.results';
}

function jsonFollower(answered: Answered): (value: unknown, how: JsonEnd) => void {
  return guarded(answered, (value, how) => followJson(answered, value, how));
}

function followJson(answered: Answered, value: unknown, how: JsonEnd): void {
  const { call } = answered;
  if (how === 'malformed') return call.end('server_error');
  if (isJson(value)) {
    if (typeof value['model'] === 'string') call.model = value['model'];
    if (typeof value['stop_reason'] === 'string') call.stopReason = value['stop_reason'];
    if (isJson(value['usage'])) setUsage(answered, value['usage']);
    if (value['type'] === 'message_batch') answered.observation.batches.note(value);
  }
  call.end(plainOutcome(how));
}

function resultsFollower(answered: Answered): BodyListener {
  const results = new BatchResultsScanner(answered);
  return {
    chunk: (bytes) => results.feed(bytes),
    end: guarded(answered, (how) => {
      if (how === 'done') results.end();
      answered.call.end(plainOutcome(how));
    }),
  };
}

function setUsage({ call, observation }: Answered, raw: Json): void {
  const read = usage(raw);
  if (read.malformed) observation.onError('usage', new RangeError('a usage figure is not a count'));
  call.usage = read;
}

/** What a body comes to that is whole when it has been read to its end. */
function plainOutcome(how: BodyEnd): Outcome {
  return OUTCOME_OF_END[how];
}

const OUTCOME_OF_END: Readonly<Record<BodyEnd, Outcome>> = {
  done: 'ok',
  failed: 'connection_error',
  aborted: 'cancelled',
  cancelled: 'cancelled',
  abandoned: 'abandoned',
};

/** Reads an event stream along, and tells the call what it says as it comes. */
class StreamFollower implements BodyListener {
  readonly #answered: Answered;
  readonly #scanner = new EventStreamScanner();
  #scanning = true;

  constructor(answered: Answered) {
    this.#answered = answered;
  }

  chunk(bytes: Uint8Array): void {
    if (!this.#scanning) return;
    const scanner = this.#scanner;
    try {
      const { startUsage, begun } = scanner;
      scanner.feed(bytes);
      if (startUsage !== scanner.startUsage) this.#started();
      if (begun !== scanner.begun) this.#answered.call.startContent();
    } catch (error) {
      this.#scanning = false;
      this.#answered.observation.onError('body', error);
    }
  }

  end(how: BodyEnd): void {
    const { call, observation } = this.#answered;
    try {
      this.#settle();
      for (let i = 0; i < this.#scanner.unreadable; i++) {
        observation.onError('body', new SyntaxError('an event of the stream could not be read'));
      }
    } catch (error) {
      observation.onError('body', error);
    }
    call.end(this.#outcome(how));
  }

  /** `message_start` has come: the model and the input side of the usage are known. */
  #started(): void {
    const { call } = this.#answered;
    call.model = this.#scanner.model;
    if (this.#scanner.startUsage !== null) call.usage = withEstimatedOutput(usage(this.#scanner.startUsage), 0);
    call.priceUsage();
  }

  #settle(): void {
    const { call } = this.#answered;
    const scanner = this.#scanner;
    if (scanner.model !== null) call.model = scanner.model;
    call.stopReason = scanner.stopReason;
    const raw = mergedUsage(scanner.startUsage, scanner.deltaUsage);
    if (raw === null) return;
    setUsage(this.#answered, raw);
    if (scanner.deltaUsage === null && call.usage !== null) {
      call.usage = withEstimatedOutput(call.usage, estimatedOutputTokens(scanner.contentBytes, scanner.toolUses));
    }
  }

  #outcome(how: BodyEnd): Outcome {
    const scanner = this.#scanner;
    if (scanner.errorType !== null) return 'stream_error';
    if (scanner.stopped) return 'ok';
    if (how === 'done') return 'truncated';
    return plainOutcome(how);
  }
}

/** `listener`, for whose failure the call is ended all the same and nobody who reads the body is troubled. */
function guarded<A extends unknown[]>(
  { call, observation }: Answered,
  listener: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      listener(...args);
    } catch (error) {
      observation.onError('body', error);
      call.end('ok');
    }
  };
}

const LF = 0x0a;

/** As long as an answer to a request may be. A longer line is given up and counted as an error. */
const LONGEST_LINE_BYTES = 32 << 20;

/** Who reads the results, and the path or URL that it read them from. */
export interface ReadResults {
  readonly call: LiveCall;
  readonly observation: Observation;
  readonly path: string;
}

/**
 * Reads along the results of a batch, a JSON document a line, however they are cut, and tells the recorder of each
 * result that has not been told before. A line that cannot be read is counted and left out. Never throws.
 */
export class BatchResultsScanner {
  readonly #read: ReadResults;
  readonly #batchId: string;
  /** The line that is still open, in copies: the chunks belong to the reader. */
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(read: ReadResults) {
    this.#read = read;
    this.#batchId = /\/batches\/([^/?]+)\/results/.exec(read.path)?.[1] ?? '';
  }

  feed(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#hold(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < bytes.length) this.#hold(Buffer.from(bytes.subarray(start)));
  }

  /** The body has come to its end: the last line may have none of its own. */
  end(): void {
    this.#endLine();
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
      if (line.trim() !== '') this.#tell(JSON.parse(line));
    } catch (error) {
      this.#read.observation.onError('body', error);
    }
  }

  #tell(line: unknown): void {
    const { call, observation } = this.#read;
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
    const used = usage(message['usage']);
    if (used.malformed) this.#read.observation.onError('usage', new RangeError('a usage figure is not a count'));
    return { outcome, model, usage: used, cost: this.#cost(used, model) };
  }

  #cost(used: Usage, model: string | null): CallCost | null {
    const { call, observation } = this.#read;
    try {
      return observation.batchPrice(used, model, observation.batches.createdAtMs(this.#batchId) ?? call.startedAtMs);
    } catch (error) {
      observation.onError('pricing', error);
      return null;
    }
  }
}
