type PipeOptions = Parameters<Body['pipeTo']>[1];

/**
 * Reads along while the body's reader reads, by covering the ways of reading it for this one instance:
 * `getReader` (which `text()` and its like use), iteration, `pipeTo`, `pipeThrough`, `tee` (which `Response.clone()`
 * uses) and `cancel`.
 * Every chunk passes as it comes, as the same object; nothing is cloned, queued or held back.
 * Throws on a body that is not the runtime's own kind of stream, and leaves it as it is.
 */
export function tapBody(body: Body, listener: BodyListener): void {
  if (!(body instanceof ReadableStream)) throw new TypeError('the body is not a ReadableStream of this runtime');
  cover(body, new Tap(listener));
}

/** Takes the tap off a body: the listener gets its content in another way. */
export function untap(body: Body): void {
  const branch = branches.get(body);
  if (branch !== undefined) branch.over = true;
}

const branches = new WeakMap<Body, Branch>();

/** A body that is dropped unread ends its call, whenever the collector finds it. */
const dropped = new FinalizationRegistry<Branch>((branch) => end(branch, 'abandoned'));

function cover(body: Body, tap: Tap, offset = 0): void {
  const branch: Branch = { tap, offset, over: false };
  branches.set(body, branch);
  dropped.register(body, branch);
  Object.setPrototypeOf(body, tapped);
}

/** The runtime's own methods. A reader of either mode reads bytes. */
const native = ReadableStream.prototype as Body & { getReader(this: Body, options?: object): Reader };

function branchOf(body: Body): Branch {
  const branch = branches.get(body);
  if (branch === undefined) throw new TypeError('Illegal invocation');
  return branch;
}

function getReader(this: Body, options?: { mode?: 'byob' }): Reader {
  const branch = branchOf(this);
  const reader = native.getReader.call(this, options);
  if (branch.over) return reader;
  const read: (...args: unknown[]) => Promise<ReadResult> = reader.read.bind(reader);
  const cancelReader = reader.cancel.bind(reader);
  reader.read = (...args: unknown[]) => observed(branch, read(...args));
  reader.cancel = (reason?: unknown) => {
    end(branch, 'cancelled');
    return cancelReader(reason);
  };
  return reader;
}

/** Shows the listener the result of a read on its way to the reader. A failure passes unchanged. */
function observed(branch: Branch, read: Promise<ReadResult>): Promise<ReadResult> {
  return read.then(
    (result) => see(branch, result),
    (error: unknown) => {
      // Releasing the lock rejects what is pending and leaves the body readable by the next reader.
      if (!(error instanceof TypeError && isReleased(error))) end(branch, failure(error));
      throw error;
    },
  );
}

function isReleased(error: TypeError): boolean {
  return 'code' in error && error.code === 'ERR_INVALID_STATE';
}

function values(this: Body, options?: { preventCancel?: boolean }): AsyncIterableIterator<Uint8Array> {
  return new TappedIterator(branchOf(this), native.getReader.call(this), options?.preventCancel === true);
}

function tee(this: Body): [Body, Body] {
  const branch = branchOf(this);
  const pair = native.tee.call(this) as [Body, Body];
  branch.tap.split();
  cover(pair[0], branch.tap, branch.offset);
  cover(pair[1], branch.tap, branch.offset);
  // The two branches take over: the body itself can be dropped and collected without ending the call.
  branch.over = true;
  return pair;
}

function cancel(this: Body, reason?: unknown): Promise<void> {
  if (!this.locked) end(branchOf(this), 'cancelled');
  return native.cancel.call(this, reason);
}

/** The runtime's own piping does not use `getReader`, so it gets a stream over the tapped reader instead. */
async function pipeTo(this: Body, destination: WritableStream<Uint8Array>, options?: PipeOptions): Promise<void> {
  const reader = this.getReader();
  try {
    await streamOver(reader).pipeTo(destination, options);
  } finally {
    reader.releaseLock();
  }
}

function pipeThrough<T>(
  this: Body,
  transform: ReadableWritablePair<T, Uint8Array>,
  options?: PipeOptions,
): ReadableStream<T> {
  return streamOver(this.getReader()).pipeThrough(transform, options);
}

function streamOver(reader: Reader): Body {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const result = await reader.read();
        if (result.done) controller.close();
        else controller.enqueue(result.value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/**
 * The prototype of tapped bodies. Changing the prototype of an instance is ten times as fast as setting seven properties
 * on it (0.2 µs against 2 µs), and does not show in a list of its properties.
 */
const tapped = Object.create(
  ReadableStream.prototype,
  Object.fromEntries(
    Object.entries({ getReader, tee, cancel, pipeTo, pipeThrough, values }).map(([name, value]) => [
      name,
      { value, writable: true, configurable: true },
    ]),
  ),
) as Body;

Object.defineProperty(tapped, Symbol.asyncIterator, { value: values, writable: true, configurable: true });

/** Listens to a body while its reader reads it. Methods must not throw, wait or keep the bytes. */
export interface BodyListener {
  /** The next bytes, each once, in order, whichever branch of the body gets them first. */
  chunk(bytes: Uint8Array): void;
  /** The body is over: read to its end, failed, or given up by its reader. Exactly once. */
  end(how: BodyEnd): void;
}

export type BodyEnd = 'done' | 'failed' | 'aborted' | 'cancelled' | 'abandoned';

/** Tells an abort by the request's signal from a body that broke, by what its reading threw. */
export function failure(error: unknown): 'aborted' | 'failed' {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
    ? 'aborted'
    : 'failed';
}

export type Body = ReadableStream<Uint8Array>;

export type Reader = ReadableStreamDefaultReader<Uint8Array>;

export type ReadResult = Awaited<ReturnType<Reader['read']>>;

/** One body and all the branches that `tee` and `clone` made of it. */
export class Tap {
  readonly #listener: BodyListener;
  #seenBytes = 0;
  #openBranches = 1;
  #over = false;

  constructor(listener: BodyListener) {
    this.#listener = listener;
  }

  split(): void {
    this.#openBranches++;
  }

  /** Takes a chunk that a branch read at its own offset, without the bytes that another branch has read before. */
  chunk(bytes: Uint8Array, offset: number): void {
    if (this.#over) return;
    const known = this.#seenBytes - offset;
    if (known >= bytes.byteLength) return;
    this.#seenBytes = offset + bytes.byteLength;
    this.#listener.chunk(known > 0 ? bytes.subarray(known) : bytes);
  }

  /** A branch ended. Given-up branches end the body only when there is no other left to read. */
  end(how: BodyEnd): void {
    if (this.#over) return;
    if ((how === 'cancelled' || how === 'abandoned') && --this.#openBranches > 0) return;
    this.#over = true;
    this.#listener.end(how);
  }
}

/** The state of one readable body. Never refers to the body itself: a dropped body must stay collectable. */
export interface Branch {
  readonly tap: Tap;
  offset: number;
  over: boolean;
}

/** Ends a branch; only the first end counts. */
export function end(branch: Branch, how: BodyEnd): void {
  if (branch.over) return;
  branch.over = true;
  branch.tap.end(how);
}

/** Takes in the result of a read of a branch, and returns it. */
export function see(branch: Branch, result: ReadResult): ReadResult {
  if (result.done) {
    end(branch, 'done');
  } else if (result.value instanceof Uint8Array) {
    branch.tap.chunk(result.value, branch.offset);
    branch.offset += result.value.byteLength;
  }
  return result;
}

/** Iterates over a tapped body as the stream's own iterator does, in fewer steps. */
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
