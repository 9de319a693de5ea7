import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { answerTo, type SeenRequest } from './answers.ts';
import type { Choice, Reply } from './plan.ts';

/** Where redirects lead. */
export const MOVED = '/v1/moved';

/** What a server does while one sequence runs. */
export interface Script {
  /** Called with each request when it has come whole. */
  reply(request: SeenRequest): Reply;
  /** Resolves when the caller has read something of an answer: `reset-body` waits for that. */
  readonly read: Promise<void>;
}

const QUIET: Script = { reply: () => ({ status: 503 }), read: Promise.resolve() };

/**
 * An HTTP/1.1 server on loopback that writes what its script says, byte by byte: `node:http` would not write most of
 * what goes wrong on a network.
 */
export class ScriptedServer {
  readonly #server = createServer((socket) => this.#connected(socket));
  readonly #sockets = new Map<Socket, Connection>();
  #script: Script = QUIET;

  async listen(): Promise<this> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  begin(script: Script): void {
    this.#script = script;
  }

  /** Connections on which an answer was begun and neither ended nor given up. */
  get openAnswers(): number {
    return [...this.#sockets.values()].filter((connection) => connection.answering).length;
  }

  /** Closes all connections, and resolves when they are closed. */
  async end(): Promise<void> {
    this.#script = QUIET;
    const closed = [...this.#sockets.keys()].map((socket) => once(socket, 'close'));
    for (const socket of this.#sockets.keys()) socket.destroy();
    await Promise.all(closed);
  }

  close(): void {
    this.#server.close();
  }

  #connected(socket: Socket): void {
    const connection: Connection = new Connection(socket, (request) => this.#answer(connection, request));
    this.#sockets.set(socket, connection);
    socket.setNoDelay(true);
    // A client that resets its connection is not this server's failure.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #answer(connection: Connection, request: SeenRequest): Promise<void> {
    const script = this.#script;
    const reply = script.reply(request);
    const { type, body } = answerTo(request, reply.body);
    await connection.send(
      { reply, type, body: request.method === 'HEAD' ? Buffer.alloc(0) : filled(body, reply, type) },
      script.read,
    );
  }
}

/** Servers for one sequence after the other: when a port comes again, all that was connected to it is long gone. */
export class Servers {
  readonly #all: readonly ScriptedServer[];
  #at = 0;

  constructor(all: readonly ScriptedServer[]) {
    this.#all = all;
  }

  next(): ScriptedServer {
    const server = this.#all[this.#at++ % this.#all.length];
    if (server === undefined) throw new RangeError('There are no servers.');
    return server;
  }

  close(): void {
    for (const server of this.#all) server.close();
  }
}

/** Opens so many servers on ports of their own. */
export async function openServers(count = 64): Promise<Servers> {
  return new Servers(await Promise.all(Array.from({ length: count }, () => new ScriptedServer().listen())));
}

/** JSON and HTML take white space at their end, events a comment. */
function filled(body: Buffer, { bytes = 0 }: Reply, type: string): Buffer {
  const missing = bytes - body.length;
  if (missing <= 0) return body;
  return Buffer.concat([
    body,
    Buffer.from(type.startsWith('text/event') ? `:${'.'.repeat(missing)}\n` : ' '.repeat(missing)),
  ]);
}

interface Outgoing {
  readonly reply: Reply;
  readonly type: string;
  readonly body: Buffer;
}

/** One connection: requests are taken off what arrives, answers are written. */
class Connection {
  answering = false;
  readonly #socket: Socket;
  readonly #answer: (request: SeenRequest) => Promise<void>;
  #held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, answer: (request: SeenRequest) => Promise<void>) {
    this.#socket = socket;
    this.#answer = answer;
    socket.on('data', (bytes) => this.#arrived(bytes));
  }

  async send(outgoing: Outgoing, read: Promise<void>): Promise<void> {
    const { reply } = outgoing;
    for (const status of reply.informational ?? []) this.#write(`HTTP/1.1 ${status} Early\r\nlink: </a>\r\n\r\n`);
    switch (reply.trouble) {
      case 'reset':
        this.#socket.resetAndDestroy();
        return;
      case 'close':
        this.#socket.destroy();
        return;
      case 'stall':
        return;
      case 'garbage':
        this.#write('SSH-2.0-OpenSSH_9.6\r\n');
        this.#socket.end();
        return;
      case 'redirect':
        this.#write(`HTTP/1.1 ${reply.status ?? 307} Moved\r\nlocation: ${MOVED}\r\ncontent-length: 0\r\n\r\n`);
        this.answering = false;
        return;
      default:
        await this.#sendWhole(outgoing, read);
    }
  }

  async #sendWhole({ reply, type, body }: Outgoing, read: Promise<void>): Promise<void> {
    const encoded = isBodiless(reply) ? Buffer.alloc(0) : encodings[reply.encoding ?? 'none'](body);
    const framing = reply.framing ?? 'length';
    this.#write(head(reply, type, encoded.length));
    const troubled = reply.trouble !== undefined;
    const pieces = troubled ? [encoded.subarray(0, encoded.length >> 1)] : split(encoded, reply.borders ?? []);
    for (const piece of pieces) {
      this.#write(framing === 'chunked' || framing === 'trailers' ? chunk(piece) : piece);
      if (pieces.length > 1) await turn();
    }
    if (troubled) return this.#breakOff(reply.trouble, read);
    if (framing === 'chunked') this.#write('0\r\n\r\n');
    if (framing === 'trailers') this.#write('0\r\nx-trailer: late\r\n\r\n');
    this.answering = false;
    if (framing === 'close') this.#socket.end();
  }

  /** What has been written is read before the end comes, so that a client gets the same of it every time. */
  async #breakOff(trouble: Reply['trouble'], read: Promise<void>): Promise<void> {
    if (trouble === 'stall-body') return;
    if (trouble === 'reset-body') await read;
    for (let turns = 0; turns < 6; turns++) await turn();
    if (trouble === 'reset-body') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #write(bytes: string | Buffer): void {
    if (!this.#socket.destroyed && bytes.length > 0) this.#socket.write(bytes);
  }

  #arrived(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    const taken = takeRequest(this.#held);
    if (taken === null) return;
    this.#held = taken.rest;
    this.answering = true;
    void this.#answer(taken.request);
  }
}

const isBodiless = ({ status = 200 }: Reply): boolean => status === 204 || status === 304;

const encodings: Readonly<Record<Choice<'encoding'> | 'none', (body: Buffer) => Buffer>> = {
  none: (body) => body,
  gzip: (body) => gzipSync(body),
  deflate: (body) => deflateSync(body),
  br: (body) => brotliCompressSync(body),
  'false-gzip': (body) => body,
};

function head(reply: Reply, type: string, length: number): string {
  const { status = 200, headers = {}, encoding, framing = 'length' } = reply;
  const lines = [
    `HTTP/1.1 ${status} ${status < 300 ? 'OK' : 'Refused'}`,
    ...(isBodiless(reply) ? [] : [`Content-Type: ${type}`, ...framingLines(framing, length)]),
    'request-id: req_01',
    ...(encoding === undefined ? [] : [`content-encoding: ${encoding === 'false-gzip' ? 'gzip' : encoding}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function framingLines(framing: Choice<'framing'>, length: number): readonly string[] {
  if (framing === 'close') return ['connection: close'];
  if (framing === 'length') return [`content-length: ${length}`];
  return ['transfer-encoding: chunked', ...(framing === 'trailers' ? ['trailer: x-trailer'] : [])];
}

function chunk(piece: Buffer): Buffer {
  if (piece.length === 0) return piece;
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
}

function split(body: Buffer, borders: readonly number[]): readonly Buffer[] {
  const ends = [...borders.map((part) => Math.floor(part * body.length)), body.length].sort((a, b) => a - b);
  return ends.map((end, at) => body.subarray(at === 0 ? 0 : ends[at - 1], end));
}

function takeRequest(held: Buffer): { readonly request: SeenRequest; readonly rest: Buffer } | null {
  const headEnd = held.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const [line = '', ...headerLines] = held.subarray(0, headEnd).toString('latin1').split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const headers = headerLines.map((each) => {
    const colon = each.indexOf(':');
    return [each.slice(0, colon), each.slice(colon + 1).trim()] as const;
  });
  const value = (name: string): string | undefined => headers.find(([each]) => each.toLowerCase() === name)?.[1];
  const after = held.subarray(headEnd + 4);
  const taken =
    value('transfer-encoding') === undefined
      ? takeLength(after, Number(value('content-length') ?? 0))
      : takeChunks(after);
  return taken === null ? null : { request: { method, path, headers, body: taken.body }, rest: taken.rest };
}

interface Taken {
  readonly body: Buffer;
  readonly rest: Buffer;
}

function takeLength(bytes: Buffer, length: number): Taken | null {
  return bytes.length < length ? null : { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

function takeChunks(bytes: Buffer): Taken | null {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return null;
    if (size === 0) return { body: Buffer.concat(chunks), rest: bytes.subarray(end + 2) };
    chunks.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
