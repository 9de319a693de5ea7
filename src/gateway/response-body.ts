import type { IncomingMessage } from 'node:http';
import type { BodyListener } from '../observe/branch.ts';
import { decoding, type Decoder } from './decoding.ts';
import type { RawHeaders } from './headers.ts';
import { isByClient } from './upstream-errors.ts';

/** A response of the gateway: with a complete body, or with one that streams from the API. */
export interface GatewayResponse {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: Buffer | ResponseBody;
}

/** A response with a complete body. */
export interface BufferedResponse extends GatewayResponse {
  readonly body: Buffer;
}

interface BodyWatch {
  /** Its `content-encoding`. Default: `identity`. */
  readonly encoding?: string;
  /** Overwritten wherever it stands in the body; empty, the default, for none. */
  readonly key?: string;
  /** Gets the error of the connection when the API breaks the body off. */
  readonly onBroken?: (error: unknown) => void;
}

/** Receives the bytes of a body. */
interface BodySink {
  /** Returns `false` to pause; `resume()` of the body continues. */
  write(bytes: Uint8Array): boolean;
  /** The body is complete. */
  end(): void;
  /** The body broke off, so what was written is incomplete. */
  breakOff(): void;
}

/**
 * The body of a response on its way from the API to the client: the same bytes, at the client's pace, but for a key that
 * the API sends back. Listeners get the bytes, decompressed if necessary, and one end. Chunks that arrive in one turn
 * of the event loop are written together: an event is often a chunk of its own, and a write costs as much as a hundred events.
 */
export class ResponseBody {
  readonly #source: IncomingMessage;
  readonly #mask: KeyMask | null;
  readonly #encoding: string;
  readonly #listeners: BodyListener[] = [];
  /** Decompresses for a listener, and can fall behind. */
  #decoder: Decoder | null = null;
  #sink: BodySink | null = null;
  /** Chunks of this turn that have not been written. */
  #unwritten: Buffer[] = [];
  #isPaused = false;
  #isOver = false;

  readonly #onBroken: BodyWatch['onBroken'];
  /** The error of the connection on which it broke off, which may be the client's doing; `null` if it did not. */
  brokenBy: Error | null = null;

  constructor(source: IncomingMessage, { key = '', encoding = 'identity', onBroken }: BodyWatch = {}) {
    this.#source = source;
    this.#encoding = encoding;
    this.#onBroken = onBroken;
    this.#mask = key === '' ? null : new KeyMask(key);
    source.on('error', () => this.#breakOff());
    source.once('close', () => this.#breakOff());
  }

  /** Adds a listener. Call it before the first byte has been sent. */
  listen(listener: BodyListener): void {
    if (this.#encoding === 'identity') return void this.#listeners.push(listener);
    this.#decoder = decoding(
      this.#encoding,
      this.#mask === null ? listener : withoutKey(this.#mask.another(), listener),
    );
    this.#listeners.push(this.#decoder);
  }

  /** Starts to send the body to the sink. */
  pipe(sink: BodySink): void {
    this.#sink = sink;
    if (this.#source.destroyed && !this.#source.readableEnded) return this.#breakOff();
    this.#source.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#source.once('end', () => this.#end());
    this.#source.resume();
  }

  resume(): void {
    this.#isPaused = false;
    this.#continue();
  }

  /** Drops the rest, and closes the connection to the API at once. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const bytes = this.#takeUnwritten();
    this.#tell(this.#mask?.mask(bytes) ?? bytes);
    this.#tell(this.#mask?.end() ?? NO_BYTES);
    this.#source.destroy();
    for (const listener of this.#listeners) listener.end('cancelled');
    this.#sink?.breakOff();
  }

  /** Reads the whole body, if it ends within the given bytes and time; else `null`. The sink still gets all of it. */
  peek(most: { readonly bytes: number; readonly waitMs: number }): Promise<Buffer | null> {
    const source = this.#source;
    const chunks: Buffer[] = [];
    let length = 0;
    return new Promise((resolve) => {
      const finish = (isWhole: boolean): void => {
        clearTimeout(timer);
        source.off('data', take).off('end', ended).off('close', broken);
        source.pause();
        const bytes = Buffer.concat(chunks);
        if (isWhole) this.#mask?.all(bytes);
        if (!isWhole && length > 0 && !source.destroyed) source.unshift(bytes);
        resolve(isWhole ? bytes : null);
      };
      const take = (chunk: Buffer): void => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > most.bytes) finish(false);
      };
      const ended = (): void => finish(true);
      const broken = (): void => finish(false);
      const timer = setTimeout(broken, most.waitMs);
      source.on('data', take).once('end', ended).once('close', broken);
      if (source.destroyed) broken();
    });
  }

  /** Reads the whole body. Rejects if it breaks off, or exceeds the given bytes. */
  collect(mostBytes: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    return new Promise((resolve, reject) => {
      const breakOff = (): void => reject(new Error('the body of the response broke off'));
      const write = (chunk: Uint8Array): boolean => {
        chunks.push(chunk);
        length += chunk.length;
        if (length <= mostBytes) return true;
        this.cancel();
        reject(new Error('the body of the response is longer than expected'));
        return false;
      };
      this.pipe({ write, end: () => resolve(Buffer.concat(chunks)), breakOff });
    });
  }

  #take(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#unwritten.length === 0) process.nextTick(writeTaken, this);
    this.#unwritten.push(bytes);
  }

  #takeUnwritten(): Buffer {
    const unwritten = this.#unwritten;
    const [first = NO_BYTES] = unwritten;
    if (unwritten.length > 0) this.#unwritten = [];
    return unwritten.length > 1 ? Buffer.concat(unwritten) : first;
  }

  #tell(bytes: Buffer): void {
    if (bytes.length === 0) return;
    for (const listener of this.#listeners) listener.chunk(bytes);
  }

  /** Writes what has arrived; returns whether the body goes on: the sink may cancel it. */
  writeTaken(): boolean {
    const bytes = this.#takeUnwritten();
    if (bytes.length === 0) return true;
    // Listeners get no key either: what the API names in its place, such as a model, shows in metrics.
    const passed = this.#mask?.mask(bytes) ?? bytes;
    this.#tell(passed);
    this.#isPaused = passed.length > 0 && this.#sink?.write(passed) === false;
    if (this.#isPaused || this.#isBehind()) this.#source.pause();
    return !this.#isOver;
  }

  #continue(): void {
    if (!this.#isPaused && !this.#isBehind()) this.#source.resume();
  }

  #isBehind(): boolean {
    return this.#decoder !== null && this.#decoder.isBehind(() => this.#continue());
  }

  #end(): void {
    if (this.#isOver) return;
    if (!this.writeTaken()) return;
    this.#isOver = true;
    // The client comes first. Nothing else runs before the listeners get the end too.
    this.#writeHeld();
    this.#sink?.end();
    for (const listener of this.#listeners) listener.end('done');
  }

  #breakOff(): void {
    // A complete source emits its own end, sometimes after its close.
    if (this.#isOver || (this.#source.complete && !this.#source.errored)) return;
    if (!this.writeTaken()) return;
    this.#isOver = true;
    // The error of the connection says more than that of the body, which is always the same.
    this.brokenBy = this.#source.socket?.errored ?? CLOSED;
    this.#onBroken?.(this.brokenBy);
    this.#writeHeld();
    for (const listener of this.#listeners) listener.end(isByClient(this.brokenBy) ? 'cancelled' : 'failed');
    this.#sink?.breakOff();
  }

  #writeHeld(): void {
    const held = this.#mask?.end() ?? NO_BYTES;
    if (held.length === 0) return;
    this.#tell(held);
    this.#sink?.write(held);
  }
}

/** Listens to what has been decompressed. */
function withoutKey(mask: KeyMask, listener: BodyListener): BodyListener {
  return {
    chunk: (bytes) => listener.chunk(mask.mask(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))),
    end(how) {
      listener.chunk(mask.end());
      listener.end(how);
    },
  };
}

function writeTaken(body: ResponseBody): void {
  body.writeTaken();
}

/** A connection that was closed in order has no error. */
const CLOSED = Object.assign(new Error('the API closed the connection'), { code: 'ECONNRESET' });

const NO_BYTES = Buffer.alloc(0);

/** The bytes of a key. */
interface KeyBytes {
  readonly key: string;
  readonly bytes: Buffer;
  /** 1 for each byte that is in the key: a piece that ends with any other, as an event does, needs no search. */
  readonly isOfKey: Uint8Array;
}

function keyBytes(key: string): KeyBytes {
  const bytes = Buffer.from(key, 'latin1');
  const isOfKey = new Uint8Array(256);
  for (const byte of bytes) isOfKey[byte] = 1;
  return { key, bytes, isOfKey };
}

/** Most responses have the key of the one before. */
let lastKey = keyBytes('');

/**
 * Overwrites a key in bytes that come in pieces by as many dots, so the length that was announced holds. Of a piece only an
 * end that the key begins with waits for the next one: of events, which end with blank lines, nothing ever does.
 */
export class KeyMask {
  readonly #key: Buffer;
  readonly #isOfKey: KeyBytes['isOfKey'];
  #held = NO_BYTES;

  constructor(key: string) {
    if (lastKey.key !== key) lastKey = keyBytes(key);
    this.#key = lastKey.bytes;
    this.#isOfKey = lastKey.isOfKey;
  }

  /** For other bytes in which the same key is looked for. */
  another(): KeyMask {
    return new KeyMask(this.#key.toString('latin1'));
  }

  /** Returns the bytes that may go on, in the memory of the piece unless some were held. */
  mask(piece: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    this.all(bytes);
    const start = this.#beginning(bytes);
    if (start === bytes.length) {
      this.#held = NO_BYTES;
      return bytes;
    }
    this.#held = Buffer.from(bytes.subarray(start));
    return bytes.subarray(0, start);
  }

  /** Overwrites the key in a whole body. */
  all(bytes: Buffer): void {
    const key = this.#key;
    for (let at = bytes.indexOf(key); at !== -1; at = bytes.indexOf(key, at + key.length))
      bytes.fill('.', at, at + key.length);
  }

  /** Returns what was held. */
  end(): Buffer {
    const held = this.#held;
    this.#held = NO_BYTES;
    return held;
  }

  /** The place from which on the bytes are a beginning of the key; their length if no end of them is. */
  #beginning(bytes: Buffer): number {
    const [first = 0] = this.#key;
    const { length } = bytes;
    if (this.#isOfKey[bytes[length - 1] ?? 0] === 0) return length;
    let at = bytes.indexOf(first, Math.max(0, length - this.#key.length + 1));
    while (at !== -1 && bytes.compare(this.#key, 0, length - at, at, length) !== 0) at = bytes.indexOf(first, at + 1);
    return at === -1 ? length : at;
  }
}
