import { end, failure, follow, see, Tap, type BodyListener } from './branch.ts';
import { hide } from './covers.ts';

interface NodeStream {
  readonly emit: (this: NodeStream, event: string | symbol, ...given: unknown[]) => boolean;
  pipe(destination: unknown): unknown;
}

/** node-fetch answers with one. */
export function isNodeStream(body: unknown): body is NodeStream {
  const stream = body as Partial<NodeStream> | null | undefined;
  return typeof stream === 'object' && typeof stream?.emit === 'function' && typeof stream.pipe === 'function';
}

/**
 * A Node stream emits `data` for each chunk that it gives to anyone, by whichever way it is read. A listener of our own
 * would set it flowing, and one for errors would hide those that nobody else handles.
 */
export function tapNodeStream(stream: NodeStream, listener: BodyListener): void {
  const branch = follow(stream, new Tap(listener));
  const { emit } = stream;
  hide(stream, 'emit', function (this: NodeStream, event: string | symbol, ...given: unknown[]): boolean {
    const [value] = given;
    if (event === 'data') see(branch, { value: typeof value === 'string' ? Buffer.from(value) : value });
    else if (event === 'end') end(branch, 'done');
    else if (event === 'error') end(branch, failure(value));
    else if (event === 'close') end(branch, 'cancelled');
    return emit.call(this, event, ...given);
  });
}
