import { mappedSources, opened, type Entry } from './archive.ts';
import { SecretScanner, type Finding, type Hit, type Skipped } from './secret-scanner.ts';

/** All that one file unpacks to, archives inside archives included: a bomb ends here. */
const MOST_UNPACKED_BYTES = 256 << 20;

const DEEPEST = 4;

/** Git's own rule: a zero byte so near the beginning, and it is no text. */
const BINARY_WITHIN_BYTES = 8_000;

/** A file to be scanned. */
interface Scanned extends Entry {
  readonly commit?: string | null;
}

/** What a scan came to; `files` counts those in archives too. */
export interface ScanResult {
  readonly findings: readonly Finding[];
  readonly skipped: readonly Skipped[];
  readonly files: number;
  readonly binaryFiles: number;
  readonly bytes: number;
}

/** Looks for secrets in one file after the other, and keeps account. */
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

  /** Scans a file, and what is packed in it. */
  add(file: Scanned): void {
    let left = MOST_UNPACKED_BYTES;
    const scan = ({ name, bytes }: Entry, depth: number): void => {
      this.#files += 1;
      this.#bytes += bytes.length;
      const content = opened(name, bytes, left);
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

  /** Scans a text that comes in pieces and is not opened as an archive, whatever it is. */
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

  /** Notes that something was not looked into. */
  skip(path: string, reason: string): void {
    this.#skipped.push({ path, reason });
  }

  #addText({ name, bytes, commit = null }: Scanned): void {
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

/** The text in ASCII's own bytes: UTF-16, as PowerShell writes it, is turned into UTF-8. `null` for what is no text. */
function asText(bytes: Buffer): Buffer | null {
  const encoding = utf16(bytes);
  if (encoding !== null) return Buffer.from(new TextDecoder(encoding).decode(bytes));
  return bytes.subarray(0, BINARY_WITHIN_BYTES).includes(0) ? null : bytes;
}

function utf16(bytes: Buffer): 'utf-16le' | 'utf-16be' | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : null;
}
