/** What is told of a body while its reader reads it. Methods must not throw, wait or keep the bytes. */
export interface BodyListener {
  /** The next bytes, each once, in order, whichever branch of the body gets them first. */
  chunk(bytes: Uint8Array): void;
  /** The body is over: read to its end, failed, or given up by its reader. Exactly once. */
  end(how: BodyEnd): void;
}
export type BodyEnd = 'done' | 'failed' | 'aborted' | 'cancelled' | 'abandoned';

/** How a body ended whose reading threw: `aborted` by the request's signal, or broken. */
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

  /** A chunk that a branch read at its own offset: what another branch has shown already is left out. */
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

/** What is known of one readable body. Never refers to the body itself: a dropped body must stay collectable. */
export interface Branch {
  readonly tap: Tap;
  offset: number;
  over: boolean;
}

/** The body of this branch is over; only the first time counts. */
export function end(branch: Branch, how: BodyEnd): void {
  if (branch.over) return;
  branch.over = true;
  branch.tap.end(how);
}

/** What a branch's reader was given, seen on its way. */
export function see(branch: Branch, result: ReadResult): ReadResult {
  if (result.done) {
    end(branch, 'done');
  } else if (result.value instanceof Uint8Array) {
    branch.tap.chunk(result.value, branch.offset);
    branch.offset += result.value.byteLength;
  }
  return result;
}
