import { brotliDecompressSync, gunzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';

/** The content of an archive, the reason why it cannot be opened, or `null` if it is not an archive. */
type OpenResult = Unpacked | string | null;

const ZSTD = 0xfd2fb528;

/**
 * Opens tar, zip and its relatives (jar, whl, vsix), gzip, zstd, and brotli (by its file name). A compressed file is an
 * archive of one file. Unpacks at most `limitBytes`.
 */
export function open(name: string, bytes: Buffer, limitBytes: number): OpenResult {
  if (isTar(bytes)) return readTar(bytes);
  if (isZip(bytes)) return readZip(bytes, limitBytes);
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

/** The file inside a compressed file: `app.js` of `app.js.gz`, `app.tar` of `app.tgz`. */
function inner(name: string, bytes: Buffer): Entry {
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('!')) + 1);
  return { name: base.replace(/\.tgz$/, '.tar.gz').replace(/\.(?:gz|zst|br)$/, ''), bytes };
}

/** The original sources inside a source map; empty if it has none or is not a source map. */
export function mappedSources(bytes: Buffer): readonly Entry[] {
  const map = parseMap(bytes);
  const { sources, sourcesContent } = map;
  if (!Array.isArray(sourcesContent)) return [];
  return sourcesContent.flatMap((content: unknown, index) => {
    const source: unknown = Array.isArray(sources) ? sources[index] : undefined;
    const name = typeof source === 'string' ? source : String(index);
    return typeof content === 'string' ? [{ name, bytes: Buffer.from(content) }] : [];
  });
}

function parseMap(bytes: Buffer): { readonly sources?: unknown; readonly sourcesContent?: unknown } {
  try {
    // Some servers put a line in front that keeps it from running as a script.
    const value: unknown = JSON.parse(bytes.toString('utf8').replace(/^\)\]\}'[^\n]*\n/, ''));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {}; // it has been scanned as text
  }
}

/** A file inside an archive. */
export interface Entry {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The files of an archive, and those that could not be read. */
interface Unpacked {
  readonly entries: readonly Entry[];
  /** The name is empty if the list of files itself ends early, so that the other files are unknown. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

const BLOCK = 512;

/** Recognizes a tar by its magic word. The format from before 1988 has none and is not recognized. */
function isTar(bytes: Buffer): boolean {
  return bytes.toString('latin1', 257, 262) === 'ustar';
}

/** Reads the files of a tar, including long names of GNU and pax. A truncated tar is read as far as it goes. */
function readTar(bytes: Buffer): Unpacked {
  const entries: Entry[] = [];
  const skipped: { name: string; reason: string }[] = [];
  let longName: string | null = null;
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const header = bytes.subarray(at, at + BLOCK);
    const size = sizeOf(header);
    if (size === null) {
      skipped.push({ name: '', reason: 'damaged' });
      break;
    }
    if (at + BLOCK + size > bytes.length) skipped.push({ name: longName ?? nameOf(header), reason: 'cut off' });
    const content = bytes.subarray(at + BLOCK, at + BLOCK + size);
    const type = header.toString('latin1', 156, 157);
    if (type === 'L') longName = text(content);
    else if (type === 'x') longName = paxPath(content) ?? longName;
    else {
      if (type === '0' || type === '\0') entries.push({ name: longName ?? nameOf(header), bytes: content });
      longName = null;
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return { entries, skipped };
}

function nameOf(header: Buffer): string {
  const prefix = text(header.subarray(345, 500));
  const name = text(header.subarray(0, 100));
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** The size in a header; `null` if it is not octal: not a header, or a file above 8 GiB. */
function sizeOf(header: Buffer): number | null {
  const octal = text(header.subarray(124, 136)).trim();
  return /^[0-7]+$/.test(octal) ? Number.parseInt(octal, 8) : null;
}

function text(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? field.length : end);
}

function paxPath(records: Buffer): string | null {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(records.toString('utf8'))?.[1] ?? null;
}

const TOO_LARGE = 'too large when unpacked';

/** After so many files of a zip that are too large, only the shortest are unpacked. */
const MOST_IN_VAIN = 4;

const END = 0x06054b50;

const CENTRAL = 0x02014b50;

const LOCAL = 0x04034b50;

const END_BYTES = 22;

const LONGEST_COMMENT = 0xffff;

/** Marks a number that is stored in a zip64 record. */
const ELSEWHERE = 0xffffffff;

/** Recognizes a zip by its first bytes. */
function isZip(bytes: Buffer): boolean {
  return bytes.length >= END_BYTES && bytes.readUInt32LE(0) === LOCAL;
}

/**
 * Reads the files of a zip by its central directory, or returns why it cannot. Unpacks at most `limitBytes` in total, and
 * skips files beyond that.
 */
function readZip(bytes: Buffer, limitBytes: number): Unpacked | string {
  const end = endOfDirectory(bytes);
  if (end === null) return 'damaged';
  const entries: Entry[] = [];
  const skipped: { name: string; reason: string }[] = [];
  let left = limitBytes;
  let unpackedInVain = 0;
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
    if (typeof unpacked === 'string') {
      skipped.push({ name, reason: unpacked });
      // A thousand entries can share one bomb.
      if (unpacked === TOO_LARGE && ++unpackedInVain === MOST_IN_VAIN) left = 0;
    } else {
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

/** The content of the file whose directory entry is at `at`, or why it cannot be read. */
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

/** The reason of a zlib error in a few words. */
function unpackingProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ERR_BUFFER_TOO_LARGE' ? TOO_LARGE : 'damaged';
}
