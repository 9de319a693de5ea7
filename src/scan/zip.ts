import { inflateRawSync } from 'node:zlib';
import type { Entry, Unpacked } from './tar.ts';

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
/** Stands where the true number is in a record of zip64. */
const ELSEWHERE = 0xffffffff;

/** By its first bytes. */
export function isZip(bytes: Buffer): boolean {
  return bytes.length >= END_BYTES && bytes.readUInt32LE(0) === LOCAL;
}

/**
 * The files of a zip, by its central directory; a word that says why where it has none that can be read. All files
 * together are unpacked to `limitBytes` at most: those that would be more are skipped.
 */
export function zipContent(bytes: Buffer, limitBytes: number): Unpacked | string {
  const end = endOfDirectory(bytes);
  if (end === null) return 'damaged';
  const entries: Entry[] = [];
  const skipped: { name: string; reason: string }[] = [];
  let left = limitBytes;
  let at = bytes.readUInt32LE(end + 16);
  if (at === ELSEWHERE) return 'zip64';
  for (let count = bytes.readUInt16LE(end + 10); count > 0; count--) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== CENTRAL) {
      skipped.push({ name: '', reason: 'damaged' });
      break;
    }
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
    const name = bytes.toString('utf8', at + 46, nameEnd);
    const unpacked = fileBytes(bytes, at, left);
    if (typeof unpacked === 'string') skipped.push({ name, reason: unpacked });
    else {
      left -= unpacked.length;
      if (unpacked.length > 0) entries.push({ name, bytes: unpacked });
    }
    at = nameEnd + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return { entries, skipped };
}

function endOfDirectory(bytes: Buffer): number | null {
  const first = Math.max(0, bytes.length - END_BYTES - LONGEST_COMMENT);
  for (let at = bytes.length - END_BYTES; at >= first; at--) if (bytes.readUInt32LE(at) === END) return at;
  return null;
}

/** The content of the file that the directory names at `at`, or why it cannot be had. */
function fileBytes(bytes: Buffer, at: number, limitBytes: number): Buffer | string {
  const method = bytes.readUInt16LE(at + 10);
  const packedBytes = bytes.readUInt32LE(at + 20);
  const local = bytes.readUInt32LE(at + 42);
  if ((bytes.readUInt16LE(at + 8) & 1) === 1) return 'encrypted';
  if (packedBytes === ELSEWHERE || local === ELSEWHERE) return 'zip64';
  if (local + 30 > bytes.length) return 'damaged';
  const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const packed = bytes.subarray(start, start + packedBytes);
  if (method === 0) return packed.length > limitBytes ? 'too large' : packed;
  if (method !== 8) return `packed by method ${method}`;
  try {
    return packedBytes === 0 ? Buffer.alloc(0) : inflateRawSync(packed, { maxOutputLength: Math.max(1, limitBytes) });
  } catch (error) {
    return unpackingProblem(error);
  }
}

/** Why zlib gave up, in two words. */
export function unpackingProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ERR_BUFFER_TOO_LARGE' ? 'too large when unpacked' : 'damaged';
}
