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

/**
 * A body that makes each piece when the reader asks for it, and not before. Cancelling it, or aborting the request,
 * stops it at once, in the middle of a wait too.
 */
export function pacedBody(items: Iterator<BodyItem, Ending>, options: BodyOptions): ReadableStream<Uint8Array> {
  const { clock, signal } = options;
  const stop = new AbortController();
  const startedAtMs = clock.now();
  let next = items.next();
  let over = false;

  function finish(how: 'complete' | 'cut' | 'cancelled'): void {
    if (over) return;
    over = true;
    signal.removeEventListener('abort', aborted);
    options.ended(how);
  }
  let fail = (_reason: unknown): void => undefined;
  function aborted(): void {
    finish('cancelled');
    fail(signal.reason);
    stop.abort();
  }
  function close(ending: Ending, controller: ReadableByteStreamController): void {
    finish(ending === 'complete' ? 'complete' : 'cut');
    if (ending === 'reset') controller.error(connectionError('terminated'));
    else {
      controller.close();
      controller.byobRequest?.respond(0);
    }
  }

  return new ReadableStream({
    type: 'bytes',
    start(controller) {
      fail = (reason) => controller.error(reason);
      signal.addEventListener('abort', aborted, { once: true });
      if (signal.aborted) aborted();
    },
    async pull(controller) {
      if (next.done === true) return close(next.value, controller);
      const item = next.value;
      const dueMs = startedAtMs + item.outputTokens * options.perTokenMs - clock.now();
      try {
        await wait(clock, Math.max(0, dueMs) + item.pauseMs, stop.signal);
      } catch (error) {
        if (over) return;
        throw error;
      }
      next = items.next();
      controller.enqueue(encoder.encode(item.text));
      options.sent(item);
      if (next.done === true && next.value !== 'reset') close(next.value, controller);
    },
    cancel() {
      finish('cancelled');
      stop.abort();
    },
  });
}

/** The error that `fetch` gives when a connection breaks: `fetch failed` before the response, `terminated` in its body. */
export function connectionError(message: 'fetch failed' | 'terminated'): TypeError {
  const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
  return new TypeError(message, { cause });
}
