import { promisify } from 'node:util';
import {
  brotliDecompress,
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzip,
  inflate,
  zstdDecompress,
} from 'node:zlib';
import type { BodyListener } from '../observe/branch.ts';

type End = Parameters<BodyListener['end']>[0];

/** Decompresses bytes for a listener. */
export interface Decoder extends BodyListener {
  /** Returns `true` if it has more bytes than it can hold; it then calls `drained` once, when it has caught up. */
  isBehind(drained: () => void): boolean;
}

/**
 * Makes a decoder for this `content-encoding`. If the encoding is unknown, `listener` gets no bytes, and the end `unread`. If a
 * body breaks off, it gets everything up to there.
 */
export function decoding(encoding: string, listener: BodyListener): Decoder {
  const decoder = decoderOf(encoding.trim().toLowerCase());
  let ending: End | null = null;
  let isOver = false;
  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    listener.end(decoder === null && ending === 'done' ? 'unread' : (ending ?? 'failed'));
  };
  let whenDrained: (() => void) | null = null;
  const catchUp = (): void => {
    const drained = whenDrained;
    whenDrained = null;
    drained?.();
  };
  decoder?.on('drain', catchUp);
  decoder?.once('close', catchUp);
  decoder?.on('data', (bytes: Uint8Array) => listener.chunk(bytes));
  decoder?.once('end', finish);
  // The client notices by itself that the body cannot be decompressed; the listener gets what came before.
  decoder?.once('error', () => ending !== null && finish());
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
      else finish();
    },
  };
}

const KNOWN: ReadonlySet<string> = new Set(['identity', 'gzip', 'x-gzip', 'deflate', 'br', 'zstd']);

/** Tells whether a body of this `content-encoding` can be decoded. */
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

type Decompress = (body: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const DECOMPRESS: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
  ['zstd', promisify(zstdDecompress)],
]);

/**
 * Decompresses a whole body of this `content-encoding`. `null` if the encoding is unknown, the body is not in it, or it is longer
 * than so many bytes.
 */
export async function decoded(body: Buffer, encoding: string, mostBytes: number): Promise<Buffer | null> {
  const name = encoding.trim().toLowerCase();
  if (name === 'identity') return body;
  const read = DECOMPRESS.get(name)?.(body, { maxOutputLength: mostBytes });
  return read === undefined ? null : read.catch(() => null);
}
