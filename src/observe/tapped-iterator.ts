import { end, failure, see, type Branch, type Reader, type ReadResult } from './tap.ts';

/** Does what a stream's own iterator does, over the reader and with less between. */
export class TappedIterator implements AsyncIterableIterator<Uint8Array> {
  readonly #branch: Branch;
  readonly #reader: Reader;
  readonly #preventCancel: boolean;
  #finished = false;
  /** `return` waits for a `next` that is under way; reads queue in the reader itself. */
  #lastRead: Promise<unknown> | null = null;

  constructor(branch: Branch, reader: Reader, preventCancel: boolean) {
    this.#branch = branch;
    this.#reader = reader;
    this.#preventCancel = preventCancel;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    const read = this.#read();
    this.#lastRead = read;
    return read;
  }

  async return(value?: unknown): Promise<IteratorResult<Uint8Array, undefined>> {
    await this.#lastRead?.catch(() => undefined); // the caller of `next` has that failure
    if (!this.#finished) {
      this.#finished = true;
      await this.#giveUp(value);
    }
    return { done: true, value: value as undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #giveUp(reason: unknown): Promise<void> {
    if (this.#preventCancel) return this.#reader.releaseLock();
    end(this.#branch, 'cancelled');
    const cancelled = this.#reader.cancel(reason);
    this.#reader.releaseLock();
    await cancelled;
  }

  async #read(): Promise<IteratorResult<Uint8Array, undefined>> {
    let result: ReadResult;
    try {
      result = await this.#reader.read();
    } catch (error) {
      this.#finished = true;
      this.#reader.releaseLock();
      end(this.#branch, failure(error));
      throw error;
    }
    if (!this.#branch.over) see(this.#branch, result);
    if (!result.done) return result;
    this.#finished = true;
    this.#reader.releaseLock();
    return { done: true, value: undefined };
  }
}
