/** An upstream that keeps every byte it gets, and answers as badly as it is told. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { httpMessage, type HttpMessage } from './http-bytes.ts';

/** A request as the upstream understood it. */
export interface Received extends HttpMessage {
  readonly method: string;
  readonly target: string;
}

/** Answers a request, or does not. */
export type Behaviour = (socket: Socket, received: Received) => void;

export interface RawUpstream {
  readonly url: string;
  readonly port: number;
  /** Requests whose end has come. */
  readonly requests: readonly Received[];
  /** Every byte that any connection brought. */
  bytes(): Buffer;
  /** Connections that were made. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Resolves when so many requests have come. */
  arrived(requests: number): Promise<void>;
  /** Resolves when no connection is open. */
  idle(): Promise<void>;
}

/** What ends things when they are no longer needed: a test. */
export interface Ends {
  after(close: () => Promise<void> | void): void;
}

export const MESSAGE = JSON.stringify({
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: 'claude-haiku-4-5-20251001',
  content: [{ type: 'text', text: 'Ahoy' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 8, output_tokens: 3 },
});

/** Writes an answer whose headers are exactly these. */
export function answer(socket: Socket, headers: readonly string[], body = ''): void {
  socket.write(['HTTP/1.1 200 OK', ...headers, '', body].join('\r\n'));
}

/** A good answer, and the connection stays. */
export const answersWell: Behaviour = (socket) =>
  answer(socket, ['content-type: application/json', `content-length: ${MESSAGE.length}`, 'request-id: req_1'], MESSAGE);

/** Bytes with room for more: a large body in small pieces is not copied anew with each of them. */
class GrowingBuffer {
  #room = Buffer.alloc(0);
  #length = 0;

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  append(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (length > this.#room.length) {
      const larger = Buffer.alloc(2 * length);
      this.bytes.copy(larger);
      this.#room = larger;
    }
    piece.copy(this.#room, this.#length);
    this.#length = length;
  }

  /** Forgets the first bytes; who holds them keeps them as they are. */
  drop(length: number): void {
    this.#room = Buffer.from(this.bytes.subarray(length));
    this.#length = this.#room.length;
  }
}

/** Listens on a port of its own until the test ends. */
export async function rawUpstream(ends: Ends, behave: Behaviour = answersWell): Promise<RawUpstream> {
  const requests: Received[] = [];
  const pieces: Buffer[] = [];
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const each of waiting) each();
  };
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo())
      await new Promise<void>((resolve) => {
        const once = (): void => {
          waiting.delete(once);
          resolve();
        };
        waiting.add(once);
      });
  };
  let connections = 0;

  const server = createServer({ noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    const unread = new GrowingBuffer();
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => {
      sockets.delete(socket);
      wake();
    });
    socket.on('data', (piece) => {
      pieces.push(piece);
      unread.append(piece);
      for (let next = requestIn(unread.bytes); next !== null; next = requestIn(unread.bytes)) {
        unread.drop(next.bytes);
        requests.push(next);
        behave(socket, next);
      }
      wake();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    bytes: () => Buffer.concat(pieces),
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    arrived: (count) => until(() => requests.length >= count),
    idle: () => until(() => sockets.size === 0),
  };
}

function requestIn(bytes: Buffer): Received | null {
  const message = httpMessage(bytes, { kind: 'request', ended: false });
  if (message === null) return null;
  const [method = '', target = ''] = message.startLine.split(' ');
  return { ...message, method, target };
}
