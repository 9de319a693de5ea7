import { setImmediate } from 'node:timers/promises';
import type { RetryHeaders } from './exchange.ts';
import type { LiveCall } from './live-call.ts';

/**
 * Calls `reported` when the SDK reads the body of a refusal. It cancels the bodies of those that it retries and reads that
 * of the one that it reports, which is the last. Then it ends its span, so the reason, which is read at the same time, is
 * recorded first. That is a matter of microtasks; nothing waits longer for it.
 */
export function whenRead(response: Response, call: LiveCall, reported: () => void): void {
  const read = response.text;
  const text = async function text(this: Response): Promise<string> {
    reported();
    try {
      return await read.call(this);
    } finally {
      await Promise.race([call.recorded, setImmediate()]);
    }
  };
  Object.assign(response, { text });
}

/** Replaces the `headers` property: the headers of a fetched response cannot be changed, and the SDK must get this response. */
export function replaceHeaders(response: Response, changes: RetryHeaders): void {
  const headers = new Headers(response.headers);
  for (const [name, value] of changes) headers.set(name, value);
  Object.defineProperty(response, 'headers', { value: headers, configurable: true });
}
