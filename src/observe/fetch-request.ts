import type { GuardedRequest } from '../decisions.ts';
import { parseJson } from './content.ts';
import { isJson, type Json } from './usage.ts';

/** The arguments of a call of `fetch`, whichever package's. */
export type FetchArguments = readonly [input?: unknown, init?: unknown, ...more: unknown[]];

/** The parts of the second argument that are read, and those of a `Request` as the first. */
interface Init {
  readonly method?: unknown;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly signal?: unknown;
}

/** A path of the API: all have its version in them. */
const VERSION = '/v1/';

/** The SDK's exchange of tokens, which is no call. */
const SIGN_IN = '/v1/oauth/';

/** The header that the API refuses a request without. */
const VERSION_HEADER = 'anthropic-version';

/**
 * Tells whether a call of `fetch` is a request to the Claude API: its address begins with one of `bases`, which end in a
 * slash, or its headers name the version of the API.
 */
export function isClaudeRequest([input, init]: FetchArguments, bases: readonly string[]): boolean {
  const address = addressOf(input);
  const version = address.indexOf(VERSION);
  if (version === -1 || address.startsWith(SIGN_IN, version)) return false;
  return bases.some((base) => address.startsWith(base)) || headerOf(headersOf(input, init), VERSION_HEADER) !== null;
}

function addressOf(input: unknown): string {
  if (typeof input === 'string') return input;
  if (input instanceof URL) return input.href;
  const url = (input as { readonly url?: unknown } | null | undefined)?.url;
  return typeof url === 'string' ? url : '';
}

/** As `fetch` does it: the headers of the second argument take the place of all of a `Request`. */
function headersOf(input: unknown, init: unknown): unknown {
  return (init as Init | null | undefined)?.headers ?? (input as Init | null | undefined)?.headers;
}

/** A header by its name in lower case, in any form that a `fetch` takes; `null` where it is not there. */
function headerOf(headers: unknown, name: string): string | null {
  if (!isObject(headers)) return null;
  if ('get' in headers && typeof headers.get === 'function') {
    const value: unknown = (headers as { get(name: string): unknown }).get(name);
    return typeof value === 'string' ? value : null;
  }
  const entries: Iterable<unknown> =
    Symbol.iterator in headers ? (headers as Iterable<unknown>) : Object.entries(headers);
  for (const entry of entries) {
    const [key, value] = entry as readonly unknown[];
    if (typeof key === 'string' && key.length === name.length && key.toLowerCase() === name) return String(value);
  }
  return null;
}

/** The body of a request, as far as it can be read without taking it from `fetch`. It leads to nothing else of the request. */
class RequestText implements GuardedRequest {
  /** `null` where the body is a stream, a form or a file, or there is none. */
  readonly text: string | null;
  /** The body was bytes. */
  readonly isBinary: boolean;
  #parsed: Json | null | undefined;

  constructor(text: string | null, isBinary: boolean) {
    this.text = text;
    this.isBinary = isBinary;
  }

  /** The body, where it is a JSON object. */
  get body(): Json | null {
    if (this.#parsed === undefined) this.#parsed = parsed(this.text);
    return this.#parsed;
  }

  get bodyLength(): number {
    return this.text?.length ?? 0;
  }

  /** Lets go of the parsed body, which is as large as its text. It is parsed again if it is asked for again. */
  release(): void {
    this.#parsed = undefined;
  }
}

function requestText(body: unknown): RequestText {
  if (typeof body === 'string') return new RequestText(body, false);
  if (body instanceof ArrayBuffer) return new RequestText(Buffer.from(body).toString('utf8'), true);
  if (!ArrayBuffer.isView(body)) return new RequestText(null, false);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return new RequestText(bytes.toString('utf8'), true);
}

function parsed(text: string | null): Json | null {
  if (text === null || !/^\s*\{/.test(text)) return null;
  try {
    const value = parseJson(text);
    return isJson(value) ? value : null;
  } catch {
    return null; // the API will say so
  }
}

/** A request to the Claude API, as the arguments of `fetch` have it. */
export class FetchRequest {
  readonly given: FetchArguments;
  readonly address: string;
  readonly method: string;
  readonly content: RequestText;
  readonly signal: AbortSignal | null;
  readonly #headers: unknown;

  /** `ofRequest` is the text of the `Request` that is the first argument, where that could be read. */
  constructor(given: FetchArguments, ofRequest: string | null = null) {
    const [input, init] = given;
    const own = init as Init | null | undefined;
    const request = (isRequest(input) ? input : null) as Init | null;
    const method = own?.method ?? request?.method;
    const signal = own?.signal ?? request?.signal;
    this.given = given;
    this.address = addressOf(input);
    this.method = typeof method === 'string' ? method : 'GET';
    this.content = ofRequest === null ? requestText(own?.body) : new RequestText(ofRequest, false);
    this.signal = signal instanceof AbortSignal ? signal : null;
    this.#headers = headersOf(input, init);
  }

  header(name: string): string | null {
    return headerOf(this.#headers, name);
  }

  /** What is the same object where the program sends the same request again: its body, or else what it gave with it. */
  get identity(): object | null {
    const [input, init] = this.given;
    const body = (init as Init | null | undefined)?.body;
    if (isObject(body) && !isReadOnce(body)) return body;
    if (isObject(init)) return init;
    return isRequest(input) ? input : null;
  }

  /** The arguments with another text as the body; `null` where what was given cannot be replaced. */
  withText(text: string): FetchArguments | null {
    if (text === this.content.text) return this.given;
    if (this.content.text === null) return null;
    const [input, init, ...more] = this.given;
    const body = this.content.isBinary ? Buffer.from(text) : text;
    return [input, { ...(init as Init | undefined), body }, ...more];
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isRequest(input: unknown): input is object {
  return isObject(input) && 'url' in input;
}

/** A stream is no retry of anything: it is gone when it has been sent. */
function isReadOnce(body: object): boolean {
  return body instanceof ReadableStream || 'pipe' in body || (Symbol.asyncIterator in body && !('arrayBuffer' in body));
}

/** The `Request` whose body is sent as it is, of a kind that can be read twice; `null` where there is none. */
function requestWithBody([input, init]: FetchArguments): Request | null {
  if (((init as Init | null | undefined)?.body ?? null) !== null) return null;
  if (!isRequest(input) || !('clone' in input)) return null;
  const request = input as Request;
  return request.body instanceof ReadableStream && !request.bodyUsed && !request.body.locked ? request : null;
}

/**
 * The text of the `Request` that is the first argument: read from a copy, and only where all of it is there already. `null`
 * where there is no promise to wait for. What comes from elsewhere piece by piece is left to `fetch`.
 */
export function textOfRequest(given: FetchArguments): Promise<string | null> | null {
  const request = requestWithBody(given);
  return request === null ? null : textAtHand(request);
}

/** Never rejects: of a `Request` that cannot be copied, or read, whoever sends it gets the error. */
async function textAtHand(request: Request): Promise<string | null> {
  let isLate = false;
  let turn: NodeJS.Immediate | undefined;
  try {
    const reader = (request.clone().body as ReadableStream<Uint8Array> | null)?.getReader();
    if (reader === undefined) return null;
    turn = setImmediate(() => {
      isLate = true;
      void reader.cancel().catch(() => undefined); // a body that failed fails the request too
    });
    const chunks: Uint8Array[] = [];
    for (let read = await reader.read(); !read.done; read = await reader.read()) chunks.push(read.value);
    return isLate ? null : Buffer.concat(chunks).toString('utf8');
  } catch {
    return null;
  } finally {
    clearImmediate(turn);
  }
}
