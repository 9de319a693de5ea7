import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { ResponseHead, RetryHeaders } from '../observe/exchange.ts';
import { JsonListener } from '../observe/content.ts';
import type { CauseOf, ResendCause } from '../record/metrics/catalogue-gateway.ts';
import { decoding } from './decoding.ts';
import { apiCause } from './faults.ts';
import { returnedHeaders, webHeaders, without, withoutSecret, HeaderMap, type RawHeaders } from './headers.ts';
import { GivenUpError, sendOn, type StreamedBody } from './request-body.ts';
import { ResponseBody } from './response-body.ts';
import {
  ClientTimeoutError,
  ConnectTimeoutError,
  ProtocolError,
  UnsentError,
  UpstreamTimeoutError,
  isByClient,
} from './upstream-errors.ts';

/** The connections to the API. */
export interface Upstream {
  /** The longest silence of the API. */
  readonly timeoutMs: number;
  /** The longest time until a connection is made. */
  readonly connectMs: number;
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

/** A request that was sent. */
interface PendingResponse {
  /** The response after its headers, with its body unread. Rejects if there is none. */
  readonly response: Promise<IncomingMessage>;
  /** Closes the connection, and opens no other. */
  abort(): void;
  /** Takes note that the body of the response broke off, by the error of its connection. */
  broken(error: unknown): void;
}

interface UpstreamOptions {
  /** Longest silence of the API, before a response or within one. */
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Longest time until a connection is made, TLS included. */
  readonly connectMs: number;
  /** Called when a request is about to be sent again. */
  readonly onResend: (cause: ResendCause) => void;
  /** Told whether the API answers, and why not. It may ask by `probe` whether the API answers again. */
  readonly watch: UpstreamWatch;
}

/** Who is told whether the API answers. What ends because of the client is not told. */
interface UpstreamWatch {
  readonly answered: () => void;
  readonly failed: (cause: CauseOf<'api'>, probe: () => Promise<void>) => void;
}

/**
 * Opens HTTP/1.1 connections to the API, and keeps them alive. It follows no redirects, changes no headers, and
 * decompresses nothing. It sends a request again once, if the connection had been kept and the API closed it before a
 * byte of a response: the API closes what has been idle, and cannot know that a request is on its way.
 */
export function upstream(base: URL, { timeoutMs, connectMs, clock, onResend, watch }: UpstreamOptions): Upstream {
  const isSecure = base.protocol === 'https:';
  // With the timeout of its requests, which need not set it then, and set it back.
  const kept = new (isSecure ? HttpsAgent : HttpAgent)({ ...KEPT, timeout: timeoutMs });
  const { host } = base;
  // Node makes it of the options of each request; all of them go to one address.
  kept.getName = () => host;
  const prefix = base.pathname.replace(/\/$/, '');
  const address = { host: base.hostname.replace(/^\[|\]$/g, ''), port: base.port, timeout: timeoutMs };
  const openRequest = isSecure ? httpsRequest : httpRequest;
  const connecting = { connectMs, connected: isSecure ? 'secureConnect' : 'connect' } as const;
  const sent = ({ method, target, headers, body }: UpstreamRequest, way: SendingOptions): SentRequest => {
    const framed = ['Host', host, ...headers, ...framing(body)];
    const upload = uploadOf(body);
    // A streamed body cannot be sent again, so it gets a new connection at once; and so does a
    // request that is sent again, as other kept connections may have been closed too.
    const agent = way.isAgain || upload !== null ? false : kept;
    const request = openRequest({ ...address, agent, method, path: prefix + target, headers: framed });
    const sending = new SentRequest(request, { ...connecting, upload }, way);
    sendBody(request, body);
    return sending;
  };
  const sending: SendingWatch = {
    ...{ clock, onResend, onAnswer: watch.answered },
    onFailure: (error) => watch.failed(apiCause(error), probe),
  };
  const send = (asked: UpstreamRequest): PendingResponse => pendingResponse((way) => sent(asked, way), sending);
  const probe = async (): Promise<void> => {
    const probing = send({ method: 'HEAD', target: '/', headers: [], body: null });
    const patience = setTimeout(() => probing.abort(), PROBE_MS);
    await probing.response.then((message) => void message.resume()).catch(() => undefined);
    clearTimeout(patience);
  };
  return {
    timeoutMs,
    connectMs,
    send,
    retire() {
      kept.maxFreeSockets = 0;
      for (const socket of Object.values(kept.freeSockets).flatMap((sockets) => sockets ?? [])) socket.destroy();
    },
    close: () => kept.destroy(),
  };
}

/** What becomes of a request. What ends because of its client is no failure. */
interface SendingWatch extends Pick<UpstreamOptions, 'clock' | 'onResend'> {
  readonly onAnswer: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** How a request is sent, and what becomes of it: `answered` or `failed` is called, once. */
interface SendingOptions {
  readonly isAgain: boolean;
  readonly answered: (message: IncomingMessage) => void;
  readonly failed: (error: Error) => void;
}

/** Sends a request, and once more where that is safe. */
function pendingResponse(sent: (way: SendingOptions) => SentRequest, watch: SendingWatch): PendingResponse {
  const { clock, onResend, onAnswer, onFailure } = watch;
  const sentMs = clock.monotonicMs();
  let isAborted = false;
  let current: SentRequest | null = null;
  const broken = (error: unknown): void => {
    if (!isAborted && !isByClient(error)) onFailure(error);
  };
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    const answered = (message: IncomingMessage): void => {
      onAnswer();
      resolve(message);
    };
    const failed = (error: Error): void => {
      broken(error);
      reject(error);
    };
    const sendAgain = (error: Error): void => {
      const cause = isAborted || clock.monotonicMs() - sentMs > RESEND_MS ? null : current?.resendCause(error);
      if (cause === null || cause === undefined) return failed(error);
      onResend(cause);
      try {
        current = sent({ isAgain: true, answered, failed });
      } catch (unsendable) {
        failed(unsendable as Error);
      }
    };
    current = sent({ isAgain: false, answered, failed: sendAgain });
  });
  const abort = (): void => {
    isAborted = true;
    current?.request.destroy();
  };
  return { response, abort, broken };
}

/** A connection that was closed while it was idle shows it after a round trip. Later, the API may have been at work. */
const RESEND_MS = 5_000;

/** A probe waits at most this long: who asks for readiness waits for it. */
const PROBE_MS = 2_000;

interface Connecting {
  readonly connectMs: number;
  /** The event of a connection that can be used. */
  readonly connected: 'connect' | 'secureConnect';
  /** A body that comes from the client while it is sent. */
  readonly upload: Readable | null;
}

/** A request on its connection. */
class SentRequest {
  readonly request: ClientRequest;
  /** Bytes that the connection had brought before this request. */
  #bytesBefore = 0;
  #isConnected = false;
  #answer: IncomingMessage | null = null;
  #isOver = false;

  constructor(request: ClientRequest, { connectMs, connected, upload }: Connecting, way: SendingOptions) {
    this.request = request;
    // As HTTP does not have it: a status, or a switch of the protocol that nobody asked for.
    const refuse = (sender: { destroy(): void }): void => {
      sender.destroy();
      this.#fail(new ProtocolError(), way);
    };
    request.on('response', (message) => {
      if (!/^[2-5]\d\d$/.test(String(message.statusCode))) return refuse(request);
      this.#answer = message;
      if (!this.#isOver) way.answered(message);
      this.#isOver = true;
    });
    request.on('error', (error) => this.#fail(error, way));
    request.on('upgrade', (_response, socket) => refuse(socket));
    request.on('timeout', () => {
      const isOfClient = this.#answer === null ? hasStalled(request, upload) : this.#answer.readableLength > 0;
      request.destroy(isOfClient ? new ClientTimeoutError() : new UpstreamTimeoutError());
    });
    request.on('close', () => {
      if (this.#answer === null) this.#fail(new GivenUpError(), way);
    });
    request.on('socket', (socket) => {
      this.#bytesBefore = socket.bytesRead;
      this.#isConnected = request.reusedSocket;
      if (request.reusedSocket) return;
      const patience = setTimeout(() => request.destroy(new ConnectTimeoutError()), connectMs);
      const settle = (): void => clearTimeout(patience);
      socket.once('close', settle).once(connected, () => {
        settle();
        this.#isConnected = true;
      });
    });
  }

  #fail(error: Error, way: SendingOptions): void {
    if (this.#isOver) return;
    this.#isOver = true;
    way.failed(this.#isConnected || isByClient(error) ? error : new UnsentError(error));
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

/** The API has taken all that came of a body, and waits for more. */
function hasStalled(request: ClientRequest, upload: Readable | null): boolean {
  return upload !== null && !upload.readableEnded && !request.writableNeedDrain;
}

function uploadOf(body: UpstreamRequest['body']): Readable | null {
  return body === null || isWhole(body) ? null : body.stream;
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
  sendOn(body, request);
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
  readonly #encoding: string;
  #headers: Headers | null = null;
  #retryHeaders: RetryHeaders = [];
  #whole: Promise<Buffer | null> | null = null;

  /**
   * `key` is what the request was sent with: a header that has it in it is left out, and in a body it is overwritten.
   * `onBroken` gets the error of a connection on which the body breaks off.
   */
  constructor(message: IncomingMessage, key: string, onBroken: (error: unknown) => void) {
    const { statusCode = 502, rawHeaders } = message;
    this.#message = message;
    this.#key = key;
    this.status = statusCode;
    this.ok = statusCode >= 200 && statusCode < 300;
    this.values = new HeaderMap(rawHeaders);
    this.#encoding = this.values.get('content-encoding') ?? 'identity';
    this.body = new ResponseBody(message, { key, encoding: this.#encoding, onBroken });
    // Node reads this one when the connection is free again, and would make an object of all headers for it.
    message.headers = { 'keep-alive': this.values.get('keep-alive') };
  }

  /** The headers as `Headers`, which are slower to make than `values`. */
  get headers(): Headers {
    this.#headers ??= webHeaders(withoutSecret(this.#message.rawHeaders, this.#key));
    return this.#headers;
  }

  /** Replaces headers by those of a retry decision, for observers and the client. */
  steer(changes: RetryHeaders): void {
    this.#retryHeaders = changes;
    for (const [name, value] of changes) this.headers.set(name, value);
  }

  /** The headers for the client. Those of a retry decision replace the API's. */
  get returnedHeaders(): RawHeaders {
    const raw = withoutSecret(returnedHeaders(this.values), this.#key);
    if (this.#retryHeaders.length === 0) return raw;
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
      const reader = this.#encoding === 'identity' ? listener : decoding(this.#encoding, listener);
      reader.chunk(bytes);
      reader.end('done');
    });
  }
}
