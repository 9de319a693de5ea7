import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listening, type Serving } from './listen.ts';

/** What is served: the web's own shape, so that tests need no port. */
export type Handler = (request: Request) => Promise<Response>;

/** Where to listen, and who hears of a handler that failed. */
export interface ServeOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** The option of a command that sets the port: an error names it. */
  readonly portOption?: string;
  /** Default 127.0.0.1: nobody outside the machine. */
  readonly host?: string;
  /** Told of what a handler or a response's body threw; the client gets a 500, or a broken body. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Puts a handler on node:http. Bodies stream both ways with backpressure; a client that leaves aborts the request's signal
 * and cancels the response's body. A handler that rejects with an ECONNRESET breaks the connection, so that a fake can
 * pass a break on; any other failure is a 500. Rejects with `PortError` where the port cannot be had.
 */
export async function serve(handler: Handler, options: ServeOptions): Promise<Serving> {
  const { host = '127.0.0.1', onError = () => undefined } = options;
  const server = createServer((incoming, outgoing) => void exchange(incoming, outgoing, { handler, onError }));
  return listening(server, { ...options, host });
}

interface Exchange {
  readonly handler: Handler;
  readonly onError: (error: unknown) => void;
}

/** One request; never rejects. */
async function exchange(incoming: IncomingMessage, outgoing: ServerResponse, { handler, onError }: Exchange) {
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  const request = requestOf(incoming, outgoing, gone.signal);
  if (request === null) return refuse(outgoing, 400, 'Bad Request');
  try {
    const response = await handler(request);
    if (gone.signal.aborted) return await response.body?.cancel();
    await send(response, outgoing, { bodiless: incoming.method === 'HEAD' });
  } catch (error) {
    if (gone.signal.aborted) return;
    if (isReset(error)) return breakOff(incoming, outgoing);
    onError(error);
    if (outgoing.headersSent) return breakOff(incoming, outgoing);
    refuse(outgoing, 500, 'Internal Server Error');
  }
}

/** `null` for a request that `Request` cannot say: a target that is no path, a method such as CONNECT. */
function requestOf(incoming: IncomingMessage, outgoing: ServerResponse, signal: AbortSignal): Request | null {
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
    // The client is told with a 400; there is nothing else to do about a target or a method that cannot be.
    return null;
  }
}

/**
 * Reads from the socket only what is asked for, so that a slow handler slows its client down. What a handler leaves
 * unread is thrown away when the response has gone out, or the connection would wait for it.
 */
function bodyOf(incoming: IncomingMessage, outgoing: ServerResponse): ReadableStream<Uint8Array> {
  const pieces = incoming.iterator({ destroyOnReturn: false });
  const leaveRest = async (): Promise<void> => {
    await pieces.return?.();
    incoming.resume();
  };
  outgoing.once('finish', () => void leaveRest());
  return new ReadableStream(
    {
      async pull(controller) {
        const piece: IteratorResult<unknown> = await pieces.next();
        if (piece.done === true) controller.close();
        else if (piece.value instanceof Uint8Array) controller.enqueue(piece.value);
      },
      cancel: leaveRest,
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

/** The head goes out at once, before the body's first byte. */
async function send(response: Response, outgoing: ServerResponse, { bodiless }: { readonly bodiless: boolean }) {
  outgoing.statusCode = response.status;
  outgoing.setHeaders(response.headers);
  if (response.body === null || bodiless) {
    outgoing.end();
    return response.body?.cancel();
  }
  outgoing.flushHeaders();
  const reader = response.body.getReader();
  outgoing.once('close', () => void reader.cancel().catch(ignoreLateCancel));
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    if (!outgoing.write(piece.value)) await drained(outgoing);
  }
  outgoing.end();
}

/** A body that failed before its reader left has been dealt with where it was read. */
function ignoreLateCancel(): void {
  return undefined;
}

function drained(outgoing: ServerResponse): Promise<void> {
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

function refuse(outgoing: ServerResponse, status: number, reason: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  outgoing.end(`${reason}\n`);
}

/**
 * Before the head the socket is reset: that is what a client calls ECONNRESET. After it the socket is only closed,
 * because a reset can take back what was sent before; an answer that lacks its end is broken all the same.
 */
function breakOff(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (outgoing.headersSent) outgoing.destroy();
  else incoming.socket.resetAndDestroy();
}

function isReset(error: unknown): boolean {
  return codeOf(error) === 'ECONNRESET' || (error instanceof Error && codeOf(error.cause) === 'ECONNRESET');
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
