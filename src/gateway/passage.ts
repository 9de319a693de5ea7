import type { IncomingMessage } from 'node:http';
import type { BodyListener } from '../observe/tap.ts';
import { decoding } from './decoding.ts';

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
