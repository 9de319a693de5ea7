import type { GuardedRequest } from '../decisions.ts';
import type { GatewayRefusal } from '../record/metrics/catalogue-gateway.ts';
import type { BodyKind, ValueSpan } from './body-facts.ts';
import type { BodyProblem } from './body-names.ts';
import { BodyScanner } from './body-scanner.ts';
import { BodyTooLargeError, NoRoomError, holdBody, type HeldBody, type StreamedBody } from './request-body.ts';
import type { Endpoint } from './endpoints.ts';
import type { AuthorizedRequest, BodyReading } from './request.ts';
import type { SharedRoom } from './shared-room.ts';

/** A request body that can be forwarded. `release` frees its memory. */
interface ReceivedBody {
  readonly body: RequestBody;
  readonly release: () => void;
}

/** A request body that is not forwarded. `message` replaces the general message of the reason. */
interface RefusedBody {
  readonly reason: GatewayRefusal;
  readonly message?: string;
}

/** A request body, as far as the gateway has read it. */
export interface RequestBody {
  readonly facts: RequestFacts;
  /** The part for guards. */
  readonly guarded: GuardedRequest;
  /** The body as it came. It is sent on, except for what a guard or a retry policy changes. */
  readonly raw: Uint8Array | StreamedBody | null;
  /** Places of the values that may be changed. */
  readonly spans: { readonly model: ValueSpan | null; readonly maxTokens: ValueSpan | null };
  /** Place of the first message; `null` if there is none. */
  readonly firstTurn: ValueSpan | null;
}

/** The facts about a call in the body of a Messages request. */
interface RequestFacts {
  readonly model: string | null;
  readonly stream: boolean;
  readonly maxTokens: number | null;
}

interface ReceiveOptions {
  readonly room: SharedRoom;
  readonly turns: ScanTurns;
  readonly reading: BodyReading;
  /** It may be sent another way, for which the places of its model and its first message are needed. */
  readonly isMoved: boolean;
}

/** The longest batch that is read for a guard. */
const LARGEST_READ_BATCH_BYTES = 64 << 20;

/**
 * Reads the part of a request body that the gateway needs before it sends anything: all of a Messages request; a batch
 * if a guard needs it; never a file. Rejects if the client disconnects.
 */
export async function receiveBody(
  { request, endpoint, grant }: AuthorizedRequest,
  options: ReceiveOptions,
): Promise<ReceivedBody | RefusedBody> {
  const { body: stream, headers } = request;
  const { kind } = endpoint;
  const { reading, room, turns, isMoved } = options;
  const isUnread = kind === 'opaque' || (kind === 'batch' && reading === null);
  const readable = kind === 'batch' && !isUnread ? LARGEST_READ_BATCH_BYTES : endpoint.largestBytes;
  const largestBytes = Math.min(readable, grant.bodyBytes ?? readable);
  const length = headers.get('content-length') ?? null;
  const refused = refusalOfHead(request, { largestBytes, kind, reading });
  if (refused !== null) return refused;
  if (isUnread) return { body: unreadBody(stream && { stream, length, largestBytes }), release: () => undefined };
  try {
    const declaredBytes = length === null ? null : Number(length);
    const held = await holdBody(stream, { largestBytes, declaredBytes, room, client: grant.client });
    if (kind === 'none') return { body: unreadBody(stream && held.bytes), release: held.release };
    return await read(held, { kind: bodyKind(request.path, kind), reading, isMoved, turns });
  } catch (error) {
    return holdRefusal(error, largestBytes);
  }
}

interface HeadBounds {
  readonly largestBytes: number;
  readonly kind: Endpoint['kind'];
  readonly reading: ReceiveOptions['reading'];
}

/** Decides by what the head says of the body, before any of it is read. */
function refusalOfHead(
  { headers }: AuthorizedRequest['request'],
  { largestBytes, kind, reading }: HeadBounds,
): RefusedBody | null {
  if (Number(headers.get('content-length') ?? 0) > largestBytes) return tooLarge(largestBytes);
  if (kind === 'opaque') return null;
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') return ENCODED;
  const isOdd = reading === 'strict' && kind !== 'none' && !isUtf8Declared(headers.get('content-type') ?? '');
  return isOdd ? invalid('not_json') : null;
}

/** Turns the error of a body that could not be held into a refusal. Throws other errors on. */
function holdRefusal(error: unknown, largestBytes: number): RefusedBody {
  if (error instanceof BodyTooLargeError) return tooLarge(largestBytes);
  if (error instanceof NoRoomError) return NO_ROOM;
  throw error;
}

function bodyKind(path: string, kind: 'message' | 'batch'): BodyKind {
  if (kind === 'batch') return 'batch';
  return path === '/v1/messages/count_tokens' ? 'count' : 'message';
}

/** JSON is UTF-8 (RFC 8259, 8.1); one that says otherwise could be decoded to something else. */
function isUtf8Declared(contentType: string): boolean {
  return !/charset/i.test(contentType) || /^[^;]*;\s*charset\s*=\s*"?utf-?8"?\s*$/i.test(contentType);
}

/** Parsing a longer body would take others' time. */
const PARSED_BYTES = 16 << 10;

/** Reads what metrics need of a short body that nobody judges or changes; `null` for any other. */
function unguardedBody({ bytes, release }: HeldBody): ReceivedBody | null {
  if (bytes.length > PARSED_BYTES) return null;
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null;
    return { body: unreadBody(bytes, factsOf(parsed as GuardedRequest['body'])), release };
  } catch {
    // The scanner finds what can be found in it.
    return null;
  }
}

interface Scanning extends Pick<ReceiveOptions, 'reading' | 'turns'> {
  readonly kind: BodyKind;
}

function read(
  held: HeldBody,
  scanning: Scanning & Pick<ReceiveOptions, 'isMoved'>,
): ReceivedBody | Promise<ReceivedBody | RefusedBody> {
  const unguarded = scanning.reading === null && !scanning.isMoved ? unguardedBody(held) : null;
  return unguarded ?? scanned(held, scanning);
}

/** Reads the facts in a body, and refuses one that rules and the API could understand differently. */
async function scanned(
  { bytes, release }: HeldBody,
  { kind, reading, turns }: Scanning,
): Promise<ReceivedBody | RefusedBody> {
  const scanner = new BodyScanner(bytes, kind);
  await turns.scan(scanner);
  const { facts, textLength } = scanner;
  const { problem, body, spans, firstTurn } = facts;
  if (reading === 'strict' && problem !== null) {
    release();
    return invalid(problem);
  }
  const guarded = { body, bodyLength: textLength };
  return { body: { facts: factsOf(body), guarded, raw: bytes, spans, firstTurn }, release };
}

/** The most of a body that is read at a time. It takes less than a millisecond. */
const PORTION_BYTES = 64 << 10;

interface Waiting {
  readonly scanner: BodyScanner;
  readonly finish: () => void;
}

/** Reads bodies a portion at a time and in turn: between two portions, other requests and responses go on. */
export class ScanTurns {
  readonly #waiting: Waiting[] = [];

  /** Reads the body to its end. One portion is read at once. */
  scan(scanner: BodyScanner): Promise<void> {
    scanner.run(PORTION_BYTES);
    if (scanner.isDone) return Promise.resolve();
    return new Promise((finish) => {
      this.#waiting.push({ scanner, finish });
      if (this.#waiting.length === 1) setImmediate(() => this.#turn());
    });
  }

  #turn(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    first.scanner.run(PORTION_BYTES);
    this.#waiting.shift();
    if (first.scanner.isDone) first.finish();
    else this.#waiting.push(first);
    if (this.#waiting.length > 0) setImmediate(() => this.#turn());
  }
}

function tooLarge(largestBytes: number): RefusedBody {
  return {
    reason: 'too_large',
    message: `The request body is longer than ${largestBytes} bytes. Send less at a time.`,
  };
}

const ENCODED: RefusedBody = {
  reason: 'invalid',
  message: 'Expected a body without content-encoding, got an encoded one. Send it uncompressed.',
};

const NO_ROOM: RefusedBody = {
  reason: 'overloaded',
  message: 'The gateway holds too many bytes of other requests. Try again in a moment.',
};

function invalid(problem: BodyProblem): RefusedBody {
  return {
    reason: 'invalid',
    message: `This token is limited, so the gateway must read its requests. ${PROBLEMS[problem]}`,
  };
}

const PROBLEMS: Readonly<Record<BodyProblem, string>> = {
  not_json: 'Expected a body that is JSON in UTF-8, got another. Encode it as JSON.',
  too_deep: 'Expected a body of at most 200 levels, got a deeper one. Nest it less.',
  no_object: 'Expected a body that is a JSON object, got another value. Send it as the API documents it.',
  repeated: 'Expected each name once in an object of the body, got one twice. Leave one out.',
  model: 'Expected model to be the name of a model, got something else. Name one.',
  max_tokens: 'Expected max_tokens to be a whole number from 0 to 1000000000, got something else. Set one.',
  speed: 'Expected speed to be "standard" or "fast", got something else. Leave it out.',
  inference_geo: 'Expected inference_geo to be a text, got something else. Leave it out.',
  bill_to: 'Expected bill_to to be "self" or "user_profile", got something else. Leave out billing_policy.',
  requests:
    'Expected requests to be a list of objects with params, got something else. Send it as the API documents it.',
  too_many:
    'Expected at most 100000 requests and models in a body, and 1000 further models in a request, got more. Send less at a time.',
};

/** Makes the record of a body that is not read. */
function unreadBody(raw: RequestBody['raw'], facts = NO_FACTS): RequestBody {
  return { facts, guarded: { body: null, bodyLength: 0 }, raw, spans: NO_SPANS, firstTurn: null };
}

export const NO_FACTS: RequestFacts = { model: null, stream: false, maxTokens: null };

const NO_SPANS: RequestBody['spans'] = { model: null, maxTokens: null };

function factsOf(body: GuardedRequest['body']): RequestFacts {
  const { model, stream, max_tokens: maxTokens } = body ?? {};
  return {
    model: typeof model === 'string' ? model : null,
    stream: stream === true,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
  };
}
