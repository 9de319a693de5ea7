/** A file inside an archive. */
export interface Entry {
  readonly name: string;
  readonly bytes: Buffer;
}

/** What of an archive could be read, and why the rest could not. */
export interface Unpacked {
  readonly entries: readonly Entry[];
  /** The name is empty where the list of files itself ends too early: what else was in the archive is not known. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

const BLOCK = 512;

/** By its magic word; the tar of before 1988, which has none, is not known. */
export function isTar(bytes: Buffer): boolean {
  return bytes.toString('latin1', 257, 262) === 'ustar';
}

/** The files of a tar, long names of GNU and pax included. One that is cut off is read as far as it goes. */
export function tarContent(bytes: Buffer): Unpacked {
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

/** `null` for what is no number in octal: not a header, or a file of more than 8 GiB. */
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
