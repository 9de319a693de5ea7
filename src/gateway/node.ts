import { OutgoingMessage, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { CauseOf } from '../record/metrics/catalogue-gateway.ts';
import { apiCause } from './faults.ts';
import { GatewayRequest } from './request.ts';
import type { GatewayResponse, ResponseBody } from './response-body.ts';
import { isByClient } from './upstream-errors.ts';

/** Handles requests for a listener. */
interface RequestHandler {
  /** Never rejects. */
  handle(request: GatewayRequest): Promise<GatewayResponse>;
  /** The client has received its response, or has disconnected. */
  finish(request: GatewayRequest): void;
  /** A response could not be sent. */
  fail(error: unknown): void;
  /** Connections should end with their next response. */
  isLeaving(): boolean;
  /** Tells whether what the sender at this address says in `X-Forwarded-` headers is believed. */
  isTrustedProxy(address: string | undefined): boolean;
}

/** Who ended a response before it was complete, and why, if the API did. */
interface BrokenOff {
  readonly by: 'client' | 'api' | 'gateway';
  readonly cause: CauseOf<'api'> | null;
}

const BROKEN = new WeakMap<ServerResponse, BrokenOff>();

/** Tells who broke a response off; the client, where the gateway knows nothing else. Ask after its `close` event. */
export function brokenOff(outgoing: ServerResponse): BrokenOff {
  return BROKEN.get(outgoing) ?? { by: 'client', cause: null };
}

/** The event of a response whose head has been written, with names and values of its headers in turn. */
export const HEAD_WRITTEN = Symbol('plimsoll.head_written');

/** Makes a listener for node:http that handles requests without building `Request` and `Response`. */
export function nodeListener(handler: RequestHandler) {
  return function listener(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const request = fromNodeRequest(incoming, handler);
    const { socket } = incoming;
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) request.abort();
      handler.finish(request);
    });
    handler
      .handle(request)
      .then((response) => send(response, { incoming, outgoing, socket, isLast: handler.isLeaving() }))
      .catch((error: unknown) => {
        outgoing.destroy();
        handler.fail(error);
      });
  };
}

/** The URL of a request below the path where the listener is mounted, as Express gives it. */
interface NodeRequest extends IncomingMessage {
  readonly baseUrl?: unknown;
}

function fromNodeRequest(incoming: NodeRequest, handler: RequestHandler): GatewayRequest {
  const { method = 'GET', url = '/', rawHeaders, headers, socket } = incoming;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  const baseUrl = (): string => addressCalled(incoming, handler);
  const head = { method, target: url, rawHeaders, baseUrl, connection: socket };
  return new GatewayRequest(head, hasBody ? incoming : null);
}

/** A host in the forms of RFC 3986, with a port or without. */
const HOST = /^(?:[\w.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/**
 * The address that the client called: behind a trusted proxy, what that says of it. SDKs send their token to addresses made
 * from it, so nobody else is believed.
 */
function addressCalled({ headers, socket, baseUrl: mount }: NodeRequest, handler: RequestHandler): string {
  const isTrusted = handler.isTrustedProxy(socket.remoteAddress);
  const said = (name: string): string => (isTrusted ? lastOf(headers[name]) : '').toLowerCase();
  const [saidScheme, saidHost] = [said('x-forwarded-proto'), said('x-forwarded-host')];
  const scheme = /^https?$/.test(saidScheme) ? saidScheme : 'encrypted' in socket ? 'https' : 'http';
  const host = [saidHost, headers.host ?? ''].find((given) => HOST.test(given)) ?? 'localhost';
  return `${scheme}://${host}${typeof mount === 'string' ? mount : ''}`;
}

/** The last value of a list: the nearest proxy added it, the others may be the client's own. */
function lastOf(value: string | readonly string[] | undefined): string {
  return (
    String(value ?? '')
      .split(',')
      .at(-1)
      ?.trim() ?? ''
  );
}

/** The time that a client may go on sending after an error, so that it can read the response. */
const LINGER_MS = 2_000;

/** A request and its response on a connection. Node removes the socket from a finished request, so it is kept here. */
interface NodeExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly socket: Socket;
}

/** A response that can be sent. */
interface Sending extends NodeExchange {
  /** The connection ends with it. */
  readonly isLast: boolean;
}

function send({ status, headers, body }: GatewayResponse, { incoming, outgoing, socket, isLast }: Sending): void {
  if (outgoing.destroyed) return Buffer.isBuffer(body) ? undefined : body.cancel();
  const isRead = incoming.complete;
  const framed = [...headers];
  if (Buffer.isBuffer(body) && status !== 204 && status !== 304 && !hasLength(headers))
    framed.push('Content-Length', String(body.length));
  if (!isRead || isLast) framed.push('Connection', 'close');
  outgoing.writeHead(status, framed);
  outgoing.emit(HEAD_WRITTEN, framed);
  if (Buffer.isBuffer(body)) outgoing.end(body);
  else pipe(body, outgoing, () => breakOff(outgoing, socket, hasLength(headers)));
  if (!isRead) outgoing.once('finish', () => linger(incoming, socket));
}

function hasLength(headers: readonly string[]): boolean {
  return headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-length');
}

const NO_BYTES = Buffer.alloc(0);

/** Copying more bytes would take longer than writing their frame by itself. */
const FRAMED_BYTES = 16 << 10;

/** Bytes as a chunk of HTTP/1.1 (RFC 9112, 7.1), in one piece: Node writes four, which costs more than the copy. */
function chunk(bytes: Uint8Array): Buffer {
  const size = bytes.length.toString(16);
  const framed = Buffer.allocUnsafe(size.length + bytes.length + 4);
  framed.write(size, 'latin1');
  framed[size.length] = framed[framed.length - 2] = CR;
  framed[size.length + 1] = framed[framed.length - 1] = LF;
  framed.set(bytes, size.length + 2);
  return framed;
}

const [CR, LF] = [0x0d, 0x0a];

/**
 * Ends a response that is incomplete. To a client of HTTP/1.0 the end of its connection is that of the response: half of one would
 * look whole unless the connection is reset.
 */
function breakOff(outgoing: ServerResponse, socket: Socket, hasLength: boolean): void {
  if (!hasLength && !outgoing.chunkedEncoding && isTcp(socket)) socket.resetAndDestroy();
  outgoing.destroy();
}

/** No other connection can be reset, and none that is closed. */
function isTcp(socket: Socket): boolean {
  return !socket.destroyed && socket.remoteAddress !== undefined && !('encrypted' in socket);
}

function pipe(body: ResponseBody, outgoing: ServerResponse, breakOff: () => void): void {
  outgoing.on('drain', () => body.resume());
  outgoing.on('close', () => body.cancel());
  // Middleware that has replaced `write` gets the body unframed.
  const isFramedHere = outgoing.chunkedEncoding && outgoing.write === OutgoingMessage.prototype.write;
  let hasBegun = false;
  body.pipe({
    write(bytes) {
      hasBegun = true;
      if (!isFramedHere || bytes.length > FRAMED_BYTES) return outgoing.write(bytes);
      outgoing.chunkedEncoding = false;
      const goesOn = outgoing.write(chunk(bytes));
      outgoing.chunkedEncoding = true;
      return goesOn;
    },
    end: () => void outgoing.end(),
    breakOff() {
      const cause = body.brokenBy === null ? null : apiCause(body.brokenBy);
      // The gateway itself ends it at the end of its time for shutdown.
      if (!outgoing.destroyed && !isByClient(body.brokenBy))
        BROKEN.set(outgoing, { by: cause === null ? 'gateway' : 'api', cause });
      breakOff();
    },
  });
  // The first bytes go out together with the headers; if there are none yet, the headers go alone. Not by
  // `flushHeaders()`, which writes them in UTF-8: header bytes beyond ASCII must be forwarded unchanged.
  setImmediate(() => {
    if (!hasBegun && !outgoing.writableEnded && !outgoing.destroyed) outgoing.write(NO_BYTES);
  });
}

/** Discards the rest of a request for a while: closing the connection at once would lose the response. */
function linger(incoming: IncomingMessage, socket: Socket): void {
  incoming.resume();
  const patience = setTimeout(() => socket.destroy(), LINGER_MS);
  patience.unref();
  socket.once('close', () => clearTimeout(patience));
}
