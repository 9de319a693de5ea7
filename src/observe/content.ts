import { followCopies, tapBody } from './body-tap.ts';
import { branchOf, close, failure, follows, keepBranch, type BodyEnd, type BodyListener } from './branch.ts';
import { cover, coverMethod, hide, type Method } from './covers.ts';
import { isNodeStream, tapNodeStream } from './node-stream.ts';
import { isJson, type Json } from './usage.ts';

/** What a `fetch` answers with, as far as its content goes: not every one answers with a `Response` of the runtime. */
interface Content {
  readonly body?: unknown;
  readonly bodyUsed?: unknown;
}

/**
 * Reads along in the content of a response while its reader reads: in the stream that is its body, of the web's kind or
 * Node's, and otherwise in what its own `json()`, `text()` and their like give. Reads nothing itself.
 * Calls `unseen` once in place of the listener's `end` where nobody can tell when the content is read.
 * Returns the stream that is tapped.
 */
export function tapContent(response: Content, listener: BodyListener, unseen: () => void): TappedStream | null {
  const { body } = response;
  if (response.bodyUsed !== true) {
    if (body instanceof ReadableStream && !body.locked) {
      tapBody(body, listener);
      coverClone(response);
      return body;
    }
    if (isNodeStream(body)) {
      tapNodeStream(body, listener);
      return body;
    }
  }
  tapMethods(response, listener, unseen);
  return null;
}

type TappedStream = object & { readonly locked?: boolean };

/** Responses whose `clone` is covered: one that is used for many calls needs it once. */
const copied = new WeakSet<object>();

/** Has what follows the body of a response go on with both copies, where the response copies it without asking its `tee`. */
function coverClone(response: Content): void {
  const own = runtimeResponse();
  if (own.asksTee && response instanceof Response && response.clone === own.clone) return;
  if (!copied.has(response) && coverMethod(response, 'clone', cloning) !== null) copied.add(response);
}

function cloning(method: Method): Method {
  return function (this: unknown, ...given) {
    const { body } = this as Content;
    const copy = method.apply(this, given);
    const [first, second] = [(this as Content).body, (copy as Content | null | undefined)?.body];
    const isCopied = first !== body && first instanceof ReadableStream && second instanceof ReadableStream;
    if (isCopied && body instanceof ReadableStream) {
      followCopies(body, [first, second]);
      coverClone(copy as Content);
    }
    return copy;
  };
}

const METHODS = ['json', 'text', 'arrayBuffer', 'bytes'];

/** Content that nobody has read by then is not waited for: a test may hold its response forever. */
const LONGEST_WAIT_MS = 1_000;

/** Sees what the first of the response's own methods gives its caller. */
function tapMethods(response: Content, listener: BodyListener, unseen: () => void): void {
  let over = false;
  const finish = (tell: () => void): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    for (const uncover of covers) uncover?.();
    tell();
  };
  const timer = setTimeout(() => finish(unseen), LONGEST_WAIT_MS);
  timer.unref();
  const seen = <T>(content: T): T => {
    finish(() => hear(listener, content));
    return content;
  };
  const failed = (error: unknown): never => {
    // A body that is no JSON has been read to its end.
    finish(() => listener.end(error instanceof SyntaxError ? 'done' : failure(error)));
    throw error;
  };
  const covers = METHODS.map((name) => coverMethod(response, name, (method) => reading(method, seen, failed)));
  if (covers.every((uncover) => uncover === null)) finish(unseen);
}

/** The method, with its value or error seen on the way to its caller. A method of a test's response may be no promise. */
function reading(method: Method, seen: <T>(content: T) => T, failed: (error: unknown) => never): Method {
  return function (...given) {
    let content: unknown;
    try {
      content = method.apply(this, given);
    } catch (error) {
      return failed(error);
    }
    return content instanceof Promise ? content.then(seen, failed) : seen(content);
  };
}

function hear(listener: BodyListener, content: unknown): void {
  try {
    listener.chunk(bytesOf(content));
  } catch {
    // What cannot be written as JSON, such as a value that holds itself, says nothing.
  }
  listener.end('done');
}

function bytesOf(content: unknown): Uint8Array {
  if (content instanceof Uint8Array) return content;
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
}

/** The end of a JSON body: as of any body, or whole and not JSON. */
export type JsonEnd = BodyEnd | 'malformed';

/** A larger body is looked into only where it is read by `json()`: its reader holds as much of it as this holds. */
const LARGEST_BODY_BYTES = 256 << 20;

/** The same where the body only passes, and its reader holds none of it. */
export const LARGEST_PASSED_BYTES = 32 << 20;

/**
 * Looks at the value that the response's own `json()` gives its caller, so that the body is parsed once and by them.
 * Content that is read in any other way is put together from its chunks and parsed when it has been read.
 * `seen` is called once, with `undefined` where there is no value; or `unseen` is, where nobody can tell.
 */
export function tapJson(response: Response, seen: SeenJson, unseen: () => void): void {
  const listener = new JsonListener(seen);
  if (tapPlainJson(response, listener)) return;
  const body = tapContent(response, listener, unseen);
  const { json: parse } = response as { readonly json?: Method };
  if (body !== null && typeof parse === 'function') coverJson(response, { body, parse }, listener);
}

function coverJson(
  response: Response,
  { body, parse }: { readonly body: TappedStream; readonly parse: Method },
  listener: JsonListener,
): void {
  const parsing = reading(parse, valueSeen, failed);
  const branch = branchOf(body);
  let uncover: (() => void) | null = null;
  // A response of another kind than the runtime's may be used for many calls: it gathers no covers.
  if (response instanceof Response) hide(response, 'json', json);
  else uncover = cover(response, 'json', json);

  function json(this: unknown): unknown {
    uncover?.();
    const { body: current, bodyUsed } = this as Response;
    // `clone()` puts another body in place of the first, with a tap of its own.
    if (current !== body || body.locked === true || bodyUsed) return parse.call(this);
    if (branch !== undefined) close(branch);
    return parsing.call(this);
  }

  function valueSeen<T>(value: T): T {
    listener.parsed(value);
    return value;
  }

  function failed(error: unknown): never {
    listener.failed(error);
    throw error;
  }
}

type SeenJson = (value: unknown, how: JsonEnd) => void;

/** The runtime's own way to the body of a response, whatever stands in front of it, and its `json()`. */
interface OwnResponse {
  readonly body: (this: Response) => Response['body'];
  readonly json: (this: Response) => Promise<unknown>;
  readonly clone: (this: Response) => Response;
  /** From version 26 on, Node copies a body without asking its `tee`. */
  readonly asksTee: boolean;
}

let ownResponse: OwnResponse | null = null;

/** Read at the first response: a program that imports plimsoll would load all of the runtime's `fetch` before it asks anything. */
function runtimeResponse(): OwnResponse {
  ownResponse ??= {
    body: Reflect.getOwnPropertyDescriptor(Response.prototype, 'body')?.get as OwnResponse['body'],
    json: Response.prototype.json,
    clone: Response.prototype.clone,
    asksTee: asksTee(new Response('')),
  };
  return ownResponse;
}

function asksTee(response: Response): boolean {
  let isAsked = false;
  hide(response.body ?? {}, 'tee', function (this: ReadableStream) {
    isAsked = true;
    return ReadableStream.prototype.tee.call(this);
  });
  response.clone();
  return isAsked;
}

const HIDDEN_JSON = { value: json, writable: true, configurable: true, enumerable: false };

/** Does the same for a response of the runtime's that nobody has changed, in less time. Returns whether it did. */
function tapPlainJson(response: Response, listener: JsonListener): boolean {
  const own = runtimeResponse();
  if (!(response instanceof Response) || response.json !== own.json || !Object.isExtensible(response)) return false;
  const { body } = response;
  if (body === null || body !== own.body.call(response) || body.locked || response.bodyUsed) return false;
  if (branchOf(body) !== undefined || !Object.isExtensible(body)) return false;
  keepBranch(response, tapBody(body, listener));
  Reflect.defineProperty(response, 'json', HIDDEN_JSON);
  coverClone(response);
  return true;
}

function json(this: Response): Promise<unknown> {
  const branch = branchOf(this);
  const listener = branch?.tap.listener;
  const own = runtimeResponse();
  if (branch === undefined || branch.over || !(listener instanceof JsonListener)) return own.json.call(this);
  const body = own.body.call(this);
  // `clone()` puts another body in place of the first, with a branch of its own.
  if (body === null || !follows(branch, body) || body.locked || this.bodyUsed) return own.json.call(this);
  close(branch);
  return own.json.call(this).then(
    (value) => {
      listener.parsed(value);
      return value;
    },
    (error: unknown) => {
      listener.failed(error);
      throw error;
    },
  );
}

/** A text of so many characters is parsed in no time, whatever is in it. */
export const SHORT_JSON = 1 << 20;

/** So many parts of lists and objects take a quarter of a second and 100 MB at most. A page of a list of the API has 1,000 entries. */
const MOST_PARTS = 500_000;

/** JSON that nobody waits for: too many lists, objects and their parts. */
class TooManyPartsError extends RangeError {
  constructor() {
    super(`a JSON text has more than ${MOST_PARTS} parts`);
    this.name = 'TooManyPartsError';
  }
}

/**
 * Parses JSON that may begin with a byte-order mark, which the runtime's own `json()` leaves out too. Throws a
 * `TooManyPartsError` rather than parse 32 MiB of brackets, which would take 5 s and 1 GB.
 */
export function parseJson(text: string): unknown {
  if (text.length > SHORT_JSON && hasTooManyParts(text)) throw new TooManyPartsError();
  return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
}

const [QUOTE, BACKSLASH, COMMA, COLON, LIST, OBJECT] = [0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x7b];

function hasTooManyParts(text: string): boolean {
  let parts = 0;
  let isString = false;
  for (let at = 0; at < text.length && parts <= MOST_PARTS; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) isString = !isString;
    else if (isString) at += Number(code === BACKSLASH);
    else if (code === COMMA || code === COLON || code === LIST || code === OBJECT) parts += 1;
  }
  return parts > MOST_PARTS;
}

/** Puts a body together from its chunks and parses it when it is over. `seen` is called once. */
export class JsonListener implements BodyListener {
  readonly #seen: SeenJson;
  readonly #largestBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(seen: SeenJson, largestBytes = LARGEST_BODY_BYTES) {
    this.#seen = seen;
    this.#largestBytes = largestBytes;
  }

  chunk(bytes: Uint8Array): void {
    this.#bytes += bytes.byteLength;
    // What a Buffer's own slice makes shares its memory, which its reader may wipe.
    if (this.#bytes <= this.#largestBytes) this.#chunks.push(Uint8Array.prototype.slice.call(bytes));
    else this.#chunks.length = 0;
  }

  /** The response's own `json()` has parsed the body, in place of its chunks. */
  parsed(value: unknown): void {
    this.#seen(value, 'done');
  }

  /** The response's own `json()` has failed. */
  failed(error: unknown): void {
    this.#seen(undefined, error instanceof SyntaxError ? 'malformed' : failure(error));
  }

  end(how: BodyEnd): void {
    if (how !== 'done') return this.#seen(undefined, how);
    if (this.#bytes > this.#largestBytes) return this.#seen(undefined, 'unread');
    const [first] = this.#chunks;
    const whole = this.#chunks.length === 1 && Buffer.isBuffer(first) ? first : Buffer.concat(this.#chunks);
    let value: unknown;
    try {
      value = parseJson(whole.toString('utf8'));
    } catch (error) {
      // The caller has to find out for themselves.
      return this.#seen(undefined, error instanceof TooManyPartsError ? 'unread' : 'malformed');
    }
    this.#seen(value, 'done');
  }
}

const BLANKS = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf]);
const OPENING_BRACE = 0x7b;

/** Keeps a body that begins as a JSON document does: servers send one where a stream was asked for. */
export class DocumentListener {
  #value: unknown = null;
  /** `null`: the body is none. `undefined`: only blanks have come. */
  #json: JsonListener | null | undefined;

  chunk(bytes: Uint8Array): void {
    if (this.#json === undefined) {
      const first = bytes.find((byte) => !BLANKS.has(byte));
      if (first === undefined) return;
      this.#json =
        first === OPENING_BRACE ? new JsonListener((value) => (this.#value = value), LARGEST_PASSED_BYTES) : null;
    }
    this.#json?.chunk(bytes);
  }

  /** The document; `null` where the body is none. */
  end(): Json | null {
    this.#json?.end('done');
    return isJson(this.#value) ? this.#value : null;
  }
}
