import type { UnderlyingByteSource } from 'node:stream/web';
import { wait, type SimulatorClock } from './clock.ts';
import type { BodyItem } from './event-stream.ts';

/** How the server ends a body: as it should, early without a word, or with a broken connection. */
export type Ending = 'complete' | 'cut' | 'reset';

/** How a body is paced and who is told of it. */
export interface BodyOptions {
  readonly clock: SimulatorClock;
  /** The request's: when it is aborted, the body fails with its reason. */
  readonly signal: AbortSignal;
  readonly perTokenMs: number;
  /** A piece was handed to the reader. */
  sent(item: BodyItem): void;
  /** Nothing more will come; called once. */
  ended(how: 'complete' | 'cut' | 'cancelled'): void;
}

const encoder = new TextEncoder();

/** A piece's bytes; a copy, because a stream takes what it is given. */
export function bytesOf({ text }: BodyItem): Uint8Array {
  return typeof text === 'string' ? encoder.encode(text) : Uint8Array.from(text);
}

/**
 * A body that makes each piece when the reader asks for it, and not before. Cancelling it, or aborting the request,
 * stops it at once, in the middle of a wait too.
 */
export function pacedBody(items: Iterator<BodyItem, Ending>, options: BodyOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new PacedSource(items, options));
}

class PacedSource implements UnderlyingByteSource {
  readonly type = 'bytes';
  readonly #items: Iterator<BodyItem, Ending>;
  readonly #options: BodyOptions;
  readonly #startedAtMs: number;
  /** Ends a wait that nobody needs any more. */
  readonly #stop = new AbortController();
  /** One ahead, so that the end is known with the last piece: not every reader asks again after that. */
  #next: IteratorResult<BodyItem, Ending>;
  #over = false;
  #forget = (): void => undefined;

  constructor(items: Iterator<BodyItem, Ending>, options: BodyOptions) {
    this.#items = items;
    this.#options = options;
    this.#startedAtMs = options.clock.now();
    this.#next = items.next();
  }

  start(controller: ReadableByteStreamController): void {
    const { signal } = this.#options;
    const aborted = (): void => {
      this.#finish('cancelled');
      controller.error(signal.reason);
    };
    signal.addEventListener('abort', aborted, { once: true });
    this.#forget = () => signal.removeEventListener('abort', aborted);
    if (signal.aborted) aborted();
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    if (this.#next.done === true) return this.#close(this.#next.value, controller);
    const item = this.#next.value;
    const { clock, perTokenMs } = this.#options;
    const lateMs = clock.now() - this.#startedAtMs - item.outputTokens * perTokenMs;
    try {
      await wait(clock, Math.max(0, -lateMs) + item.pauseMs, this.#stop.signal);
    } catch (error) {
      if (this.#over) return;
      throw error;
    }
    this.#next = this.#items.next();
    controller.enqueue(bytesOf(item));
    item.sent?.();
    this.#options.sent(item);
    if (this.#next.done === true && this.#next.value !== 'reset') this.#close(this.#next.value, controller);
  }

  cancel(): void {
    this.#finish('cancelled');
  }

  #close(ending: Ending, controller: ReadableByteStreamController): void {
    this.#finish(ending === 'complete' ? 'complete' : 'cut');
    if (ending === 'reset') return controller.error(connectionError('terminated'));
    controller.close();
    // A reader that brought its own buffer is still waiting with it.
    controller.byobRequest?.respond(0);
  }

  #finish(how: 'complete' | 'cut' | 'cancelled'): void {
    if (this.#over) return;
    this.#over = true;
    this.#forget();
    this.#stop.abort();
    this.#options.ended(how);
  }
}

/** The error that `fetch` gives when a connection breaks: `fetch failed` before the response, `terminated` in its body. */
export function connectionError(message: 'fetch failed' | 'terminated'): TypeError {
  const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
  return new TypeError(message, { cause });
}
