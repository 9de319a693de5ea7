import type { IncomingMessage } from 'node:http';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { BodyListener } from '../observe/body-tap.ts';
import type { RawHeaders } from './headers.ts';

/** Where the bytes of a body go. */
export interface Sink {
  /** `false`: it has enough for now; `passage.resume()` is called when it wants more. */
  write(bytes: Uint8Array): boolean;
  /** The body has come to its end. */
  end(): void;
  /** The body broke off: what was written is not all of it. */
  breakOff(): void;
}

/**
 * The body of an answer on its way through: the bytes of the API's as they come, at the pace of who takes them. A listener
 * is told of each, decompressed where they are compressed, and once of the end.
 */
export class Passage {
  readonly #source: IncomingMessage;
  readonly #listeners: BodyListener[] = [];
  /** Decompresses beside, and may need time for it. */
  #isBehind: (drained: () => void) => boolean = () => false;
  #sink: Sink | null = null;
  #isWanted = true;
  #isOver = false;

  constructor(source: IncomingMessage) {
    this.#source = source;
    source.on('error', () => this.#broken());
    source.once('close', () => this.#broken());
  }

  /** Before the first byte has gone through. */
  listen(listener: BodyListener): void {
    const encoding = this.#source.headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') return void this.#listeners.push(listener);
    const decoder = decoding(encoding, listener);
    this.#isBehind = (drained) => decoder.isBehind(drained);
    this.#listeners.push(decoder);
  }

  /** Sends the body on its way. */
  open(sink: Sink): void {
    this.#sink = sink;
    if (this.#source.destroyed && !this.#source.readableEnded) return this.#broken();
    this.#source.on('data', (bytes: Buffer) => this.#pass(bytes));
    this.#source.once('end', () => this.#end());
    this.#source.resume();
  }

  resume(): void {
    this.#isWanted = true;
    this.#goOn();
  }

  /** Nobody wants the rest: the connection to the API is closed at once. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#source.destroy();
    for (const listener of this.#listeners) listener.end('cancelled');
    this.#sink?.breakOff();
  }

  /**
   * Takes what comes until the end, and no more than so many bytes or for so long: the whole body, or `null` where it is
   * not whole. All of it still goes to the sink.
   */
  peek(most: { readonly bytes: number; readonly waitMs: number }): Promise<Buffer | null> {
    const source = this.#source;
    const pieces: Buffer[] = [];
    let length = 0;
    return new Promise((resolve) => {
      const done = (isWhole: boolean): void => {
        clearTimeout(timer);
        source.off('data', take).off('end', ended).off('close', broken);
        source.pause();
        const bytes = Buffer.concat(pieces);
        if (!isWhole && length > 0 && !source.destroyed) source.unshift(bytes);
        resolve(isWhole ? bytes : null);
      };
      const take = (piece: Buffer): void => {
        pieces.push(piece);
        length += piece.length;
        if (length > most.bytes) done(false);
      };
      const ended = (): void => done(true);
      const broken = (): void => done(false);
      const timer = setTimeout(broken, most.waitMs);
      source.on('data', take).once('end', ended).once('close', broken);
      if (source.destroyed) broken();
    });
  }

  /** The whole body, where it is no longer than so many bytes. Rejects where it breaks off, or is longer. */
  collect(mostBytes: number): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    return new Promise((resolve, reject) => {
      const breakOff = (): void => reject(new Error('the body of the answer broke off'));
      const write = (piece: Uint8Array): boolean => {
        pieces.push(piece);
        length += piece.length;
        if (length <= mostBytes) return true;
        this.cancel();
        reject(new Error('the body of the answer is longer than expected'));
        return false;
      };
      this.open({ write, end: () => resolve(Buffer.concat(pieces)), breakOff });
    });
  }

  #pass(bytes: Buffer): void {
    if (this.#isOver) return;
    for (const listener of this.#listeners) listener.chunk(bytes);
    this.#isWanted = this.#sink?.write(bytes) !== false;
    const isBehind = this.#isBehind(() => this.#goOn());
    if (!this.#isWanted || isBehind) this.#source.pause();
  }

  #goOn(): void {
    if (this.#isWanted && !this.#isBehind(() => this.#goOn())) this.#source.resume();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // First what the client waits for; nothing else runs before the listeners have been told, too.
    this.#sink?.end();
    for (const listener of this.#listeners) listener.end('done');
  }

  #broken(): void {
    // A source that has ended tells so itself, maybe after it has closed.
    if (this.#isOver || (this.#source.complete && !this.#source.errored)) return;
    this.#isOver = true;
    for (const listener of this.#listeners) listener.end('failed');
    this.#sink?.breakOff();
  }
}

type End = Parameters<BodyListener['end']>[0];

/** Told of bytes as they were sent, compressed, and tells a listener of what they say. */
export interface Decoding extends BodyListener {
  /** It has more to do than it can hold: `drained` is called once when it has caught up. */
  isBehind(drained: () => void): boolean;
}

/**
 * A listener for a body of this `content-encoding`; the bytes themselves are passed on as they are. An encoding that is
 * not known leaves `listener` with an empty body. What a body that breaks off has said until then is told.
 */
export function decoding(encoding: string, listener: BodyListener): Decoding {
  const decoder = decoderOf(encoding.trim().toLowerCase());
  let ending: End | null = null;
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    listener.end(ending ?? 'failed');
  };
  let whenDrained: (() => void) | null = null;
  const caughtUp = (): void => {
    const drained = whenDrained;
    whenDrained = null;
    drained?.();
  };
  decoder?.on('drain', caughtUp);
  decoder?.once('close', caughtUp);
  decoder?.on('data', (bytes: Uint8Array) => listener.chunk(bytes));
  decoder?.once('end', over);
  // What cannot be decompressed is the client's to find out; the rest of it says nothing here.
  decoder?.once('error', () => ending !== null && over());
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
      else over();
    },
  };
}

const KNOWN: ReadonlySet<string> = new Set(['identity', 'gzip', 'x-gzip', 'deflate', 'br', 'zstd']);

/** Whether what a body of this `content-encoding` says can be read. */
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

/** What the gateway answers: with a body that is there, or with one on its way through. */
export interface GatewayAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: Buffer | Passage;
}
