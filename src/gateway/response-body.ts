import type { IncomingMessage } from 'node:http';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { BodyListener } from '../observe/branch.ts';
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
 * the API sends back. Listeners get each chunk, decompressed if necessary, and one end.
 */
export class ResponseBody {
  readonly #source: IncomingMessage;
  readonly #mask: KeyMask | null;
  readonly #listeners: BodyListener[] = [];
  /** Decompresses for a listener, and can fall behind. */
  #decoder: Decoder | null = null;
  #sink: BodySink | null = null;
  #isPaused = false;
  #isOver = false;

  readonly #onBroken: BodyWatch['onBroken'];
  /** The error of the connection on which it broke off, which may be the client's doing; `null` if it did not. */
  brokenBy: Error | null = null;

  constructor(source: IncomingMessage, { key = '', onBroken }: BodyWatch = {}) {
    this.#source = source;
    this.#onBroken = onBroken;
    this.#mask = key === '' ? null : new KeyMask(key);
    source.on('error', () => this.#breakOff());
    source.once('close', () => this.#breakOff());
  }

  /** Adds a listener. Call it before the first byte has been sent. */
  listen(listener: BodyListener): void {
    const encoding = this.#source.headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') return void this.#listeners.push(listener);
    this.#decoder = decoding(encoding, listener);
    this.#listeners.push(this.#decoder);
  }

  /** Starts to send the body to the sink. */
  pipe(sink: BodySink): void {
    this.#sink = sink;
    if (this.#source.destroyed && !this.#source.readableEnded) return this.#breakOff();
    this.#source.on('data', (bytes: Buffer) => this.#write(bytes));
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

  #write(bytes: Buffer): void {
    if (this.#isOver) return;
    for (const listener of this.#listeners) listener.chunk(bytes);
    const passed = this.#mask?.mask(bytes) ?? bytes;
    this.#isPaused = passed.length > 0 && this.#sink?.write(passed) === false;
    if (this.#isPaused || this.#isBehind()) this.#source.pause();
  }

  #continue(): void {
    if (!this.#isPaused && !this.#isBehind()) this.#source.resume();
  }

  #isBehind(): boolean {
    return this.#decoder !== null && this.#decoder.isBehind(() => this.#continue());
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // The client comes first. Nothing else runs before the listeners get the end too.
    this.#writeHeld();
    this.#sink?.end();
    for (const listener of this.#listeners) listener.end('done');
  }

  #breakOff(): void {
    // A complete source emits its own end, sometimes after its close.
    if (this.#isOver || (this.#source.complete && !this.#source.errored)) return;
    this.#isOver = true;
    // The error of the connection says more than that of the body, which is always the same.
    this.brokenBy = this.#source.socket?.errored ?? CLOSED;
    this.#onBroken?.(this.brokenBy);
    for (const listener of this.#listeners) listener.end(isByClient(this.brokenBy) ? 'cancelled' : 'failed');
    this.#writeHeld();
    this.#sink?.breakOff();
  }

  #writeHeld(): void {
    const held = this.#mask?.end() ?? NO_BYTES;
    if (held.length > 0) this.#sink?.write(held);
  }
}

/** A connection that was closed in order has no error. */
const CLOSED = Object.assign(new Error('the API closed the connection'), { code: 'ECONNRESET' });

const NO_BYTES = Buffer.alloc(0);

/**
 * Overwrites a key in bytes that come in pieces by as many dots, so the length that was announced holds. Of a piece only an
 * end that the key begins with waits for the next one: of events, which end with blank lines, nothing ever does.
 */
export class KeyMask {
  readonly #key: Buffer;
  #held = NO_BYTES;

  constructor(key: string) {
    this.#key = Buffer.from(key, 'latin1');
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
    let at = bytes.indexOf(first, Math.max(0, length - this.#key.length + 1));
    while (at !== -1 && bytes.compare(this.#key, 0, length - at, at, length) !== 0) at = bytes.indexOf(first, at + 1);
    return at === -1 ? length : at;
  }
}

type End = Parameters<BodyListener['end']>[0];

/** Decompresses bytes for a listener. */
interface Decoder extends BodyListener {
  /** Returns `true` if it has more bytes than it can hold; it then calls `drained` once, when it has caught up. */
  isBehind(drained: () => void): boolean;
}

/**
 * Makes a decoder for this `content-encoding`. With an unknown encoding, `listener` gets none of it, and the
 * end `unread`. If a body
 * breaks off, it gets everything up to there.
 */
export function decoding(encoding: string, listener: BodyListener): Decoder {
  const decoder = decoderOf(encoding.trim().toLowerCase());
  let ending: End | null = null;
  let isOver = false;
  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    listener.end(decoder === null && ending === 'done' ? 'unread' : (ending ?? 'failed'));
  };
  let whenDrained: (() => void) | null = null;
  const catchUp = (): void => {
    const drained = whenDrained;
    whenDrained = null;
    drained?.();
  };
  decoder?.on('drain', catchUp);
  decoder?.once('close', catchUp);
  decoder?.on('data', (bytes: Uint8Array) => listener.chunk(bytes));
  decoder?.once('end', finish);
  // The client notices by itself that the body cannot be decompressed; the listener gets what came before.
  decoder?.once('error', () => ending !== null && finish());
  return {
    chunk: (bytes) => void (decoder?.destroyed === false && decoder.write(bytes)),
    isBehind(drained) {
      if (decoder?.destroyed !== false || !decoder.writableNeedDrain) return false;
      whenDrained = drained;
      return true;
    },
    end(how) {
      ending = how;
      if (decoder?.destroyed === false) decoder.end();
      else finish();
    },
  };
}

const KNOWN: ReadonlySet<string> = new Set(['identity', 'gzip', 'x-gzip', 'deflate', 'br', 'zstd']);

/** Tells whether a body of this `content-encoding` can be decoded. */
export function isReadable(encoding: string): boolean {
  return KNOWN.has(encoding.trim().toLowerCase());
}

function decoderOf(encoding: string) {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = constants;
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip({ finishFlush: Z_SYNC_FLUSH });
    case 'deflate':
      return createInflate({ finishFlush: Z_SYNC_FLUSH });
    case 'br':
      return createBrotliDecompress({ finishFlush: BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return createZstdDecompress({ finishFlush: ZSTD_e_flush });
    default:
      return null;
  }
}
