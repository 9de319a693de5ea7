/** Answers every request from memory: a JSON message of 2 KiB, or 50 events one to a write where a stream is asked for. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answersJson, answersStream } from '../messages.ts';
import { answering } from './child.ts';
import { EVENTS } from './request.ts';

interface Canned {
  readonly headers: readonly string[];
  readonly pieces: readonly Uint8Array[];
}

async function canned(answers: typeof fetch): Promise<Canned> {
  const response = await answers('');
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body ?? []) pieces.push(piece as Uint8Array);
  return { headers: [...response.headers].flat(), pieces };
}

const json = await canned(answersJson);
const stream = await canned(answersStream(EVENTS - 5));

function answered(outgoing: ServerResponse, { headers, pieces }: Canned): void {
  outgoing.writeHead(200, [...headers]);
  let next = 0;
  // One event to a write, each in a turn of its own, as a model writes them.
  const write = (): void => {
    const piece = pieces[next++];
    if (piece === undefined || outgoing.destroyed) return void outgoing.end();
    outgoing.write(piece);
    setImmediate(write);
  };
  write();
}

const server = createServer((incoming, outgoing) => {
  const pieces: Buffer[] = [];
  incoming.on('data', (piece: Buffer) => pieces.push(piece));
  incoming.on('end', () => {
    const isStream = Buffer.concat(pieces).includes('"stream":true');
    if (isStream) return answered(outgoing, stream);
    const [body] = json.pieces;
    outgoing.writeHead(200, [...json.headers, 'content-length', String(body?.length ?? 0)]);
    outgoing.end(body);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1');
await once(server, 'listening');

answering({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
