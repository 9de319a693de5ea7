import type { Readable } from 'node:stream';

/** The body is longer than it may be. */
export class BodyTooLargeError extends Error {
  constructor() {
    super('the body is longer than it may be');
    this.name = 'BodyTooLargeError';
  }
}

/** Bytes that all requests together hold at a time. */
export class HeldBytes {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** `false` where there is no room for so many more. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#most) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** There is no room for the body now. */
export class NoRoomError extends Error {
  constructor() {
    super('too many bytes are held for other requests');
    this.name = 'NoRoomError';
  }
}

/** Nobody is there any more who would want an answer. */
export class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection within its request');
    this.name = 'ClientGoneError';
  }
}

/** A body that is held, and the room it takes. */
export interface HeldBody {
  readonly bytes: Buffer;
  readonly release: () => void;
}

export interface HoldOptions {
  readonly largestBytes: number;
  readonly held: HeldBytes;
}

/**
 * Reads a body to its end. Rejects with `BodyTooLargeError` as soon as it is longer than it may be, with `NoRoomError`, or
 * with what the body fails with; the rest is then unread.
 */
export async function heldBody(body: Readable | null, { largestBytes, held }: HoldOptions): Promise<HeldBody> {
  const pieces: Buffer[] = [];
  let length = 0;
  const release = (): void => {
    held.give(length);
    length = 0;
  };
  if (body === null) return { bytes: Buffer.alloc(0), release };
  if (body.readableEnded)
    throw new Error('the body was read before it came to the gateway: mount it before what reads bodies');
  if (body.destroyed) throw new ClientGoneError();
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      stop();
      body.pause();
      release();
      reject(error);
    };
    const take = (piece: Buffer): void => {
      if (length + piece.length > largestBytes) return failed(new BodyTooLargeError());
      if (!held.take(piece.length)) return failed(new NoRoomError());
      length += piece.length;
      pieces.push(piece);
    };
    const ended = (): void => {
      stop();
      const [only] = pieces;
      resolve({ bytes: pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces), release });
    };
    const closed = (): void => failed(new ClientGoneError());
    const stop = (): void => void body.off('data', take).off('end', ended).off('error', failed).off('close', closed);
    body.on('data', take).once('end', ended).once('error', failed).once('close', closed);
  });
}
