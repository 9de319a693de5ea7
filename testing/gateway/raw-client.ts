/** A client that sends exactly the bytes it is given, and shows exactly those it got. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { httpMessage, type HttpMessage } from './http-bytes.ts';

/** One answer. */
export interface RawAnswer extends HttpMessage {
  readonly status: number;
}

export interface RawClient {
  readonly socket: Socket;
  /** Resolves when the bytes are with the kernel, or the connection is gone. */
  send(bytes: string | Uint8Array): Promise<void>;
  /** The next answer, interim ones (1xx) among them; `null` when the connection ended without one. */
  answer(reading?: { readonly bodiless?: boolean }): Promise<RawAnswer | null>;
  /** When the server has closed the connection: all that came and was not an answer that was taken. */
  closed(): Promise<Buffer>;
  /** All bytes so far, of answers that were taken too. */
  received(): Buffer;
  leave(): void;
}

/** Connected. A reset is an end like another: what is asked is what came before it. */
export async function rawClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const pieces: Buffer[] = [];
  let taken = 0;
  let ended = false;
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const each of woken) each();
  };
  socket.on('data', (piece) => {
    pieces.push(piece);
    wake();
  });
  socket.on('error', () => undefined); // 'close' follows
  for (const event of ['end', 'close'])
    socket.on(event, () => {
      ended = true;
      wake();
    });
  const rest = (): Buffer => Buffer.concat(pieces).subarray(taken);
  const more = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));

  return {
    socket,
    send: (bytes) => new Promise((resolve) => void socket.write(bytes, () => resolve())),
    async answer(reading = {}) {
      for (;;) {
        const message = httpMessage(rest(), { ...reading, kind: 'answer', ended });
        if (message !== null) {
          taken += message.bytes;
          return { ...message, status: Number(message.startLine.split(' ')[1]) };
        }
        if (ended) return null;
        await more();
      }
    },
    async closed() {
      while (!ended) await more();
      return rest();
    },
    received: () => Buffer.concat(pieces),
    leave: () => socket.destroy(),
  };
}

/** Sends the bytes on a connection of their own, and gives all that came back until the server closed it or answered once. */
export async function exchanged(port: number, bytes: string | Uint8Array): Promise<RawAnswer | null> {
  const client = await rawClient(port);
  await client.send(bytes);
  const answer = await client.answer();
  client.leave();
  return answer;
}
