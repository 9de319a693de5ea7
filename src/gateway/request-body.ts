import type { ClientRequest } from 'node:http';
import type { Readable } from 'node:stream';
import type { SharedRoom } from './shared-room.ts';

/** A body in memory. `release` frees its room. */
export interface HeldBody {
  readonly bytes: Buffer;
  readonly release: () => void;
}

interface HoldOptions {
  readonly largestBytes: number;
  /** As the client declares it; `null` where it does not. */
  readonly declaredBytes: number | null;
  readonly room: SharedRoom;
  /** Name of the client whose share of the room is taken. */
  readonly client: string;
}

/** Room for the start of a body. A longer one takes more as it comes, never by what it declares. */
const FIRST_BYTES = 64 << 10;

/**
 * Reads a body into memory. Rejects with `BodyTooLargeError` as soon as it is too long, with `NoRoomError`, or with the
 * error of the body, and leaves the rest unread.
 */
export function holdBody(body: Readable | null, options: HoldOptions): Promise<HeldBody> {
  const growing = new GrowingBody(options);
  if (body === null) return Promise.resolve({ bytes: Buffer.alloc(0), release: () => undefined });
  if (body.readableEnded)
    return Promise.reject(
      new Error('the body was read before the gateway got it: mount the gateway before middleware that reads bodies'),
    );
  if (body.destroyed) return Promise.reject(new ClientGoneError());
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      stop();
      body.pause();
      growing.release();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      const error = growing.add(chunk);
      if (error !== null) fail(error);
    };
    const finish = (): void => {
      stop();
      growing.whenCopied(() => resolve({ bytes: growing.bytes, release: () => growing.release() }));
    };
    const close = (): void => fail(new ClientGoneError());
    const stop = (): void => void body.off('data', take).off('end', finish).off('error', fail).off('close', close);
    body.on('data', take).once('end', finish).once('error', fail).once('close', close);
  });
}

/** A body that is sent on as it comes, at the pace of the API. */
export interface StreamedBody {
  readonly stream: Readable;
  /** `null` if the client does not say. */
  readonly length: string | null;
  readonly largestBytes: number;
}

/** Sends a body on as it comes, and gives the request up if the body is too long or its client is gone. */
export function sendOn({ stream, largestBytes }: StreamedBody, request: ClientRequest): void {
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > largestBytes) request.destroy(new BodyTooLargeError());
  });
  stream.pipe(request);
  stream.once('error', () => request.destroy(new GivenUpError()));
  stream.once('close', () => {
    if (!stream.readableEnded) request.destroy(new GivenUpError());
  });
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** The most that is copied at a time: less than two milliseconds. */
const COPIED_BYTES = 4 << 20;

/**
 * The bytes of a body so far, in one piece of memory: a client that sends them one by one must not make a thousand times
 * the memory of them. A body that comes in one piece is not copied. Where there is much to be copied into larger memory, others
 * have their turn in between.
 */
class GrowingBody {
  readonly #options: HoldOptions;
  #memory: Buffer = NO_BYTES;
  #length = 0;
  #taken = 0;
  /** What is still to be copied into the memory, and how much of it has been. */
  #before: Buffer = NO_BYTES;
  #copied = 0;
  #onCopied: (() => void) | null = null;

  constructor(options: HoldOptions) {
    this.#options = options;
  }

  get bytes(): Buffer {
    return this.#length === this.#memory.length ? this.#memory : this.#memory.subarray(0, this.#length);
  }

  /** Returns why the bytes cannot be added. */
  add(chunk: Buffer): BodyTooLargeError | NoRoomError | null {
    const { largestBytes } = this.#options;
    const length = this.#length + chunk.length;
    if (length > largestBytes) return new BodyTooLargeError();
    if (length > this.#memory.length && !this.#grow(length, chunk)) return new NoRoomError();
    if (this.#memory !== chunk) this.#memory.set(chunk, this.#length);
    this.#length = length;
    return null;
  }

  /** Calls back when the bytes are all in one place: at once, unless much is being copied. */
  whenCopied(done: () => void): void {
    if (this.#before === NO_BYTES) done();
    else this.#onCopied = done;
  }

  release(): void {
    this.#options.room.give(this.#options.client, this.#taken);
    this.#taken = 0;
  }

  #grow(length: number, chunk: Buffer): boolean {
    const { largestBytes, declaredBytes: declared, room, client } = this.#options;
    const declaredBytes = Number.isSafeInteger(declared) ? declared : null;
    const isWhole = this.#length === 0 && length === declaredBytes;
    const most = Math.min(largestBytes, declaredBytes ?? largestBytes);
    const size = isWhole ? length : Math.max(length, Math.min(most, Math.max(FIRST_BYTES, 2 * this.#memory.length)));
    if (!room.take(client, size - this.#taken)) return false;
    this.#taken = size;
    while (this.#before !== NO_BYTES) this.#copy();
    this.#before = this.bytes;
    this.#memory = isWhole ? chunk : Buffer.allocUnsafeSlow(size);
    this.#copyInTurns();
    return true;
  }

  /** It catches up: in a turn, less comes from a client than is copied. */
  #copyInTurns(): void {
    if (this.#before === NO_BYTES) return;
    this.#copy();
    if (this.#before !== NO_BYTES) setImmediate(() => this.#copyInTurns());
  }

  #copy(): void {
    const end = Math.min(this.#copied + COPIED_BYTES, this.#before.length);
    this.#before.copy(this.#memory, this.#copied, this.#copied, end);
    this.#copied = end;
    if (end < this.#before.length) return;
    [this.#before, this.#copied] = [NO_BYTES, 0];
    this.#onCopied?.();
  }
}

/** The body is longer than allowed. */
export class BodyTooLargeError extends Error {
  constructor() {
    super('the body is longer than allowed');
    this.name = 'BodyTooLargeError';
  }
}

/** The client's request broke off, or was given up. */
export class GivenUpError extends Error {
  constructor() {
    super('the request was given up');
    this.name = 'GivenUpError';
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
