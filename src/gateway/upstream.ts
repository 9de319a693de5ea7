import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { ResponseHead, RetryHeaders } from '../observe/exchange.ts';
import { JsonListener } from '../observe/content.ts';
import type { ResendCause } from '../record/metrics/catalogue-gateway.ts';
import {
  headerMap,
  returnedHeaders,
  webHeaders,
  without,
  withoutSecret,
  type HeaderMap,
  type RawHeaders,
} from './headers.ts';
import { BodyTooLargeError } from './request-body.ts';
import { ResponseBody, decoding } from './response-body.ts';

/** The connections to the API. */
export interface Upstream {
  /** The longest silence of the API. */
  readonly timeoutMs: number;
  send(request: UpstreamRequest): PendingResponse;
  /** Keeps no connection any more: those in use are closed when their request has ended. */
  retire(): void;
  /** Closes all connections. */
  close(): void;
}

/** A request to the API. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Without `host` and the headers that frame the body. */
  readonly headers: RawHeaders;
  readonly body: WholeBody | StreamedBody | null;
}

/** A body in memory, in pieces that follow each other. */
type WholeBody = readonly Uint8Array[];

/** A body that is sent on as it comes, at the pace of the API. */
export interface StreamedBody {
  readonly stream: Readable;
  /** `null` if the client does not say. */
  readonly length: string | null;
  readonly largestBytes: number;
}

/** A request that was sent. */
interface PendingResponse {
  /** The response after its headers, with its body unread. Rejects if there is none. */
  readonly response: Promise<IncomingMessage>;
  /** Closes the connection, and opens no other. */
  abort(): void;
}

interface UpstreamOptions {
  /** Longest silence of the API, before a response or within one. */
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Called when a request is about to be sent again. */
  readonly onResend: (cause: ResendCause) => void;
}

/** The API sent nothing for too long. */
export class UpstreamTimeoutError extends Error {
  constructor() {
    super('the API sent nothing for too long');
    this.name = 'UpstreamTimeoutError';
  }
}

/**
 * Opens HTTP/1.1 connections to the API, and keeps them alive. It follows no redirects, changes no headers, and
 * decompresses nothing. It sends a request again once, if the connection had been kept and the API closed it before a
 * byte of a response: the API closes what has been idle, and cannot know that a request is on its way.
 */
export function upstream(base: URL, { timeoutMs, clock, onResend }: UpstreamOptions): Upstream {
  const isSecure = base.protocol === 'https:';
  const kept = isSecure ? new HttpsAgent(KEPT) : new HttpAgent(KEPT);
  const prefix = base.pathname.replace(/\/$/, '');
  const address = { host: base.hostname.replace(/^\[|\]$/g, ''), port: base.port, timeout: timeoutMs };
  const openRequest = isSecure ? httpsRequest : httpRequest;
  const sent = ({ method, target, headers, body }: UpstreamRequest, agent: HttpAgent | false): SentRequest => {
    const framed = ['Host', base.host, ...headers, ...framing(body)];
    const sending = new SentRequest(openRequest({ ...address, agent, method, path: prefix + target, headers: framed }));
    sendBody(sending.request, body);
    return sending;
  };
  return {
    timeoutMs,
    send(asked) {
      const sentMs = clock.monotonicMs();
      let isAborted = false;
      // A streamed body cannot be sent again, so it gets a new connection at once.
      let current = sent(asked, isReplayable(asked.body) ? kept : false);
      const response = current.response.catch((error: unknown) => {
        const cause = isAborted || clock.monotonicMs() - sentMs > RESEND_MS ? null : current.resendCause(error);
        if (cause === null) throw error;
        onResend(cause);
        current = sent(asked, false); // other kept connections may have been closed too
        return current.response;
      });
      const abort = (): void => {
        isAborted = true;
        current.request.destroy();
      };
      return { response, abort };
    },
    retire() {
      kept.maxFreeSockets = 0;
      for (const socket of Object.values(kept.freeSockets).flatMap((sockets) => sockets ?? [])) socket.destroy();
    },
    close: () => kept.destroy(),
  };
}

/** A connection that was closed while it was idle shows it after a round trip. Later, the API may have been at work. */
const RESEND_MS = 5_000;

/** A request on its connection. */
class SentRequest {
  readonly request: ClientRequest;
  readonly response: Promise<IncomingMessage>;
  /** Bytes that the connection had brought before this request. */
  #bytesBefore = 0;

  constructor(request: ClientRequest) {
    this.request = request;
    this.response = responseTo(request);
    request.once('socket', ({ bytesRead }) => (this.#bytesBefore = bytesRead));
  }

  /** Tells why the request may be sent again after this error; `null` if it may not. */
  resendCause(error: unknown): ResendCause | null {
    const { reusedSocket, socket } = this.request;
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (!reusedSocket || socket?.bytesRead !== this.#bytesBefore) return null;
    if (code === 'EPIPE') return 'broken_pipe';
    if (code !== 'ECONNRESET') return null;
    return syscall === undefined ? 'closed' : 'reset';
  }
}

const KEPT = { keepAlive: true, maxFreeSockets: 256 } as const;

function framing(body: UpstreamRequest['body']): RawHeaders {
  if (body === null) return [];
  if (isWhole(body)) return ['Content-Length', String(body.reduce((sum, piece) => sum + piece.length, 0))];
  return body.length === null ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', body.length];
}

function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
    // An unrequested protocol switch is refused.
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('the API changed the protocol'));
    });
    request.once('timeout', () => request.destroy(new UpstreamTimeoutError()));
    request.once('close', () => reject(new Error('the connection to the API was closed')));
  });
}

function isReplayable(body: UpstreamRequest['body']): boolean {
  return body === null || isWhole(body);
}

function isWhole(body: WholeBody | StreamedBody): body is WholeBody {
  return Array.isArray(body);
}

function sendBody(request: ClientRequest, body: UpstreamRequest['body']): void {
  if (body === null) return void request.end();
  if (isWhole(body)) {
    for (const piece of body.slice(0, -1)) request.write(piece);
    return void request.end(body.at(-1));
  }
  const { stream, largestBytes } = body;
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > largestBytes) request.destroy(new BodyTooLargeError());
  });
  stream.pipe(request);
  stream.once('error', () => request.destroy());
  stream.once('close', () => {
    if (!stream.readableEnded) request.destroy();
  });
}

/** The part of a refusal that is read before it goes back to the client. The API's refusals are below 1 KiB. */
const PEEKED = { bytes: 64 << 10, waitMs: 1_000 } as const;

/** A response of the API. */
export class UpstreamResponse implements ResponseHead {
  readonly status: number;
  readonly ok: boolean;
  readonly values: HeaderMap;
  readonly body: ResponseBody;
  readonly #message: IncomingMessage;
  readonly #key: string;
  #headers: Headers | null = null;
  #retryHeaders: RetryHeaders = [];
  #whole: Promise<Buffer | null> | null = null;

  /** `key` is what the request was sent with: a header that has it in it is left out, and in a body it is overwritten. */
  constructor(message: IncomingMessage, key: string) {
    const { statusCode = 502, rawHeaders } = message;
    this.#message = message;
    this.#key = key;
    this.status = statusCode;
    this.ok = statusCode >= 200 && statusCode < 300;
    this.values = headerMap(rawHeaders);
    this.body = new ResponseBody(message, key);
  }

  /** The headers as `Headers`, which are slower to make than `values`. */
  get headers(): Headers {
    this.#headers ??= webHeaders(this.#message.rawHeaders);
    return this.#headers;
  }

  /** Replaces headers by those of a retry decision, for observers and the client. */
  steer(changes: RetryHeaders): void {
    this.#retryHeaders = changes;
    for (const [name, value] of changes) this.headers.set(name, value);
  }

  /** The headers for the client. Those of a retry decision replace the API's. */
  get returnedHeaders(): string[] {
    const raw = withoutSecret(returnedHeaders(this.#message.rawHeaders, this.values), this.#key);
    return [...this.#retryHeaders.reduce((rest, [name]) => without(rest, name), raw), ...this.#retryHeaders.flat()];
  }

  /** The body, if it is short and arrived in time; `null` if it is streamed. */
  get whole(): Promise<Buffer | null> {
    this.#whole ??= this.body.peek(PEEKED);
    return this.#whole;
  }

  /** The body parsed as JSON; `null` if it is streamed, or not JSON. */
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
