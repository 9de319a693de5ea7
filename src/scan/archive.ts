import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { isTar, tarContent, type Entry, type Unpacked } from './tar.ts';
import { isZip, unpackingProblem, zipContent } from './zip.ts';

/** What is in an archive; or a word that says why it cannot be opened; or `null` for what is no archive. */
export type Opened = Unpacked | string | null;

const ZSTD = 0xfd2fb528;

/**
 * Opens tar, zip and its relatives (jar, whl, vsix), gzip, zstd, and brotli by its name. A compressed file is an
 * archive of one. At most `limitBytes` are unpacked.
 */
export function opened(name: string, bytes: Buffer, limitBytes: number): Opened {
  if (isTar(bytes)) return tarContent(bytes);
  if (isZip(bytes)) return zipContent(bytes, limitBytes);
  const decompress = decompressor(name, bytes);
  if (decompress === null) return null;
  try {
    return { entries: [inner(name, decompress(bytes, { maxOutputLength: Math.max(1, limitBytes) }))], skipped: [] };
  } catch (error) {
    return unpackingProblem(error);
  }
}

function decompressor(name: string, bytes: Buffer) {
  if (bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync;
  if (bytes.length > 4 && bytes.readUInt32LE(0) === ZSTD) return zstdDecompressSync;
  return name.endsWith('.br') ? brotliDecompressSync : null;
}

/** `app.js.gz` has `app.js` in it, and `app.tgz` has `app.tar`. */
function inner(name: string, bytes: Buffer): Entry {
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('!')) + 1);
  return { name: base.replace(/\.tgz$/, '.tar.gz').replace(/\.(?:gz|zst|br)$/, ''), bytes };
}
