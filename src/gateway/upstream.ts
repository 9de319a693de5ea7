import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import type { AnswerHead, RetryHeaders } from '../observe/exchange.ts';
import { JsonListener } from '../observe/json-body.ts';
import { answered, webHeaders, without, type RawHeaders } from './headers.ts';
import { BodyTooLargeError } from './request-body.ts';
import { Passage, decoding } from './response-body.ts';

/** A body that is passed on as it comes, at the pace of the API. */
export interface PassingBody {
  readonly stream: Readable;
  /** Where that is known. */
  readonly length: string | null;
  readonly largestBytes: number;
}

/** What is sent to the API. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Without `host` and what says how long the body is. */
  readonly headers: RawHeaders;
  readonly body: Uint8Array | string | PassingBody | null;
}

/** A request under way. */
export interface Sending {
  /** The head of the answer, its body unread. Rejects where none comes. */
  readonly answer: Promise<IncomingMessage>;
  /** Closes the connection. */
  abort(): void;
}

/** The way to the API. */
export interface Upstream {
  send(request: UpstreamRequest): Sending;
  /** Closes connections that nobody uses. */
  close(): void;
}

/** Nothing came from the API for too long. */
export class UpstreamTimeoutError extends Error {
  constructor() {
    super('the API sent nothing for too long');
    this.name = 'UpstreamTimeoutError';
  }
}

export interface UpstreamOptions {
  /** Longest silence of the API, before an answer or in the middle of one. */
  readonly timeoutMs: number;
}

/**
 * HTTP/1.1 to the API by connections that are kept. It follows no redirect, changes no header, decompresses nothing, and
 * sends nothing twice.
 */
export function upstream(base: URL, { timeoutMs }: UpstreamOptions): Upstream {
  const isSecure = base.protocol === 'https:';
  const agent = isSecure ? new HttpsAgent(KEPT) : new HttpAgent(KEPT);
  const prefix = base.pathname.replace(/\/$/, '');
  const place = { host: base.hostname.replace(/^\[|\]$/g, ''), port: base.port, agent, timeout: timeoutMs };
  const open = isSecure ? httpsRequest : httpRequest;
  return {
    send({ method, target, headers, body }) {
      const request = open({
        ...place,
        method,
        path: prefix + target,
        headers: ['Host', base.host, ...headers, ...framing(body)],
      });
      const answer = answerOf(request);
      sendBody(request, body);
      return { answer, abort: () => request.destroy() };
    },
    close: () => agent.destroy(),
  };
}

const KEPT = { keepAlive: true, maxFreeSockets: 256 } as const;

function framing(body: UpstreamRequest['body']): RawHeaders {
  if (body === null) return [];
  if (typeof body === 'string' || body instanceof Uint8Array)
    return ['Content-Length', String(Buffer.byteLength(body))];
  return body.length === null ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', body.length];
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
    // An answer that changes the protocol was not asked for, and is none.
    request.once('upgrade', (_answer, socket) => {
      socket.destroy();
      reject(new Error('the API changed the protocol'));
    });
    request.once('timeout', () => request.destroy(new UpstreamTimeoutError()));
    request.once('close', () => reject(new Error('the connection to the API was closed')));
  });
}

function sendBody(request: ClientRequest, body: UpstreamRequest['body']): void {
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return void request.end(body);
  const { stream, largestBytes } = body;
  let length = 0;
  stream.on('data', (piece: Buffer) => {
    length += piece.length;
    if (length > largestBytes) request.destroy(new BodyTooLargeError());
  });
  stream.pipe(request);
  stream.once('error', () => request.destroy());
  stream.once('close', () => {
    if (!stream.readableEnded) request.destroy();
  });
}

/** What is read of a refusal before it goes back to the client: the API's are below 1 KiB. */
const PEEKED = { bytes: 64 << 10, waitMs: 1_000 } as const;

/** What the API answered. */
export class UpstreamAnswer implements AnswerHead {
  readonly status: number;
  readonly passage: Passage;
  readonly #message: IncomingMessage;
  #headers: Headers | null = null;
  #steering: RetryHeaders = [];
  #whole: Promise<Buffer | null> | null = null;

  constructor(message: IncomingMessage) {
    this.#message = message;
    this.status = message.statusCode ?? 502;
    this.passage = new Passage(message);
  }

  /** As `headers`, for who reads a few of them: to make those takes longer than to pass a short answer on. */
  get values(): Pick<Headers, 'get'> {
    const { headers } = this.#message;
    return {
      get(name) {
        const value = headers[name];
        return typeof value === 'string' ? value : null;
      },
    };
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get headers(): Headers {
    this.#headers ??= webHeaders(this.#message.rawHeaders);
    return this.#headers;
  }

  /** Replaces headers by those of a retry decision, for observers and for the client. */
  steer(changes: RetryHeaders): void {
    this.#steering = changes;
    for (const [name, value] of changes) this.headers.set(name, value);
  }

  /** The headers that go to the client, with a retry decision's in place of the API's. */
  get rawHeaders(): string[] {
    const raw = this.#steering.reduce((rest, [name]) => without(rest, name), answered(this.#message.rawHeaders));
    return [...raw, ...this.#steering.flat()];
  }

  /** The body where it is short and has come in time, else `null`: then it is to be passed on as it comes. */
  get whole(): Promise<Buffer | null> {
    this.#whole ??= this.passage.peek(PEEKED);
    return this.#whole;
  }

  /** `whole`, as JSON; `null` where it is none. */
  async json(): Promise<unknown> {
    const bytes = await this.whole;
    if (bytes === null) return null;
    return new Promise((resolve) => {
      const listener = new JsonListener((value) => resolve(value ?? null));
      const encoding = this.#message.headers['content-encoding'] ?? 'identity';
      const reader = encoding === 'identity' ? listener : decoding(encoding, listener);
      reader.chunk(bytes);
      reader.end('done');
    });
  }
}
