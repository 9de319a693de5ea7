import { tapBody } from './body-tap.ts';
import { BatchResultsScanner } from './batch-results.ts';
import { EventStreamScanner } from './event-stream.ts';
import { JsonListener, tapJson, type JsonEnd } from './json-body.ts';
import type { LiveCall, Observation } from './live-call.ts';
import { estimatedOutputTokens } from './output-estimate.ts';
import type { BodyEnd, BodyListener } from './tap.ts';
import { isJson, mergedUsage, usage, withEstimatedOutput, type Json } from './usage.ts';
import type { Outcome } from '../vocabulary.ts';

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
      if (begun !== scanner.begun) this.#answered.call.firstContent();
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
    call.usageKnown();
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
