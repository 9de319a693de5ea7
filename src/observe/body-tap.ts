import { branchOf, close, end, failure, follow, see, Tap, type BodyListener, type Branch } from './branch.ts';
import { hide } from './covers.ts';

/**
 * Reads along while the body's reader reads, by covering the methods that read it for this one instance:
 * `getReader` (which `text()` and its like use), iteration, `pipeTo`, `pipeThrough`, `tee` (which `Response.clone()`
 * uses) and `cancel`.
 * Every chunk passes as it comes, as the same object; nothing is cloned, queued or held back.
 * Throws on a body that is not the runtime's own kind of stream, and leaves it as it is.
 */
export function tapBody(body: Body, listener: BodyListener): Branch {
  if (!(body instanceof ReadableStream)) throw new TypeError('the body is not a ReadableStream of this runtime');
  return coverBody(body, new Tap(listener));
}

type Body = ReadableStream<Uint8Array>;

const METHODS = ['getReader', 'tee', 'cancel', 'pipeTo', 'pipeThrough', 'values', Symbol.asyncIterator] as const;

const COVERS = { getReader, tee, cancel, pipeTo, pipeThrough, values, [Symbol.asyncIterator]: iterate };

/** Covers a body of the runtime's, or one that its own `tee` has made. */
function coverBody(body: Body, tap: Tap, offset = 0): Branch {
  const isCovered = branchOf(body) !== undefined;
  const branch = follow(body, tap, offset);
  if (isCovered || !Object.isExtensible(body)) return branch;
  if (isPlainStream(body) && Object.getPrototypeOf(body) === native) {
    Object.setPrototypeOf(body, covered);
  } else {
    beneath.set(body, methodsOf(body));
    for (const name of METHODS) hide(body, name, COVERS[name]);
  }
  return branch;
}

/** Tells whether all methods of a body are the runtime's own: those of a subclass, or of whoever got it before, may not be. */
export function isPlainStream(body: Body): boolean {
  return (
    body.getReader === native.getReader &&
    body.tee === native.tee &&
    body.cancel === native.cancel &&
    body.pipeTo === native.pipeTo &&
    body.pipeThrough === native.pipeThrough &&
    body.values === native.values &&
    body[Symbol.asyncIterator] === native[Symbol.asyncIterator]
  );
}

/** The methods that a body had before it was tapped, where they are not the runtime's. Not in its branch, which outlives it. */
const beneath = new WeakMap<object, Methods>();

type Methods = Pick<typeof native, (typeof METHODS)[number]>;

function methodsOf(body: Body): Methods {
  return Object.fromEntries(METHODS.map((name) => [name, Reflect.get(body, name)])) as unknown as Methods;
}

function methods(body: Body): Methods {
  return beneath.get(body) ?? native;
}

/** A method that another calls inside is not observed twice. */
function inside<Result>(branch: Branch, step: () => Result): Result {
  branch.isInside = true;
  try {
    return step();
  } finally {
    branch.isInside = false;
  }
}

type PipeOptions = Parameters<Body['pipeTo']>[1];
type Reader = ReadableStreamDefaultReader<Uint8Array>;

type ReadResult = Awaited<ReturnType<Reader['read']>>;

/** The runtime's own methods. A reader of either mode reads bytes. */
const native = ReadableStream.prototype as Body & { getReader(this: Body, options?: object): Reader };

/**
 * Stands between a plain body and the runtime's prototype: seven properties of the body itself take seven times as long,
 * at each call. The body is of the same class to `instanceof`, by its `constructor` and in a log, and has nothing of its own.
 */
const covered = Object.create(native, {
  constructor: { value: ReadableStream, writable: true, configurable: true, enumerable: false },
  ...Object.fromEntries(
    METHODS.map((name) => {
      const own = Reflect.getOwnPropertyDescriptor(native, name);
      return [name, { ...own, value: COVERS[name] }];
    }),
  ),
}) as object;

/** The branch of a body that is still followed. On any other stream the covers are the runtime's own methods. */
function openBranch(body: Body): Branch | null {
  let branch: Branch | null = branchOf(body) ?? null;
  while (branch?.over === true) branch = branch.under;
  return branch === null || branch.isInside ? null : branch;
}

function getReader(this: Body, options?: { mode?: 'byob' }): Reader {
  const branch = openBranch(this);
  const { getReader: plain } = methods(this);
  if (branch === null) return plain.call(this, options);
  const reader = inside(branch, () => plain.call(this, options));
  const read: (...given: unknown[]) => Promise<ReadResult> = reader.read.bind(reader);
  const cancelReader = reader.cancel.bind(reader);
  const { seen, failed } = observers(branch);
  hide(reader, 'read', (...given: unknown[]) => inside(branch, () => read(...given)).then(seen, failed));
  hide(reader, 'cancel', (reason?: unknown) => {
    end(branch, 'cancelled');
    return cancelReader(reason);
  });
  return reader;
}

/** What shows the listener the results of reads on their way to the reader. A failure passes unchanged. */
function observers(branch: Branch) {
  return {
    seen<Result extends ReadResult | IteratorResult<unknown, unknown>>(this: void, result: Result): Result {
      see(branch, result);
      return result;
    },
    failed(this: void, error: unknown): never {
      // Releasing the lock rejects what is pending and leaves the body readable by the next reader.
      if (!(error instanceof TypeError && isReleased(error))) end(branch, failure(error));
      throw error;
    },
  };
}

function isReleased(error: TypeError): boolean {
  return 'code' in error && error.code === 'ERR_INVALID_STATE';
}

type Iterate = Body['values'];

function values(this: Body, ...given: Parameters<Iterate>): ReturnType<Iterate> {
  return iterator(this, methods(this).values, given);
}

function iterate(this: Body, ...given: Parameters<Iterate>): ReturnType<Iterate> {
  return iterator(this, methods(this)[Symbol.asyncIterator], given);
}

function iterator(body: Body, plain: Iterate, given: Parameters<Iterate>): ReturnType<Iterate> {
  const branch = openBranch(body);
  if (branch === null) return plain.apply(body, given);
  const [options] = given;
  const isPlain = methods(body) === native && (options === undefined || typeof options === 'object');
  return isPlain
    ? (new ChunkIterator(branch, body, Boolean(options?.preventCancel)) as unknown as ReturnType<Iterate>)
    : iteratorOver(body, branch, { plain, given });
}

/**
 * Iterates over a plain body as the runtime does, but by a reader: each result passes through a promise of plimsoll's, and the
 * runtime's iterator would add two more. A call of `next` or `return` waits for those before it.
 */
class ChunkIterator {
  readonly #branch: Branch;
  readonly #reader: Reader;
  readonly #preventCancel: boolean;
  #isDone = false;
  #waiting = 0;
  #last: Promise<unknown> | null = null;

  constructor(branch: Branch, body: Body, preventCancel: boolean) {
    this.#branch = branch;
    this.#reader = native.getReader.call(body);
    this.#preventCancel = preventCancel;
  }

  readonly next = (): Promise<ReadResult> => this.#queue(this.#read);

  readonly return = (value: unknown): Promise<IteratorResult<Uint8Array, unknown>> =>
    this.#queue(() => this.#leave(value));

  readonly [Symbol.asyncIterator] = (): this => this;

  #queue<T>(action: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const result = this.#last === null ? action() : this.#last.then(action, action);
    if (this.#waiting > 0) this.#last = result;
    return result;
  }

  #settle(): void {
    if (--this.#waiting === 0) this.#last = null;
  }

  #finish(): void {
    this.#isDone = true;
    this.#reader.releaseLock();
  }

  readonly #read = (): Promise<ReadResult> => {
    if (!this.#isDone) return this.#reader.read().then(this.#seen, this.#failed);
    this.#settle();
    return Promise.resolve({ done: true, value: undefined });
  };

  readonly #seen = (result: ReadResult): ReadResult => {
    this.#settle();
    if (result.done) this.#finish();
    see(this.#branch, result);
    return result;
  };

  readonly #failed = (error: unknown): never => {
    this.#settle();
    this.#finish();
    end(this.#branch, failure(error));
    throw error;
  };

  async #leave(value: unknown): Promise<IteratorResult<Uint8Array, unknown>> {
    try {
      if (!this.#isDone) await this.#giveUp(value);
      return { done: true, value };
    } finally {
      this.#settle();
    }
  }

  #giveUp(reason: unknown): Promise<void> | undefined {
    if (!this.#preventCancel) end(this.#branch, 'cancelled');
    const cancelled = this.#preventCancel ? undefined : this.#reader.cancel(reason);
    this.#finish();
    return cancelled;
  }
}

/** The prototype of all built-in asynchronous iterators; the runtime's has it too. */
const iteratorPrototype: unknown = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype));
Object.setPrototypeOf(ChunkIterator.prototype, iteratorPrototype as object);

/** Returns the iterator of a body that is not the runtime's own, with its methods replaced. */
function iteratorOver(
  body: Body,
  branch: Branch,
  { plain, given }: { readonly plain: Iterate; readonly given: Parameters<Iterate> },
): ReturnType<Iterate> {
  const [options] = given;
  const iterator = inside(branch, () => plain.apply(body, given));
  const next = iterator.next.bind(iterator);
  const giveUp = iterator.return?.bind(iterator);
  const { seen, failed } = observers(branch);
  let lastRead: Promise<unknown> | null = null;
  iterator.next = () => {
    const result = inside(branch, next).then(seen, failed);
    lastRead = result;
    return result;
  };
  if (giveUp === undefined || Boolean(options?.preventCancel)) return iterator;
  iterator.return = (value) => {
    const given = giveUp(value);
    if (lastRead === null) end(branch, 'cancelled');
    else lastRead.then(() => end(branch, 'cancelled')).catch(() => undefined); // the caller of `next` has that failure
    return given;
  };
  return iterator;
}

function tee(this: Body): [Body, Body] {
  const branch = openBranch(this);
  const { tee: plain } = methods(this);
  if (branch === null) return plain.call(this);
  const pair = inside(branch, () => plain.call(this));
  handOver(branch, pair);
  return pair;
}

/** The two branches take over: the body itself can be dropped and collected without ending the call. */
function handOver(branch: Branch, pair: readonly [Body, Body]): void {
  if (branch.under !== null) handOver(branch.under, pair);
  if (branch.over) return;
  branch.tap.openBranches++;
  for (const body of pair) coverBody(body, branch.tap, branch.offset);
  close(branch);
}

/** Goes on with the two streams that have taken a body's place, unless its `tee` made them. */
export function followCopies(body: Body, copies: readonly [Body, Body]): void {
  const branch = openBranch(body);
  if (branch !== null) handOver(branch, copies);
}

function cancel(this: Body, reason?: unknown): Promise<void> {
  const branch = this.locked ? null : openBranch(this);
  if (branch !== null) end(branch, 'cancelled');
  return methods(this).cancel.call(this, reason);
}

/**
 * The runtime's own piping does not use `getReader`, so it gets a stream over the tapped reader instead. What it would
 * refuse goes to it unchanged, so that the error is the runtime's.
 */
function pipeTo(this: Body, destination: WritableStream<Uint8Array>, options?: PipeOptions): Promise<void> {
  const { pipeTo: plain } = methods(this);
  const isPlain = openBranch(this) === null || this.locked || !isPipe(destination, options) || plain !== native.pipeTo;
  return isPlain ? plain.call(this, destination, options) : pipeOver(this.getReader(), destination, options);
}

function pipeThrough<T>(
  this: Body,
  transform: ReadableWritablePair<T, Uint8Array>,
  options?: PipeOptions,
): ReadableStream<T> {
  const { readable, writable } = transform ?? {};
  const isPipeable = readable instanceof ReadableStream && isPipe(writable, options);
  const { pipeThrough: plain } = methods(this);
  if (!isPipeable || this.locked || openBranch(this) === null || plain !== native.pipeThrough) {
    return plain.call(this, transform, options) as ReadableStream<T>;
  }
  pipeOver(this.getReader(), writable, options).catch(() => undefined); // the reader of the other end sees it
  return readable;
}

function isPipe(
  destination: WritableStream<Uint8Array> | undefined,
  options: unknown,
): destination is WritableStream<Uint8Array> {
  if (!(destination instanceof WritableStream) || destination.locked) return false;
  if (options === undefined) return true;
  if (typeof options !== 'object' || options === null) return false;
  return !('signal' in options) || options.signal === undefined || options.signal instanceof AbortSignal;
}

async function pipeOver(reader: Reader, destination: WritableStream<Uint8Array>, options?: PipeOptions): Promise<void> {
  try {
    await streamOver(reader).pipeTo(destination, options);
  } finally {
    reader.releaseLock();
  }
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
