/** Streams what the request names by its number, piece by piece. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answering } from '../gateway/child.ts';
import type { Shape } from './soak.ts';
import { soakStream } from './stream.ts';

const shape = JSON.parse(process.argv[2] ?? '') as Shape;
const counts = { open: 0, most: 0, broken: 0 };

async function textOf(incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

function streamed(outgoing: ServerResponse, number: number): void {
  const { pieces, contentEncoding } = soakStream(number, shape);
  outgoing.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'request-id': `req_${number}`,
    ...(contentEncoding !== null && { 'content-encoding': contentEncoding }),
  });
  outgoing.flushHeaders();
  let next = 0;
  const write = (): void => {
    const piece = pieces[next++];
    if (piece === undefined || outgoing.destroyed) return void outgoing.end();
    setTimeout(() => {
      outgoing.write(piece.bytes);
      write();
    }, piece.gapMs);
  };
  write();
}

const server = createServer((incoming, outgoing) => {
  counts.open += 1;
  counts.most = Math.max(counts.most, counts.open);
  outgoing.on('close', () => {
    counts.open -= 1;
    if (!outgoing.writableFinished) counts.broken += 1;
  });
  void textOf(incoming).then((text) => streamed(outgoing, Number(/"user_id":"soak-(\d+)"/.exec(text)?.[1])));
});
server.keepAliveTimeout = 60_000;
server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 });
await once(server, 'listening');

answering({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`, counts: () => counts });
