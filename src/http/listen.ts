import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { refuseOptions, unfit } from '../errors.ts';
import { hasOneHost } from '../hosts.ts';

/** A function that node:http calls for each request. */
export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** The address to listen on, and the limits of clients. Durations are in milliseconds. */
export interface ListenOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** The option of a command that sets the port: an error names it. */
  readonly portOption?: string;
  /** Default 127.0.0.1, which only this machine reaches. */
  readonly host?: string;
  /** Connections at a time; more are closed at once. Default 10,000. */
  readonly connections?: number;
  /** Bytes of all headers of a request together. Default 16,384. */
  readonly headerBytes?: number;
  /** Time that a client has to send its headers. Default 10,000. */
  readonly headersMs?: number;
  /** Time that a client has to send its whole request. Default 300,000. */
  readonly requestMs?: number;
  /** A client that reads nothing of its response for this long is disconnected. Default 120,000. */
  readonly stalledMs?: number;
}

/**
 * Longer than load balancers keep idle connections (AWS 60 s, nginx 60 s), so that they never use a connection that is
 * being closed.
 */
const KEEP_ALIVE_MS = 130_000;

/**
 * Listens with node:http, with limits against slow, large and malformed requests. Clients that can still read it get an
 * error in the format of the API's. Rejects with `PortError` if the port is in use or not allowed.
 */
export async function listen(listener: Listener, options: ListenOptions): Promise<Serving> {
  const { host = '127.0.0.1', connections = 10_000, headerBytes = 16_384 } = options;
  const { headersMs = 10_000, requestMs = 300_000, stalledMs = 120_000 } = options;
  const responses = new WeakMap<Duplex, LastRequest>();
  const take: Listener = (incoming, outgoing) => {
    const { socket } = incoming;
    const last = { incoming, outgoing, before: responses.get(socket)?.outgoing ?? null };
    responses.set(socket, last);
    if (hasOneHost(incoming)) listener(incoming, outgoing);
    else refuseInTurn(new Error('not one Host'), socket, last);
  };
  const server = createServer(
    {
      maxHeaderSize: headerBytes,
      headersTimeout: Math.min(headersMs, requestMs),
      requestTimeout: requestMs,
      // Node checks for late requests only at this interval.
      connectionsCheckingInterval: clamp(Math.min(headersMs, requestMs) / 4, 100, 5_000),
      keepAliveTimeout: KEEP_ALIVE_MS,
      requireHostHeader: true,
      insecureHTTPParser: false,
    },
    take,
  );
  // A client that asks before it sends a body is told to when the body is read: refused, it sends none.
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    incoming.once('resume', () => {
      if (!outgoing.headersSent) outgoing.writeContinue();
    });
    take(incoming, outgoing);
  });
  server.maxConnections = connections;
  server.on('clientError', (error: Error, socket) => refuseInTurn(error, socket, responses.get(socket) ?? null));
  server.once('listening', () => disconnectStalled(server, stalledMs));
  return start(server, { ...options, host });
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

const LINGER_MS = 1_000;

const MALFORMED = 'The request is not HTTP/1.1 (RFC 9112).';

/** Status line, error type and message, by the error code of node:http. */
const PARSE_ERRORS: Readonly<Record<string, readonly [status: string, type: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'timeout_error', 'The request took too long to arrive.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'invalid_request_error', 'The headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Content Too Large', 'request_too_large', 'The chunk extensions are too large.'],
};

/** The last request of a connection whose head could be read: a client may send several in a row. */
interface LastRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** The response before its own. */
  readonly before: ServerResponse | null;
}

/** Connections with an error that waits for its turn. */
const inTurn = new WeakSet<Duplex>();

/**
 * Sends an error for a request that cannot be read, after the responses to the requests before it: within one of them, it
 * would be taken for content.
 */
function refuseInTurn(error: Error, socket: Duplex, last: LastRequest | null): void {
  const isOfLast = last !== null && !last.incoming.complete;
  const before = isOfLast ? last.before : last?.outgoing;
  const now = (): void => refuse(error, socket, isOfLast ? last.outgoing : null);
  if (!before || before.writableFinished || isReset(error)) return now();
  // Nothing shows that a client has gone but the end of what it sends.
  if (socket.readableEnded) return void socket.destroy();
  if (inTurn.has(socket)) return;
  inTurn.add(socket);
  before.once('close', now);
}

function isReset(error: Error): boolean {
  return codeOf(error) === 'ECONNRESET';
}

/** A response that has begun can only be broken off. */
function refuse(error: Error, socket: Duplex, response: ServerResponse | null): void {
  const hasBegun = response !== null && response.headersSent && !response.writableFinished;
  if (isReset(error) || !socket.writable || hasBegun) {
    socket.destroy();
    return;
  }
  const code = String(codeOf(error));
  const [status, type, message] = PARSE_ERRORS[code] ?? ['400 Bad Request', 'invalid_request_error', MALFORMED];
  const body = JSON.stringify({ type: 'error', error: { type, message } });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  // Closing the socket at once would lose the error if the client has sent more than was read.
  socket.end(`${head}\r\n\r\n${body}`, () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
}

/** A response that is not over, and what of it had been sent at the last look. */
interface OpenResponse {
  /** `null` when it is over: each table that a `Set` has outgrown leads to the next, so all of its members live until a full collection. */
  outgoing: ServerResponse | null;
  bytes: number;
  looks: number;
}

/** Disconnects clients that have read nothing of a waiting response in several checks, over this time. */
function disconnectStalled(server: Server, stalledMs: number): void {
  const open = new Set<OpenResponse>();
  const looksUntilGone = 4;
  server.on('request', (_, outgoing) => {
    const opened: OpenResponse = { outgoing, bytes: 0, looks: 0 };
    open.add(opened);
    outgoing.on('close', () => {
      open.delete(opened);
      opened.outgoing = null;
    });
  });
  const looking = setInterval(() => {
    for (const seen of open) {
      const { outgoing } = seen;
      if (outgoing === null) continue;
      const { socket } = outgoing;
      const bytes = socket?.bytesWritten ?? 0;
      // Without a socket it waits for the response before it, and its client for both.
      const isWaiting = socket !== null && (outgoing.writableNeedDrain || outgoing.writableLength > 0);
      seen.looks = isWaiting && bytes === seen.bytes ? seen.looks + 1 : 0;
      seen.bytes = bytes;
      if (seen.looks >= looksUntilGone) outgoing.destroy();
    }
  }, stalledMs / looksUntilGone);
  looking.unref();
  server.once('close', () => clearInterval(looking));
}

/** A listening server. */
export interface Serving {
  readonly url: string;
  readonly port: number;
  /**
   * Accepts no new connections, gives requests in progress at most `graceMs` (default 5,000) to end, then breaks them off.
   * Safe to call again; every call waits for the end.
   */
  readonly close: (graceMs?: number) => Promise<void>;
  /** Accepts no new connections, and ends none of those that there are; resolves when none is left. */
  readonly leave: () => Promise<void>;
}

/** The port is in use or not allowed. `message` is one line that says what to do. */
export class PortError extends Error {
  readonly code: 'PLIMSOLL_PORT_IN_USE' | 'PLIMSOLL_PORT_DENIED';

  constructor(code: PortError['code'], message: string) {
    super(message);
    this.name = 'PortError';
    this.code = code;
  }
}

const LAST_PORT = 65_535;

type Address = Pick<ListenOptions, 'port' | 'portOption'> & { readonly host: string };

/** Starts the server. Rejects with `PortError` if the port is in use or not allowed. */
export async function start(server: Server, wanted: Address): Promise<Serving> {
  const { port, host } = wanted;
  // Node would take a text for the path of a socket.
  if (!(Number.isInteger(port) && port >= 0 && port <= LAST_PORT))
    refuseOptions([unfit('port', port, { expected: `a number from 0 to ${LAST_PORT}`, advice: '0 takes a free one' })]);
  let closing: Promise<void> | null = null;
  server.on('request', (_, outgoing) => {
    outgoing.on('close', () => {
      if (closing !== null) server.closeIdleConnections();
    });
  });
  await bind(server, wanted);
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    port: boundPort,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    close(graceMs = 5_000) {
      closing ??= close(server, graceMs);
      return closing;
    },
    leave: () =>
      new Promise((resolve) => {
        // That of http.Server ends idle connections, on which a request may be on its way.
        NetServer.prototype.close.call(server, () => resolve());
      }),
  };
}

async function bind(server: Server, address: Address): Promise<void> {
  const { port, host } = address;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw portError(error, address) ?? error;
  }
}

function portError(error: unknown, { port, host, portOption }: Address): PortError | null {
  const by = portOption === undefined ? '' : ` with ${portOption}`;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new PortError(
        'PLIMSOLL_PORT_IN_USE',
        `Port ${port} on ${host} is in use: choose another${by}, or stop the program that has it.`,
      );
    case 'EACCES':
      return new PortError(
        'PLIMSOLL_PORT_DENIED',
        `Port ${port} on ${host} needs more rights than this user has: choose one above 1023${by}.`,
      );
    default:
      return null;
  }
}

function close(server: Server, graceMs: number): Promise<void> {
  const patience = setTimeout(() => server.closeAllConnections(), graceMs);
  return new Promise((resolve) => {
    server.close(() => {
      clearTimeout(patience);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
