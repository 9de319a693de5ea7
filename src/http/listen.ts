import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** What node:http calls for each request. */
export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** Where to listen, and what is taken of clients before they are let go. */
export interface ListenOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** The option of a command that sets the port: an error names it. */
  readonly portOption?: string;
  /** Default 127.0.0.1: nobody outside the machine. */
  readonly host?: string;
  /** Open at once; more are closed at once. Default 10,000. */
  readonly connections?: number;
  /** Of all headers of a request together. Default 16,384. */
  readonly headerBytes?: number;
  /** A client has so long to send its headers. Default 10 s. */
  readonly headersMs?: number;
  /** A client has so long to send its whole request. Default 300 s. */
  readonly requestMs?: number;
  /** A client that takes nothing of its answer for so long is let go. Default 120 s. */
  readonly stalledMs?: number;
}

/** Longer than load balancers keep theirs, so that they never send into one that is being closed: AWS 60 s, nginx 60 s. */
const KEEP_ALIVE_MS = 130_000;

/**
 * Puts a listener on node:http, with limits against slow, large and malformed requests: these are answered in the API's
 * own shape of an error where there is still somebody to read it. Rejects with `PortError` where the port cannot be had.
 */
export async function listen(listener: Listener, options: ListenOptions): Promise<Serving> {
  const { host = '127.0.0.1', connections = 10_000, headerBytes = 16_384 } = options;
  const { headersMs = 10_000, requestMs = 300_000, stalledMs = 120_000 } = options;
  const answering = new WeakMap<Duplex, ServerResponse>();
  const server = createServer(
    {
      maxHeaderSize: headerBytes,
      headersTimeout: Math.min(headersMs, requestMs),
      requestTimeout: requestMs,
      // Node looks for connections that are over time only so often.
      connectionsCheckingInterval: clamped(Math.min(headersMs, requestMs) / 4, 100, 5_000),
      keepAliveTimeout: KEEP_ALIVE_MS,
      requireHostHeader: true,
      insecureHTTPParser: false,
    },
    (incoming, outgoing) => {
      answering.set(incoming.socket, outgoing);
      listener(incoming, outgoing);
    },
  );
  server.maxConnections = connections;
  server.on('clientError', (error: Error, socket) => refuse(error, socket, answering.get(socket)));
  server.once('listening', () => letStalledGo(server, stalledMs));
  return listening(server, { ...options, host });
}

function clamped(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

const LINGER_MS = 1_000;

const MALFORMED = 'The request is not HTTP as RFC 9112 has it.';

/** Status, reason and message by the code of what node:http could not read. */
const REFUSALS: Readonly<Record<string, readonly [status: string, type: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'timeout_error', 'The request took too long to arrive.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'invalid_request_error', 'The headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Content Too Large', 'request_too_large', 'The chunk extensions are too large.'],
};

/** An answer that has begun can only be broken off. */
function refuse(error: Error, socket: Duplex, answer: ServerResponse | undefined): void {
  const code = 'code' in error ? String(error.code) : '';
  const hasBegun = answer !== undefined && answer.headersSent && !answer.writableFinished;
  if (code === 'ECONNRESET' || !socket.writable || hasBegun) {
    socket.destroy();
    return;
  }
  const [status, type, message] = REFUSALS[code] ?? ['400 Bad Request', 'invalid_request_error', MALFORMED];
  const body = JSON.stringify({ type: 'error', error: { type, message } });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  // Closed at once, it would take the answer with it where the client has sent more than was read.
  socket.end(`${head}\r\n\r\n${body}`, () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
}

/** Looks a few times in that span which clients have taken something of what waits for them. */
function letStalledGo(server: Server, stalledMs: number): void {
  const open = new Map<ServerResponse, { bytes: number; looks: number }>();
  const looksUntilGone = 4;
  server.on('request', (_, outgoing) => {
    open.set(outgoing, { bytes: 0, looks: 0 });
    outgoing.once('close', () => open.delete(outgoing));
  });
  const looking = setInterval(() => {
    for (const [outgoing, seen] of open) {
      const bytes = outgoing.socket?.bytesWritten ?? 0;
      const isWaiting = outgoing.writableNeedDrain || outgoing.writableLength > 0;
      seen.looks = isWaiting && bytes === seen.bytes ? seen.looks + 1 : 0;
      seen.bytes = bytes;
      if (seen.looks >= looksUntilGone) outgoing.destroy();
    }
  }, stalledMs / looksUntilGone);
  looking.unref();
  server.once('close', () => clearInterval(looking));
}

/** A server that listens. */
export interface Serving {
  readonly url: string;
  readonly port: number;
  /**
   * Takes no new connections, lets the requests under way end for at most `graceMs` (default 5,000), then breaks them.
   * Safe to call again; every call waits for the end.
   */
  readonly close: (graceMs?: number) => Promise<void>;
}

/** The port cannot be had. `message` is one line that says what to do. */
export class PortError extends Error {
  readonly code: 'PLIMSOLL_PORT_IN_USE' | 'PLIMSOLL_PORT_DENIED';

  constructor(code: PortError['code'], message: string) {
    super(message);
    this.name = 'PortError';
    this.code = code;
  }
}

type Where = Pick<ListenOptions, 'port' | 'portOption'> & { readonly host: string };

/** Makes the server listen. Rejects with `PortError` where the port cannot be had. */
export async function listening(server: Server, where: Where): Promise<Serving> {
  const { port, host } = where;
  let closing: Promise<void> | null = null;
  server.on('request', (_, outgoing) => {
    outgoing.once('close', () => {
      if (closing !== null) server.closeIdleConnections();
    });
  });
  await bound(server, where);
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    port: boundPort,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    close(graceMs = 5_000) {
      closing ??= closed(server, graceMs);
      return closing;
    },
  };
}

async function bound(server: Server, where: Where): Promise<void> {
  const { port, host } = where;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw portError(error, where) ?? error;
  }
}

function portError(error: unknown, { port, host, portOption }: Where): PortError | null {
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

function closed(server: Server, graceMs: number): Promise<void> {
  const impatience = setTimeout(() => server.closeAllConnections(), graceMs);
  return new Promise((resolve) => {
    server.close(() => {
      clearTimeout(impatience);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
