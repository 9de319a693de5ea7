import { BATCH_OUTCOMES, CACHE_MISS_REASONS, type BatchOutcome, type CacheMiss } from '../answers.ts';
import { MESSAGE_OPERATIONS, type BatchResult, type CallCost, type Outcome, type Usage } from '../vocabulary.ts';
import type { BodyEnd, BodyListener } from './branch.ts';
import { JsonListener, LARGEST_PASSED_BYTES, parseJson, tapContent, tapJson, type JsonEnd } from './content.ts';
import { EventStreamListener, type EventStreamScanner, type StreamEvents } from './event-stream.ts';
import { seenBatch } from './known-batches.ts';
import type { LiveCall } from './live-call.ts';
import type { ReadHeaders } from './limiters.ts';
import type { Observation } from './observation.ts';
import { estimatedOutputOf, estimatedOutputTokens, withEstimatedOutput } from './estimate.ts';
import { bodyRejection } from './rejection.ts';
import {
  answeredBy,
  fallbackFrom,
  isJson,
  mergedUsage,
  servedModel,
  usage,
  type Answered,
  type Json,
} from './usage.ts';

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
  | 'requestedModel'
  | 'elapsedMs'
  | 'model'
  | 'serverFallbackFrom'
  | 'stopReason'
  | 'answerStartSeconds'
  | 'cacheMiss'
  | 'details'
  | 'usage'
  | 'startContent'
  | 'priceUsage'
  | 'addBatchResult'
  | 'seeBatch'
  | 'end'
>;

/** Reads along in the body of a successful response and ends the call when it is over. The response stays unread. */
export function followResponse(followed: Followed, response: Response, headers: ReadHeaders): void {
  const { call } = followed;
  const unseen = (): void => call.end('ok');
  if (isEmpty(response, headers)) unseen();
  else if (isOneJson(call, headers.contentType))
    tapJson(response, (value, how) => followJson(followed, value, how), unseen);
  else tapContent(response, responseListener(followed, headers.contentType), unseen);
}

/** The SDK does not read these. */
function isEmpty(response: Response, { contentType, contentLength }: ReadHeaders): boolean {
  if (response.status === 204 || (response.body === null && response instanceof Response)) return true;
  return contentLength === '0' && contentType.includes('json');
}

/** Reads along in the bytes of a successful response of this content type, and ends the call when they are over. */
export function responseListener(followed: Followed, type: string): BodyListener {
  const { call } = followed;
  if (isOneJson(call, type))
    return new JsonListener((value, how) => followJson(followed, value, how), LARGEST_PASSED_BYTES);
  if (call.operation === 'messages.batches.results') return new BatchResultsListener(followed);
  // The SDK reads what answers a streamed request as a stream, whatever its type; other servers answer in either way.
  const isUnknown = call.operation === 'other' && /^\s*text\/event-stream/i.test(type);
  if (MESSAGE_OPERATIONS.has(call.operation) || isUnknown) return new EventStreamListener(new StreamedCall(followed));
  return { chunk: () => undefined, end: (how) => call.end(OUTCOME_OF_END[how]) };
}

function isOneJson({ operation }: FollowedCall, type: string): boolean {
  if (operation === 'messages.stream' || operation === 'messages.batches.results') return false;
  return type === 'application/json' || /json(?!l)/i.test(type);
}

/** The outcome of a body that is whole when it has been read to its end. */
export const OUTCOME_OF_END: Readonly<Record<BodyEnd, Outcome>> = {
  done: 'ok',
  unread: 'ok',
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
    if (how === 'unread') observation.onError('body', new RangeError('a JSON body could not be looked into'));
    if (isJson(value)) {
      takeDocument(followed, value);
      if (isErrorDocument(value)) return endWithError(call, value);
    }
    call.end(OUTCOME_OF_END[how]);
  } catch (error) {
    observation.onError('body', error);
    call.end('ok');
  }
}

/** The usage of a whole message. Output that the server leaves out is estimated from the content. */
function messageUsage(followed: Followed, message: Json, answered: Answered): Usage {
  const raw = isJson(message['usage']) ? message['usage'] : {};
  const read = readUsage(followed, raw, answered);
  if (read.stepsListed || (raw['output_tokens'] !== undefined && raw['output_tokens'] !== null)) return read;
  return withEstimatedOutput(read, estimatedOutputOf(message['content']));
}

/** Takes a message alone: the usage of a session, or of a dream, is a sum that grows, and is read again and again. */
function takeDocument(followed: Followed, document: Json): void {
  const { call, observation } = followed;
  nameResponse(call, document['id']);
  if (MESSAGE_OPERATIONS.has(call.operation) || document['type'] === 'message') takeMessage(followed, document);
  if (document['type'] !== 'message_batch') return;
  observation.batches.note(document);
  const seen = seenBatch(document);
  if (seen !== null) call.seeBatch(seen);
}

function takeMessage(followed: Followed, message: Json): void {
  const { call } = followed;
  const answered = answeredBy(message);
  call.model = answered.model ?? call.model;
  call.stopReason = answered.stopReason;
  call.cacheMiss = cacheMiss(message['diagnostics']);
  if (!isJson(message['usage'])) return;
  call.usage = messageUsage(followed, message, answered);
  call.serverFallbackFrom = fallbackFrom(message['usage'], answered, call.requestedModel);
}

function nameResponse({ details }: FollowedCall, id: unknown): void {
  if (details !== undefined && typeof id === 'string') details.responseId = id;
}

function readUsage({ observation }: Followed, raw: Json, answered: Answered): Usage {
  const read = usage(raw, answered);
  if (read.malformed) observation.onError('usage', new RangeError('a usage figure is not a count'));
  return read;
}

/** A call whose response is an event stream, or a JSON document in the place of one. */
class StreamedCall implements StreamEvents {
  readonly #followed: Followed;

  constructor(followed: Followed) {
    this.#followed = followed;
  }

  start({ model, startUsage, id }: EventStreamScanner): void {
    const { call } = this.#followed;
    nameResponse(call, id);
    call.model = model;
    if (startUsage !== null) call.usage = usage({ ...startUsage, output_tokens: 0 });
    call.priceUsage();
  }

  startContent(): void {
    this.#followed.call.startContent();
  }

  startAnswer(): void {
    const { call } = this.#followed;
    call.answerStartSeconds = call.elapsedMs / 1_000;
  }

  fail(error: unknown): void {
    this.#followed.observation.onError('body', error);
  }

  end(scanner: EventStreamScanner, how: BodyEnd): void {
    const { call } = this.#followed;
    const isStream = call.operation === 'messages.stream';
    const { document, errorType, events } = scanner;
    if (isOfOther(call, scanner)) return call.end(OUTCOME_OF_END[how]);
    const isWhole = document !== null && (!isStream || isErrorDocument(document));
    if (isWhole) return followJson(this.#followed, document, 'done');
    try {
      if (document !== null) takeDocument(this.#followed, document);
      else this.#settle(scanner);
      if (how === 'done' && document === null && events === 0 && errorType === null) {
        this.fail(new TypeError('the body is neither a message nor a stream of events'));
        if (!isStream) return call.end('server_error');
      }
      for (let i = 0; i < scanner.unreadable; i++) this.fail(new SyntaxError('an event of the stream is unreadable'));
    } catch (error) {
      this.fail(error);
    }
    if (errorType === null) call.end(outcomeOfStream(scanner, how));
    else endWithError(call, scanner.error);
  }

  #settle(scanner: EventStreamScanner): void {
    const { call } = this.#followed;
    const raw = mergedUsage(scanner.startUsage, scanner.deltaUsage);
    call.model = servedModel(raw, scanner) ?? call.model;
    call.serverFallbackFrom = fallbackFrom(raw, scanner, scanner.model);
    call.stopReason = scanner.stopReason;
    call.cacheMiss = cacheMiss(scanner.diagnostics);
    if (raw === null) return;
    const read = readUsage(this.#followed, raw, scanner);
    call.usage = scanner.isOutputReported ? read : withEstimatedOutput(read, estimatedOutput(scanner), scanner);
    // Thinking is not of the time in which the answer came, and can only be left out where it is told apart.
    if (scanner.thoughtLater || (scanner.thought && read.thinkingTokens === 0)) call.answerStartSeconds = null;
  }
}

/** Other endpoints stream other events, without an end of the Messages API's. */
function isOfOther({ operation }: FollowedCall, { startUsage, errorType, document }: EventStreamScanner): boolean {
  return !MESSAGE_OPERATIONS.has(operation) && startUsage === null && errorType === null && document === null;
}

/** An earlier count that content came after is the least that the output can be; that of the start is a placeholder. */
function estimatedOutput({ contentBytes, toolUses, deltaUsage }: EventStreamScanner): number {
  return Math.max(Number(deltaUsage?.['output_tokens'] ?? 0), estimatedOutputTokens(contentBytes, toolUses));
}

/** A diagnosis of the prompt cache; `null` where there is none, or none yet. */
function cacheMiss(diagnostics: unknown): CacheMiss | null {
  const miss = isJson(diagnostics) ? diagnostics['cache_miss_reason'] : null;
  if (!isJson(miss)) return null;
  const tokens = miss['cache_missed_input_tokens'];
  return {
    reason: CACHE_MISS_REASONS.find((known) => known === miss['type']) ?? 'other',
    inputTokens: Number.isSafeInteger(tokens) && Number(tokens) >= 0 ? Number(tokens) : null,
  };
}

/** Tells an error from every other JSON document of the API: those have a type of their own. */
function isErrorDocument(document: Json): boolean {
  const { type, error } = document;
  return type === 'error' || (type === undefined && isJson(error));
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

const NONE = { model: null, serverFallbackFrom: null, stopReason: null, cacheMiss: null, usage: null, cost: null };

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
    for (let end = bytes.indexOf('\n'); end !== -1; end = bytes.indexOf('\n', start)) {
      this.#hold(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    if (start < bytes.length) this.#hold(Buffer.from(bytes.subarray(start)));
  }

  /** The last line of a whole body may have no end of its own. */
  end(how: BodyEnd): void {
    if (how === 'done') this.#endLine();
    this.#followed.call.seeBatch({ id: this.#batchId, hasEnded: true, wasRead: how === 'done', counts: null });
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
      for (const each of line.split('\r')) if (each.trim() !== '') this.#add(parseJson(each));
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
    call.addBatchResult(this.#result(outcome, result));
  }

  #result(outcome: BatchOutcome, { message, error }: Json): BatchResult {
    if (outcome !== 'succeeded')
      return { ...NONE, outcome, error: outcome === 'errored' ? bodyRejection(error).outcome : null };
    if (!isJson(message)) return { ...NONE, outcome, error: null };
    const answered = answeredBy(message);
    const { model, stopReason } = answered;
    const answer = { ...NONE, outcome, error: null, model, stopReason, cacheMiss: cacheMiss(message['diagnostics']) };
    if (!isJson(message['usage'])) return answer;
    const serverFallbackFrom = fallbackFrom(message['usage'], answered, null);
    const used = messageUsage(this.#followed, message, answered);
    return { ...answer, serverFallbackFrom, usage: used, cost: this.#cost(used, model) };
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
