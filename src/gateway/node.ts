import type { IncomingMessage, ServerResponse } from 'node:http';
import { valueOf, type RawHeaders } from './headers.ts';
import { Arrival } from './request.ts';
import type { GatewayAnswer, Passage } from './response-body.ts';

/** What answers; it never rejects. */
export interface Answering {
  answer(arrival: Arrival): Promise<GatewayAnswer>;
  /** The client has its answer, or has gone. */
  over(arrival: Arrival): void;
  /** An answer could not be sent. */
  failed(error: unknown): void;
}

/** A client that has its refusal may go on sending for so long, so that it comes to read it. */
const LINGER_MS = 2_000;

/** Puts what answers on node:http, past the objects of the web. */
export function nodeListener(answering: Answering) {
  return function listener(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const arrival = arrivalAt(incoming);
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) arrival.leave();
      answering.over(arrival);
    });
    answering
      .answer(arrival)
      .then((answer) => deliver(answer, incoming, outgoing))
      .catch((error: unknown) => {
        outgoing.destroy();
        answering.failed(error);
      });
  };
}

function arrivalAt(incoming: IncomingMessage): Arrival {
  const { method = 'GET', url = '/', rawHeaders, headers } = incoming;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  return new Arrival({ method, target: url, headers: rawHeaders, base: baseOf(incoming) }, hasBody ? incoming : null);
}

/** As the client sees it: before a proxy that speaks TLS for the gateway, and below the path that it is mounted on. */
function baseOf(incoming: IncomingMessage & { readonly baseUrl?: unknown }): string {
  const { headers, socket, baseUrl } = incoming;
  const isSecure = 'encrypted' in socket || /^https\b/i.test(String(headers['x-forwarded-proto'] ?? ''));
  return `${isSecure ? 'https' : 'http'}://${headers.host ?? 'localhost'}${typeof baseUrl === 'string' ? baseUrl : ''}`;
}

function deliver({ status, headers, body }: GatewayAnswer, incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (outgoing.destroyed) return Buffer.isBuffer(body) ? undefined : body.cancel();
  const isRead = incoming.complete;
  const framed = Buffer.isBuffer(body) ? [...headers, ...lengthOf(status, headers, body)] : [...headers];
  if (!isRead) framed.push('Connection', 'close');
  outgoing.writeHead(status, framed);
  if (Buffer.isBuffer(body)) outgoing.end(body);
  else pass(body, outgoing);
  if (!isRead) outgoing.once('finish', () => linger(incoming));
}

function lengthOf(status: number, headers: RawHeaders, body: Buffer): RawHeaders {
  const isSaid = status === 204 || status === 304 || valueOf(headers, 'content-length') !== null;
  return isSaid ? [] : ['Content-Length', String(body.length)];
}

const NOTHING = Buffer.alloc(0);

function pass(passage: Passage, outgoing: ServerResponse): void {
  outgoing.on('drain', () => passage.resume());
  outgoing.once('close', () => passage.cancel());
  let hasBegun = false;
  passage.open({
    write(bytes) {
      hasBegun = true;
      return outgoing.write(bytes);
    },
    end: () => void outgoing.end(),
    breakOff: () => void outgoing.destroy(),
  });
  // What has come with the head goes out with it; where nothing has, the head goes alone. `flushHeaders()` would write it
  // in UTF-8, and what is beyond ASCII came as bytes.
  setImmediate(() => {
    if (!hasBegun && !outgoing.writableEnded && !outgoing.destroyed) outgoing.write(NOTHING);
  });
}

/** What the client still sends is thrown away for a while: a connection that is closed at once takes the answer with it. */
function linger(incoming: IncomingMessage): void {
  incoming.resume();
  const impatience = setTimeout(() => incoming.socket.destroy(), LINGER_MS);
  impatience.unref();
  incoming.socket.once('close', () => clearTimeout(impatience));
}
