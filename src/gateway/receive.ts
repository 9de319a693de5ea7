import { isJson, type Json } from '../observe/usage.ts';
import type { GatewayRefusal } from '../record/metrics/catalogue-limits.ts';
import type { GuardedRequest } from '../vocabulary.ts';
import type { Refusal } from './errors.ts';
import { BodyTooLargeError, NoRoomError, heldBody, type HeldBody, type HeldBytes } from './request-body.ts';
import type { Granted } from './request.ts';
import type { PassingBody } from './upstream.ts';

/** A body that can be sent on, and the room it takes until it is sent. */
export interface Received {
  readonly body: RequestBody;
  readonly release: () => void;
}

/** Why a body cannot be sent on. */
export interface Unreceived {
  readonly reason: GatewayRefusal;
  readonly refusal: Refusal;
}

export interface ReceiveOptions {
  readonly held: HeldBytes;
  /** Whether anybody is asked about the request, who has to see what is in it. */
  readonly isGuarded: boolean;
}

/** A batch that has to be read is held, and parsed, as a whole. */
const LARGEST_READ_BATCH_BYTES = 64 << 20;

/**
 * Reads the body of a request as far as it has to be known before anything can be sent: that of a Messages request to its
 * end, because what is not in it is known only there; a batch where guards are to see it; a file never. Rejects where the
 * client goes away.
 */
export async function received(granted: Granted, { held, isGuarded }: ReceiveOptions): Promise<Received | Unreceived> {
  const { arrival, endpoint } = granted;
  const { kind } = endpoint;
  const isPassing = kind === 'opaque' || (kind === 'batch' && !isGuarded);
  const most = kind === 'batch' && isGuarded ? LARGEST_READ_BATCH_BYTES : endpoint.largestBytes;
  const length = arrival.header('content-length');
  if (Number(length) > most) return tooLarge(most);
  if (kind !== 'opaque' && (arrival.header('content-encoding') ?? 'identity') !== 'identity') return ENCODED;
  if (isPassing) return { body: passing(granted, length), release: () => undefined };
  try {
    const { bytes, release } = await heldBody(arrival.body, { largestBytes: most, held });
    return readFor(granted, { bytes, release }, isGuarded);
  } catch (error) {
    if (error instanceof BodyTooLargeError) return tooLarge(most);
    if (error instanceof NoRoomError) return NO_ROOM;
    throw error;
  }
}

function readFor(
  { arrival, endpoint, grant }: Granted,
  { bytes, release }: HeldBody,
  isGuarded: boolean,
): Received | Unreceived {
  if (endpoint.kind === 'none') return { body: unreadBody(arrival.body === null ? null : bytes), release };
  const body = readBody(bytes, isGuarded);
  // What its token may ask for has to be read from the body as the API will read it.
  const isBound = grant.models !== null || grant.maxTokens !== null;
  if (!isBound || body.guarded.body === null || !repeatsName(textOf(bytes))) return { body, release };
  release();
  return AMBIGUOUS;
}

function passing({ arrival, endpoint: { largestBytes } }: Granted, length: string | null): RequestBody {
  const { body: stream } = arrival;
  return unreadBody(stream === null ? null : { stream, length, largestBytes });
}

function tooLarge(most: number): Unreceived {
  const message = `The body of the request is longer than ${most} bytes.`;
  return { reason: 'too_large', refusal: { status: 413, type: 'request_too_large', message } };
}

const ENCODED: Unreceived = {
  reason: 'invalid',
  refusal: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The gateway takes bodies as they are: expected no content-encoding.',
  },
};

const AMBIGUOUS: Unreceived = {
  reason: 'invalid',
  refusal: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The token is bound to models or to a ceiling: expected a body that has no name twice in an object.',
  },
};

const NO_ROOM: Unreceived = {
  reason: 'overloaded',
  refusal: {
    status: 529,
    type: 'overloaded_error',
    message: 'The gateway holds too many bytes of other requests.',
    retryAfterSeconds: 1,
  },
};

/**
 * Whether an object in the JSON text has a name twice, however it is written: one who reads it may take the first, another
 * the last. The text must be JSON.
 */
export function repeatsName(text: string): boolean {
  /** Names so far of the objects that are open; `null` for an array. */
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(null);
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      const names = open.at(-1) ?? null;
      if (names !== null && isName(text, end)) {
        const name = JSON.parse(text.slice(at, end)) as string;
        if (names.has(name)) return true;
        names.add(name);
      }
      at = end - 1;
    }
  }
  return false;
}

/** Behind the quote that ends the string that begins there. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function isName(text: string, end: number): boolean {
  let at = end;
  while (/[ \t\n\r]/.test(text[at] ?? '')) at++;
  return text[at] === ':';
}

/** What the body of a Messages request says of the call. */
export interface RequestFacts {
  readonly model: string | null;
  readonly stream: boolean;
  readonly maxTokens: number | null;
}

/** The body of a request, as far as it is known here. */
export interface RequestBody {
  readonly facts: RequestFacts;
  /** What guards may look at. */
  readonly guarded: GuardedRequest;
  /** What is sent, where nothing has to be changed. */
  readonly asItCame: Uint8Array | PassingBody | null;
}

const UNKNOWN: RequestFacts = { model: null, stream: false, maxTokens: null };

/** A body that was not looked into. */
export function unreadBody(asItCame: RequestBody['asItCame']): RequestBody {
  return { facts: UNKNOWN, guarded: { body: null, bodyLength: 0 }, asItCame };
}

/**
 * A body that was read to its end. Of a name that comes twice the last counts, as it does for most who read JSON. Besides
 * the bytes nothing is kept of it but for guards: texts of many megabytes would wait with it for the API.
 */
export function readBody(bytes: Uint8Array, isGuarded: boolean): RequestBody {
  const text = textOf(bytes);
  const body = parsed(text);
  const guarded = { body: isGuarded ? body : null, bodyLength: text.length };
  return { facts: body === null ? UNKNOWN : factsOf(body), guarded, asItCame: bytes };
}

/** What is no UTF-8 in the bytes is replaced. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : null;
  } catch {
    return null; // the API says what is wrong with it
  }
}

function factsOf({ model, stream, max_tokens: maxTokens }: Json): RequestFacts {
  return {
    model: typeof model === 'string' ? model : null,
    stream: stream === true,
    maxTokens: typeof maxTokens === 'number' ? maxTokens : null,
  };
}
