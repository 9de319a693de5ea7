import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { optionProblems, refuseOptions, unfit } from '../errors.ts';
import { hasOneHost, isLoopback, isOwnHost } from '../hosts.ts';
import { start, type Serving } from './listen.ts';

/** Handles a request. A handler needs no server, so tests need no port. */
export type Handler = (request: Request) => Promise<Response>;

/** The address to listen on, and the handler of errors. */
export interface ServeOptions {
  /**
   * Names under which it may be reached, besides IP addresses and localhost. Requests for other names get a 421, so no
   * other site's page can read the responses by pointing a name of its own here. Default: none on a loopback address, any
   * name elsewhere.
   */
  readonly names?: readonly string[];
  /** 0 takes any free port. */
  readonly port: number;
  /** The option of a command that sets the port: an error names it. */
  readonly portOption?: string;
  /** Default 127.0.0.1, which only this machine reaches. */
  readonly host?: string;
  /** Called with the error of a handler or of a response body. The client gets a 500, or an incomplete body. */
  readonly onError?: (error: unknown) => void;
}

const NAMES: Readonly<Record<keyof ServeOptions, true>> = {
  names: true,
  port: true,
  portOption: true,
  host: true,
  onError: true,
};

/**
 * Serves a handler with node:http. Bodies stream both ways with backpressure. A client that leaves aborts the signal of its
 * request and cancels the body of its response. A handler that rejects with an ECONNRESET breaks the connection, so a fake
 * can simulate that; any other error is a 500. Rejects with `PortError` if the port is in use or not allowed,
 * and with a `ConfigurationError` (`PLIMSOLL_OPTIONS_INVALID`) for options that cannot be used.
 */
export async function serve(handler: Handler, options: ServeOptions): Promise<Serving> {
  const given: unknown = handler;
  const advice = 'pass metricsHandler() or another function of a request';
  refuseOptions([
    ...(typeof given === 'function' ? [] : [unfit('handler', given, { expected: 'a function', advice })]),
    ...optionProblems(options, NAMES),
  ]);
  const { host = '127.0.0.1', onError = () => undefined, names = isLoopback(host) ? [] : undefined } = options;
  const server = createServer((incoming, outgoing) => {
    if (!hasOneHost(incoming)) sendError(outgoing, 400, 'Bad Request');
    else if (names !== undefined && !isOwnHost(incoming.headers.host ?? '', names))
      sendError(outgoing, 421, 'Misdirected Request');
    else void respond(incoming, outgoing, { handler, onError });
  });
  return start(server, { ...options, host });
}

interface Responding {
  readonly handler: Handler;
  readonly onError: (error: unknown) => void;
}

/** Responds to one request. Never rejects. */
async function respond(incoming: IncomingMessage, outgoing: ServerResponse, { handler, onError }: Responding) {
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  const request = toRequest(incoming, outgoing, gone.signal);
  if (request === null) return sendError(outgoing, 400, 'Bad Request');
  try {
    const response = await handler(request);
    if (gone.signal.aborted) return await response.body?.cancel();
    await send(response, outgoing, { isBodiless: incoming.method === 'HEAD' });
  } catch (error) {
    if (gone.signal.aborted) return;
    if (isReset(error)) return breakOff(incoming, outgoing);
    onError(error);
    if (outgoing.headersSent) return breakOff(incoming, outgoing);
    sendError(outgoing, 500, 'Internal Server Error');
  }
}

/**
 * Converts to a `Request`; `null` if that is impossible: for a target that is not a path, or a method such as CONNECT.
 */
function toRequest(incoming: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Request | null {
  const { method = 'GET', url = '/', headers } = incoming;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  try {
    return new Request(url.startsWith('/') ? `http://${headers.host ?? 'localhost'}${url}` : url, {
      method,
      headers: headersOf(incoming),
      signal,
      ...(hasBody && method !== 'GET' && method !== 'HEAD' && { body: bodyOf(incoming, outgoing), duplex: 'half' }),
    });
  } catch {
    // The client gets a 400.
    return null;
  }
}

/**
 * Reads from the socket only as fast as the handler, so a slow handler slows its client down. After the response, the
 * rest of the body is discarded, because the connection would wait for it.
 */
function bodyOf(incoming: IncomingMessage, outgoing: ServerResponse): ReadableStream<Uint8Array> {
  const chunks = incoming.iterator({ destroyOnReturn: false });
  const discardRest = async (): Promise<void> => {
    await chunks.return?.();
    incoming.resume();
  };
  outgoing.once('finish', () => void discardRest());
  return new ReadableStream(
    {
      async pull(controller) {
        const chunk: IteratorResult<unknown> = await chunks.next();
        if (chunk.done === true) controller.close();
        else if (chunk.value instanceof Uint8Array) controller.enqueue(chunk.value);
      },
      cancel: discardRest,
    },
    { highWaterMark: 0 },
  );
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  const { rawHeaders } = incoming;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  return headers;
}

/** Sends a response. Its headers go out at once, before the first byte of the body. */
async function send(response: Response, outgoing: ServerResponse, { isBodiless }: { readonly isBodiless: boolean }) {
  outgoing.statusCode = response.status;
  outgoing.setHeaders(response.headers);
  if (response.body === null || isBodiless) {
    outgoing.end();
    return response.body?.cancel();
  }
  outgoing.flushHeaders();
  const reader = response.body.getReader();
  outgoing.once('close', () => void reader.cancel().catch(ignoreLateCancel));
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    if (!outgoing.write(chunk.value)) await drain(outgoing);
  }
  outgoing.end();
}

/** The error of a body is reported where the body is read. */
function ignoreLateCancel(): void {
  return undefined;
}

function drain(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.on('drain', done);
    outgoing.on('close', done);
    if (outgoing.destroyed) done();
  });
}

function sendError(outgoing: ServerResponse, status: number, reason: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  outgoing.end(`${reason}\n`);
}

/**
 * Breaks the connection. Before the headers, it resets the socket, which a client sees as ECONNRESET. After the
 * headers, it only closes the socket, because a reset can discard what was sent; a response without its end is
 * incomplete in any case, but for one that only the end of its connection ends, as HTTP/1.0 has them.
 */
function breakOff(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const hasEnd = outgoing.chunkedEncoding || outgoing.hasHeader('content-length');
  if (outgoing.headersSent && hasEnd) outgoing.destroy();
  else incoming.socket.resetAndDestroy();
}

function isReset(error: unknown): boolean {
  return codeOf(error) === 'ECONNRESET' || (error instanceof Error && codeOf(error.cause) === 'ECONNRESET');
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
