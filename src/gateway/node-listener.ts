import type { IncomingMessage, ServerResponse } from 'node:http';
import { Arrival } from './arrival.ts';
import type { GatewayAnswer } from './gateway-answer.ts';
import type { Passage } from './passage.ts';

/** What answers; it never rejects. */
export interface Answering {
  answer(arrival: Arrival): Promise<GatewayAnswer>;
  /** The client has its answer, or has gone. */
  over(arrival: Arrival): void;
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
    void answering.answer(arrival).then((answer) => deliver(answer, incoming, outgoing));
  };
}

function arrivalAt(incoming: IncomingMessage): Arrival {
  const { method = 'GET', url = '/', rawHeaders, headers } = incoming;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  return new Arrival({ method, target: url, headers: rawHeaders }, hasBody ? incoming : null);
}

function deliver({ status, headers, body }: GatewayAnswer, incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (outgoing.destroyed) return Buffer.isBuffer(body) ? undefined : body.cancel();
  const isRead = incoming.complete;
  const framed = Buffer.isBuffer(body) ? [...headers, ...lengthOf(status, body)] : [...headers];
  if (!isRead) framed.push('Connection', 'close');
  outgoing.writeHead(status, framed);
  if (Buffer.isBuffer(body)) outgoing.end(body);
  else pass(body, outgoing);
  if (!isRead) outgoing.once('finish', () => linger(incoming));
}

function lengthOf(status: number, body: Buffer): readonly string[] {
  return status === 204 || status === 304 ? [] : ['Content-Length', String(body.length)];
}

function pass(passage: Passage, outgoing: ServerResponse): void {
  outgoing.on('drain', () => passage.resume());
  outgoing.once('close', () => passage.cancel());
  outgoing.flushHeaders();
  passage.open({
    write: (bytes) => outgoing.write(bytes),
    end: () => void outgoing.end(),
    breakOff: () => void outgoing.destroy(),
  });
}

/** What the client still sends is thrown away for a while: a connection that is closed at once takes the answer with it. */
function linger(incoming: IncomingMessage): void {
  incoming.resume();
  const impatience = setTimeout(() => incoming.socket.destroy(), LINGER_MS);
  impatience.unref();
  incoming.socket.once('close', () => clearTimeout(impatience));
}
