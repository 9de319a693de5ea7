import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { BodyListener } from '../observe/tap.ts';

type End = Parameters<BodyListener['end']>[0];

/** Told of bytes as they were sent, compressed, and tells a listener of what they say. */
export interface Decoding extends BodyListener {
  /** It has more to do than it can hold: `drained` is called once when it has caught up. */
  isBehind(drained: () => void): boolean;
}

/**
 * A listener for a body of this `content-encoding`; the bytes themselves are passed on as they are. An encoding that is
 * not known leaves `listener` with an empty body. What a body that breaks off has said until then is told.
 */
export function decoding(encoding: string, listener: BodyListener): Decoding {
  const decoder = decoderOf(encoding.trim().toLowerCase());
  let ending: End | null = null;
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    listener.end(ending ?? 'failed');
  };
  let whenDrained: (() => void) | null = null;
  const caughtUp = (): void => {
    const drained = whenDrained;
    whenDrained = null;
    drained?.();
  };
  decoder?.on('drain', caughtUp);
  decoder?.once('close', caughtUp);
  decoder?.on('data', (bytes: Uint8Array) => listener.chunk(bytes));
  decoder?.once('end', over);
  // What cannot be decompressed is the client's to find out; the rest of it says nothing here.
  decoder?.once('error', () => ending !== null && over());
  return {
    chunk: (bytes) => void (decoder?.destroyed === false && decoder.write(bytes)),
    isBehind(drained) {
      if (decoder?.destroyed !== false || !decoder.writableNeedDrain) return false;
      whenDrained = drained;
      return true;
    },
    end(how) {
      ending = how;
      if (decoder?.destroyed === false) decoder.end();
      else over();
    },
  };
}

const KNOWN: ReadonlySet<string> = new Set(['identity', 'gzip', 'x-gzip', 'deflate', 'br', 'zstd']);

/** Whether what a body of this `content-encoding` says can be read. */
export function isReadable(encoding: string): boolean {
  return KNOWN.has(encoding.trim().toLowerCase());
}

function decoderOf(encoding: string) {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = constants;
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip({ finishFlush: Z_SYNC_FLUSH });
    case 'deflate':
      return createInflate({ finishFlush: Z_SYNC_FLUSH });
    case 'br':
      return createBrotliDecompress({ finishFlush: BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return createZstdDecompress({ finishFlush: ZSTD_e_flush });
    default:
      return null;
  }
}
