import { isJson, type Json } from '../observe/usage.ts';
import type { GatewayRefusal } from '../record/metrics/catalogue-limits.ts';
import type { GuardedRequest } from '../decisions.ts';
import { BodyTooLargeError, NoRoomError, holdBody, type HeldBody, type HeldBytes } from './request-body.ts';
import type { AuthorizedRequest } from './request.ts';
import type { StreamedBody } from './upstream.ts';

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
  /** The body as received. It is forwarded unless a guard or a retry policy changes it. */
  readonly raw: Uint8Array | StreamedBody | null;
}

/** The facts about a call in the body of a Messages request. */
interface RequestFacts {
  readonly model: string | null;
  readonly stream: boolean;
  readonly maxTokens: number | null;
}

export interface ReceiveOptions {
  readonly held: HeldBytes;
  /** The reader of the body: a rule of the token, which needs an unambiguous body; another guard; or nobody. */
  readonly readFor: 'rule' | 'guard' | null;
}

/** The longest batch that is read for a guard. It is held in memory, and parsed, as a whole. */
const LARGEST_READ_BATCH_BYTES = 64 << 20;

/**
 * Reads the part of a request body that the gateway needs before it sends anything: all of a Messages request; a batch
 * if a guard needs it; never a file. Rejects if the client disconnects.
 */
export async function receiveBody(
  { request, endpoint }: AuthorizedRequest,
  { held, readFor }: ReceiveOptions,
): Promise<ReceivedBody | RefusedBody> {
  const { body: stream, headers } = request;
  const { kind } = endpoint;
  const largestBytes = kind === 'batch' && readFor !== null ? LARGEST_READ_BATCH_BYTES : endpoint.largestBytes;
  const length = headers.get('content-length') ?? null;
  if (Number(length) > largestBytes) return tooLarge(largestBytes);
  if (kind !== 'opaque' && (headers.get('content-encoding') ?? 'identity') !== 'identity') return ENCODED;
  if (kind === 'opaque' || (kind === 'batch' && readFor === null)) {
    return { body: unreadBody(stream && { stream, length, largestBytes }), release: () => undefined };
  }
  try {
    const heldBody = await holdBody(stream, { largestBytes, held });
    if (kind !== 'none') return readable(heldBody, readFor);
    return { body: unreadBody(stream && heldBody.bytes), release: heldBody.release };
  } catch (error) {
    return holdRefusal(error, largestBytes);
  }
}

/** Turns the error of a body that could not be held into a refusal. Rethrows other errors. */
function holdRefusal(error: unknown, largestBytes: number): RefusedBody {
  if (error instanceof BodyTooLargeError) return tooLarge(largestBytes);
  if (error instanceof NoRoomError) return NO_ROOM;
  throw error;
}

/** Refuses a body that rules and the API could read differently. */
function readable({ bytes, release }: HeldBody, readFor: ReceiveOptions['readFor']): ReceivedBody | RefusedBody {
  const body = readBody(bytes, readFor !== null);
  if (readFor !== 'rule' || body.guarded.body === null || !repeatsName(textOf(bytes))) return { body, release };
  release();
  return AMBIGUOUS;
}

function tooLarge(largestBytes: number): RefusedBody {
  return {
    reason: 'too_large',
    message: `The request body is longer than ${largestBytes} bytes. Send less at once.`,
  };
}

const ENCODED: RefusedBody = {
  reason: 'invalid',
  message: 'Expected a body without content-encoding, got an encoded one. Send it uncompressed.',
};

const AMBIGUOUS: RefusedBody = {
  reason: 'invalid',
  message: 'This token is limited, so a name must not appear twice in an object of the body. Send each name once.',
};

const NO_ROOM: RefusedBody = {
  reason: 'overloaded',
  message: 'The gateway holds too many bytes of other requests. Try again in a moment.',
};

/** Makes the record of an unread body. */
function unreadBody(raw: RequestBody['raw']): RequestBody {
  return { facts: NO_FACTS, guarded: { body: null, bodyLength: 0 }, raw };
}

const NO_FACTS: RequestFacts = { model: null, stream: false, maxTokens: null };

/**
 * Reads the facts in a body. Of a repeated name, the last counts, as in most JSON parsers. The parsed body is kept only
 * for guards, because it may be many megabytes that would stay in memory until the API responds.
 */
function readBody(bytes: Uint8Array, isGuarded: boolean): RequestBody {
  const text = textOf(bytes);
  const body = parsed(text);
  const guarded = { body: isGuarded ? body : null, bodyLength: text.length };
  return { facts: body === null ? NO_FACTS : factsOf(body), guarded, raw: bytes };
}

/** Decodes UTF-8. Invalid bytes become replacement characters. */
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

/**
 * Tells whether an object in JSON text has a repeated name, however it is escaped: one parser uses the first, another
 * the last. The text must be JSON.
 */
export function repeatsName(text: string): boolean {
  /** Names so far in each open object; `null` for an array. */
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

/** Returns the position after the closing quote of the string that begins at `start`. */
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
