import { setImmediate } from 'node:timers/promises';
import { isPlainStream, tapBody } from './body-tap.ts';
import { JsonListener, tapContent } from './content.ts';
import { coverMethod, hide } from './covers.ts';
import type { RefusalFate, RetryHeaders } from './exchange.ts';
import type { LiveCall } from './live-call.ts';
import { isExplained } from './rejection.ts';

/** The API's refusals are below 1 KiB. */
const LARGEST_BYTES = 64 << 10;

/** A refusal that nobody has read by then is known by its headers. */
const LONGEST_WAIT_MS = 1_000;

/**
 * The parsed body of a refused attempt, or `null` where it says no more than the headers, is not JSON, too large, or not
 * read within a second. It is read along when the SDK reads it, and where the SDK gives it up, just before. A body that a
 * retry policy waits for is read from a clone. Never throws.
 */
export async function refusalBody(response: Response, fate: RefusalFate): Promise<unknown> {
  try {
    if (!isExplained(response.status)) return null;
    if (fate === 'decided') return await clonedBody(response);
    // The SDK gives up only bodies of the web's kind by reading them no further: it leaves others as they are.
    if (fate === 'retried' && !isOpen(response)) return null;
    return await bodyWhenRead(response);
  } catch {
    return null; // the headers must do
  }
}

/** Tells whether a body is of the web's kind, and nobody has begun to read it. */
export function isOpen({ body, bodyUsed }: Response): boolean {
  return body instanceof ReadableStream && !body.locked && !bodyUsed;
}

function bodyWhenRead(response: Response): Promise<unknown> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), LONGEST_WAIT_MS);
    timer.unref();
    const seen = (value: unknown): void => {
      clearTimeout(timer);
      resolve(value ?? null);
    };
    const isPlain = response.body instanceof ReadableStream && isPlainStream(response.body);
    const body = tapContent(response, new JsonListener(seen, LARGEST_BYTES), () => seen(null));
    if (isPlain && body !== null) readBeforeCancel(body as ReadableStream<Uint8Array>);
  });
}

/**
 * Only where the whole is there to be cloned: a branch of a Node stream waits for the other, and one that nobody listens
 * to ends the process when the stream fails.
 */
function clonedBody(response: Response): Promise<unknown> {
  if (!isOpen(response)) return Promise.resolve(null);
  const { body } = response.clone();
  if (body === null) return Promise.resolve(null);
  return new Promise((resolve) => {
    tapBody(body, new JsonListener((value) => resolve(value ?? null), LARGEST_BYTES));
    void drain(body.getReader(), LONGEST_WAIT_MS);
  });
}

/** Reads a clone of a refusal for those who read along in its body. */
export function readClone(response: Response): void {
  const body = isOpen(response) ? response.clone().body : null;
  if (body !== null) void drain(body.getReader(), LONGEST_WAIT_MS);
}

/** The body of a refusal comes with its headers or right behind them. */
const LONGEST_REST_MS = 10;

/** What ends the reading of a body that the SDK has given up. */
const readsOfRest = new WeakMap<object, () => void>();

/** Tells whether someone else than plimsoll holds the body: then the SDK cannot give it up. */
export function isHeld({ body }: Pick<Response, 'body'>): boolean {
  return body?.locked === true && !readsOfRest.has(body);
}

/**
 * The SDK gives up the body of a refusal that it retries by an iterator that it asks for nothing. The rest of the body is
 * read first, off the call's path: the SDK does not wait for it. A body that stands still is canceled all the same, and so
 * is one that a `fetch` hands out again meanwhile.
 */
function readBeforeCancel(body: ReadableStream<Uint8Array>): void {
  hide(body, Symbol.asyncIterator, function (this: ReadableStream<Uint8Array>): AsyncIterator<Uint8Array> {
    readsOfRest.get(this)?.();
    const iterator = this.values({ preventCancel: true });
    const next = iterator.next.bind(iterator);
    const leave = iterator.return?.bind(iterator);
    if (leave === undefined) return iterator;
    let begun = false;
    iterator.next = () => {
      begun = true;
      return next();
    };
    iterator.return = async (value) => {
      const left = await leave(value);
      if (begun) await this.cancel(value);
      else readRest(this);
      return left;
    };
    return iterator;
  });
}

function readRest(body: ReadableStream<Uint8Array>): void {
  if (body.locked) return; // another call that got the same response reads it
  const reader = body.getReader();
  const over = drain(reader, LONGEST_REST_MS).finally(() => readsOfRest.delete(body));
  readsOfRest.set(body, () => {
    readsOfRest.delete(body);
    void reader.cancel().catch(() => undefined); // as the SDK does not wait for it either
    reader.releaseLock();
  });
  void over;
}

/** Reads to the end, for those who read along, and cancels what is too long or takes longer. */
async function drain(reader: ReadableStreamDefaultReader<Uint8Array>, longestMs: number): Promise<void> {
  const giveUp = (): void => void reader.cancel().catch(() => undefined); // a body that failed has nothing to give up
  const timer = setTimeout(giveUp, longestMs);
  timer.unref();
  try {
    let bytes = 0;
    for (let result = await reader.read(); !result.done; result = await reader.read()) {
      bytes += result.value.byteLength;
      if (bytes > LARGEST_BYTES) return giveUp();
    }
  } catch {
    // The connection broke: those who read along know.
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
}

/**
 * Calls `reported` when the SDK reads the body of a refusal. It cancels the bodies of those that it retries and reads that
 * of the one that it reports, which is the last. Then it ends its span, so the reason, which is read at the same time, is
 * recorded first. That is a matter of microtasks; nothing waits longer for it.
 */
export function whenRead(response: Response, call: LiveCall, reported: () => void): void {
  const uncover = coverMethod(response, 'text', (read) => {
    return async function (this: unknown) {
      uncover?.();
      reported();
      try {
        return await read.call(this);
      } finally {
        await Promise.race([call.recorded, setImmediate()]);
      }
    };
  });
}

/** Replaces the `headers` property: the headers of a fetched response cannot be changed, and the SDK must get this response. */
export function replaceHeaders(response: Response, changes: RetryHeaders): void {
  const headers = new Headers(response.headers);
  for (const [name, value] of changes) headers.set(name, value);
  hide(response, 'headers', headers);
}
