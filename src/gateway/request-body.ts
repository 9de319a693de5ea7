import type { Readable } from 'node:stream';

/** A body in memory. `release` frees its room. */
export interface HeldBody {
  readonly bytes: Buffer;
  readonly release: () => void;
}

interface HoldOptions {
  readonly largestBytes: number;
  readonly held: HeldBytes;
}

/**
 * Reads a body into memory. Rejects with `BodyTooLargeError` as soon as it is too long, with `NoRoomError`, or with the
 * error of the body, and leaves the rest unread.
 */
export async function holdBody(body: Readable | null, { largestBytes, held }: HoldOptions): Promise<HeldBody> {
  const chunks: Buffer[] = [];
  let length = 0;
  const release = (): void => {
    held.give(length);
    length = 0;
  };
  if (body === null) return { bytes: Buffer.alloc(0), release };
  if (body.readableEnded)
    throw new Error(
      'the body was read before the gateway got it: mount the gateway before middleware that reads bodies',
    );
  if (body.destroyed) throw new ClientGoneError();
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      stop();
      body.pause();
      release();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      if (length + chunk.length > largestBytes) return fail(new BodyTooLargeError());
      if (!held.take(chunk.length)) return fail(new NoRoomError());
      length += chunk.length;
      chunks.push(chunk);
    };
    const finish = (): void => {
      stop();
      const [only] = chunks;
      resolve({ bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks), release });
    };
    const close = (): void => fail(new ClientGoneError());
    const stop = (): void => void body.off('data', take).off('end', finish).off('error', fail).off('close', close);
    body.on('data', take).once('end', finish).once('error', fail).once('close', close);
  });
}

/** Counts the body bytes that all requests hold in memory. */
export class HeldBytes {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Reserves room for this many bytes; `false` if there is none. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#most) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** The body is longer than allowed. */
export class BodyTooLargeError extends Error {
  constructor() {
    super('the body is longer than allowed');
    this.name = 'BodyTooLargeError';
  }
}

/** Other requests hold too many bytes. */
export class NoRoomError extends Error {
  constructor() {
    super('other requests hold too many bytes');
    this.name = 'NoRoomError';
  }
}

/** The client closed the connection before its request was complete. */
class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection before its request was complete');
    this.name = 'ClientGoneError';
  }
}
