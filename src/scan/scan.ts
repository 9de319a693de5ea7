import { mappedSources, open, type Entry } from './archive.ts';
import { SecretScanner, type Finding, type Hit, type Skipped } from './secret-scanner.ts';

/** Most bytes that one file may unpack to, including nested archives: stops zip bombs. */
const MOST_UNPACKED_BYTES = 256 << 20;

const DEEPEST = 4;

/** Git's own rule: a file with a zero byte in its first 8,000 is not text. */
const BINARY_WITHIN_BYTES = 8_000;

/** A file to scan. */
interface ScannedFile extends Entry {
  readonly commit?: string | null;
}

/** The result of a scan. `files` includes those in archives. */
export interface ScanResult {
  readonly findings: readonly Finding[];
  readonly skipped: readonly Skipped[];
  readonly files: number;
  readonly binaryFiles: number;
  readonly bytes: number;
}

/** Scans files one after the other, and collects the findings. */
export class Scan {
  readonly #findings: Finding[] = [];
  readonly #skipped: Skipped[] = [];
  #files = 0;
  #binaryFiles = 0;
  #bytes = 0;

  get result(): ScanResult {
    return {
      findings: this.#findings,
      skipped: this.#skipped,
      files: this.#files,
      binaryFiles: this.#binaryFiles,
      bytes: this.#bytes,
    };
  }

  /** Scans a file and the files packed in it. */
  add(file: ScannedFile): void {
    let left = MOST_UNPACKED_BYTES;
    const scan = ({ name, bytes }: Entry, depth: number): void => {
      this.#files += 1;
      this.#bytes += bytes.length;
      const content = open(name, bytes, left);
      if (content !== null && depth === DEEPEST) return this.skip(name, 'too deep in other archives');
      if (content === null) return this.#addText({ name, bytes, commit: file.commit ?? null });
      if (typeof content === 'string') return this.skip(name, content);
      for (const { name: inside, reason } of content.skipped)
        this.skip(inside === '' ? name : `${name}!${inside}`, reason);
      for (const entry of content.entries) {
        left -= entry.bytes.length;
        scan({ name: `${name}!${entry.name}`, bytes: entry.bytes }, depth + 1);
      }
    };
    scan(file, 0);
  }

  /** Scans a stream as text, even if it is an archive. */
  async addStream(name: string, pieces: AsyncIterable<Uint8Array | string>): Promise<void> {
    const scanner = new SecretScanner();
    this.#files += 1;
    for await (const piece of pieces) {
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
      this.#bytes += bytes.length;
      this.#report(scanner.feed(bytes), name, null);
    }
    this.#report(scanner.end(), name, null);
  }

  /** Notes that a file was not scanned. */
  skip(path: string, reason: string): void {
    this.#skipped.push({ path, reason });
  }

  #addText({ name, bytes, commit = null }: ScannedFile): void {
    const text = asText(bytes);
    if (text === null) {
      this.#binaryFiles += 1;
      return;
    }
    const hits = new SecretScanner().end(text);
    if (hits.length === 0) return;
    const sources = name.endsWith('.map') ? mappedSources(text) : [];
    const known = new Set<string>();
    for (const source of sources) {
      const inside = new SecretScanner().end(source.bytes);
      for (const { fingerprint } of inside) known.add(fingerprint);
      this.#report(inside, `${name}!${source.name}`, commit);
    }
    const rest = hits.filter(({ fingerprint }) => !known.has(fingerprint));
    this.#report(rest, name, commit);
  }

  #report(hits: readonly Hit[], path: string, commit: string | null): void {
    for (const hit of hits) this.#findings.push({ ...hit, path, commit });
  }
}

/** The file as ASCII-compatible text: UTF-16, as PowerShell writes it, becomes UTF-8. `null` if it is not text. */
function asText(bytes: Buffer): Buffer | null {
  const encoding = utf16(bytes);
  if (encoding !== null) return Buffer.from(new TextDecoder(encoding).decode(bytes));
  return bytes.subarray(0, BINARY_WITHIN_BYTES).includes(0) ? null : bytes;
}

function utf16(bytes: Buffer): 'utf-16le' | 'utf-16be' | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : null;
}
