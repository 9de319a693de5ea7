/**
 * Reads along while the body's reader reads, by covering the methods that read it for this one instance:
 * `getReader` (which `text()` and its like use), iteration, `pipeTo`, `pipeThrough`, `tee` (which `Response.clone()`
 * uses) and `cancel`.
 * Every chunk passes as it comes, as the same object; nothing is cloned, queued or held back.
 * Throws on a body that is not the runtime's own kind of stream, and leaves it as it is.
 */
export function tapBody(body: Body, listener: BodyListener): void {
  if (!(body instanceof ReadableStream)) throw new TypeError('the body is not a ReadableStream of this runtime');
  coverBody(body, new Tap(listener));
}

/** Takes the tap off a body: the listener gets its content in another way. */
export function untap(body: object): void {
  const branch = branches.get(body);
  if (branch !== undefined) branch.over = true;
}

/** Listens to a body while its reader reads it. Methods must not throw, wait or keep the bytes. */
export interface BodyListener {
  /** The next bytes, each once, in order, whichever branch of the body gets them first. */
  chunk(bytes: Uint8Array): void;
  /** The body is over: read to its end (`unread`: but not to be looked into), failed, or given up. Exactly once. */
  end(how: BodyEnd): void;
}

export type BodyEnd = 'done' | 'unread' | 'failed' | 'aborted' | 'cancelled' | 'abandoned';

type Body = ReadableStream<Uint8Array>;

const branches = new WeakMap<object, Branch>();

/** A body that is dropped unread ends its call, whenever the collector finds it. */
const dropped = new FinalizationRegistry<Branch>((branch) => end(branch, 'abandoned'));

/** Follows one readable body as a branch of a tap. A tap that follows it already goes on. */
export function follow(body: object, tap: Tap, offset = 0): Branch {
  const before = branches.get(body);
  const branch: Branch = { tap, offset, over: false, isInside: false, under: before?.over === false ? before : null };
  branches.set(body, branch);
  dropped.register(body, branch);
  return branch;
}

const METHODS = ['getReader', 'tee', 'cancel', 'pipeTo', 'pipeThrough', 'values', Symbol.asyncIterator] as const;

const COVERS = { getReader, tee, cancel, pipeTo, pipeThrough, values, [Symbol.asyncIterator]: iterate };

/** The covers as properties of a body that has none of these names of its own. */
const HIDDEN = Object.fromEntries(
  METHODS.map((name) => [name, { value: COVERS[name], writable: true, configurable: true, enumerable: false }]),
) as Readonly<Record<(typeof METHODS)[number], PropertyDescriptor>>;

/**
 * The methods are properties of the body itself: a prototype between would be as fast, but a program that looks at the
 * body, or logs it, sees another class.
 */
function coverBody(body: Body, tap: Tap, offset = 0): void {
  const isCovered = branches.has(body);
  follow(body, tap, offset);
  if (isCovered || !Object.isExtensible(body)) return;
  if (isPlainStream(body)) {
    for (const name of METHODS) Reflect.defineProperty(body, name, HIDDEN[name]);
  } else {
    beneath.set(body, methodsOf(body));
    for (const name of METHODS) hide(body, name, COVERS[name]);
  }
}

/** Tells whether all methods of a body are the runtime's own: those of a subclass, or of whoever got it before, may not be. */
export function isPlainStream(body: Body): boolean {
  return METHODS.every((name) => body[name] === native[name]);
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

/** The branch of a body that is still followed. On any other stream the covers are the runtime's own methods. */
function openBranch(body: Body): Branch | null {
  const branch = branches.get(body);
  return branch?.over === false && !branch.isInside ? branch : null;
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

/** The stream's own iterator: its methods are properties of each, and are replaced there. */
function iterator(body: Body, plain: Iterate, given: Parameters<Iterate>): ReturnType<Iterate> {
  const branch = openBranch(body);
  if (branch === null) return plain.apply(body, given);
  const [options] = given;
  const iterator = inside(branch, () => plain.apply(body, given));
  const next = iterator.next.bind(iterator);
  const giveUp = iterator.return?.bind(iterator);
  const { seen, failed } = observers(branch);
  let lastRead: Promise<unknown> | null = null;
  iterator.next = () => {
    const read = inside(branch, next).then(seen, failed);
    lastRead = read;
    return read;
  };
  if (giveUp === undefined || options?.preventCancel === true) return iterator;
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
  for (let each: Branch | null = branch; each !== null; each = each.under) {
    if (each.over) continue;
    each.tap.openBranches++;
    for (const body of pair) coverBody(body, each.tap, each.offset);
    // The two branches take over: the body itself can be dropped and collected without ending the call.
    each.over = true;
  }
  return pair;
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

/** One body and all the branches that `tee` and `clone` made of it. */
export class Tap {
  readonly listener: BodyListener;
  seenBytes = 0;
  openBranches = 1;
  over = false;

  constructor(listener: BodyListener) {
    this.listener = listener;
  }
}

/** The state of one readable body. Never refers to the body itself: a dropped body must stay collectable. */
interface Branch {
  readonly tap: Tap;
  offset: number;
  over: boolean;
  /** A method of the body's own is at work: what it calls in turn is a part of it. */
  isInside: boolean;
  /** The branch of an earlier tap of the same body. */
  readonly under: Branch | null;
}

/** Ends a branch; only the first end counts. A given-up branch ends the body only where there is no other left to read. */
export function end(branch: Branch, how: BodyEnd): void {
  if (branch.under !== null) end(branch.under, how);
  if (branch.over) return;
  branch.over = true;
  const { tap } = branch;
  if (tap.over) return;
  if ((how === 'cancelled' || how === 'abandoned') && --tap.openBranches > 0) return;
  tap.over = true;
  tap.listener.end(how);
}

/** Takes in the result of a read of a branch, without the bytes that another branch has read before. */
export function see(branch: Branch, result: { readonly done?: boolean; readonly value?: unknown }): void {
  if (branch.under !== null) see(branch.under, result);
  if (branch.over) return;
  const { done, value } = result;
  if (done === true) return end(branch, 'done');
  if (!(value instanceof Uint8Array)) return;
  const { tap, offset } = branch;
  branch.offset += value.byteLength;
  if (tap.over || branch.offset <= tap.seenBytes) return;
  const known = tap.seenBytes - offset;
  tap.seenBytes = branch.offset;
  tap.listener.chunk(known > 0 ? value.subarray(known) : value);
}

/** Tells an abort by the request's signal from a body that broke, by what its reading threw. */
export function failure(error: unknown): 'aborted' | 'failed' {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
    ? 'aborted'
    : 'failed';
}

/**
 * Puts a property of this one object in front of what it has or inherits: not listed by `for…in`, `Object.keys` or a
 * copy, unless the object has one of its own that is. Returns whether the object took it: a frozen one does not.
 */
export function hide(object: object, name: PropertyKey, value: unknown): boolean {
  const enumerable = Object.prototype.propertyIsEnumerable.call(object, name);
  return Reflect.defineProperty(object, name, { value, writable: true, configurable: true, enumerable });
}

/**
 * Hides a property until the returned function takes it away again; `null` where the object is frozen. Whoever has put
 * another in front since keeps theirs. An object that is used for many calls, as a test's response often is, gathers no
 * covers then.
 */
export function cover(object: object, name: PropertyKey, value: unknown): (() => void) | null {
  const own = Reflect.getOwnPropertyDescriptor(object, name);
  if (!hide(object, name, value)) return null;
  return () => {
    if (Reflect.getOwnPropertyDescriptor(object, name)?.value !== value) return;
    if (own === undefined) Reflect.deleteProperty(object, name);
    else Reflect.defineProperty(object, name, own);
  };
}

export type Method = (this: unknown, ...given: unknown[]) => unknown;

/** Covers a method of this one object, under its own name. `null` also where there is no such method. */
export function coverMethod(object: object, name: string, around: (method: Method) => Method): (() => void) | null {
  const method: unknown = Reflect.get(object, name);
  if (typeof method !== 'function') return null;
  const covering = around(method as Method);
  Reflect.defineProperty(covering, 'name', { value: name, configurable: true });
  return cover(object, name, covering);
}
