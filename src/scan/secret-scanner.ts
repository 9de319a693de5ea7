import { createHash } from 'node:crypto';
import { secretsIn } from '../keys/secrets.ts';

/** A finding without the path of its file. */
export type Hit = Pick<Finding, 'kind' | 'shown' | 'fingerprint' | 'line' | 'column' | 'disguise'>;

/**
 * The beginning of every secret: plain, with its dash or underscore escaped, and in base64, which has three spellings
 * depending on where in a group of three bytes the secret begins. One alternation costs one pass.
 */
const START = new RegExp(
  [
    'sk(?:-|\\\\u002[dD]|\\\\x2[dD]|%2[dD]|&#45;|&#x2[dD];)ant|c2stYW50L|NrLWFudC|zay1hbnQt',
    'plk(?:_|\\\\u005[fF]|\\\\x5[fF]|%5[fF]|&#95;|&#x5[fF];)|cGxrX[z23]|Bsa1[89]|wbGtf',
  ].join('|'),
  'g',
);

/** Padding that completes the groups of the three spellings: the characters before a spelling hold bits of its first letter. */
const BASE64_LEAD: ReadonlyMap<string, string> = new Map([
  ['c2st', ''],
  ['NrLW', 'AH'],
  ['zay1', 'AAB'],
  ['cGxr', ''],
  ['Bsa1', 'AH'],
  ['wbGt', 'AAB'],
]);

/** Longest secret in characters, including escapes and line breaks of base64. */
const REACH = 1_024;

/** Bytes that are converted to one string at a time. */
const PIECE = 16 << 20;

const LINE_FEED = 0x0a;

/**
 * Finds secrets in a text that arrives in pieces, however it is split. A text can have any length: only the end of the
 * last piece is kept. Bytes are read as they are, so any encoding that contains ASCII works.
 */
export class SecretScanner {
  #kept: Buffer = Buffer.alloc(0);
  /** Position of the first byte kept. */
  #line = 1;
  #column = 1;

  /** Returns the secrets that are complete. One at the end of the piece waits for the next piece. */
  feed(bytes: Uint8Array): readonly Hit[] {
    const text = this.#with(bytes);
    const until = Math.max(0, text.length - REACH);
    const hits = this.#scan(text, until);
    const { line, column } = placeAfter(text, { at: 0, line: this.#line, column: this.#column }, until);
    this.#line = line;
    this.#column = column;
    // A copy, so that its end does not keep the whole piece in memory.
    this.#kept = Buffer.from(text.subarray(until));
    return hits;
  }

  /** Returns the secrets in the last piece, or in the rest. Nothing may be fed after it. */
  end(bytes: Uint8Array = new Uint8Array(0)): readonly Hit[] {
    const text = this.#with(bytes);
    return this.#scan(text, text.length);
  }

  #with(bytes: Uint8Array): Buffer {
    return this.#kept.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#kept, bytes]);
  }

  /** Finds the secrets that begin before `until`. */
  #scan(text: Buffer, until: number): readonly Hit[] {
    const hits: Hit[] = [];
    let place: Place = { at: 0, line: this.#line, column: this.#column };
    for (let from = 0; from < until; from += PIECE) {
      const end = Math.min(from + PIECE, until);
      const piece = text.toString('latin1', from, end + REACH);
      for (const match of piece.matchAll(START)) {
        if (match.index >= end - from) break;
        const found = secretAt(piece, match.index);
        if (found === null) continue;
        place = placeAfter(text, place, from + match.index);
        hits.push({ ...found, line: place.line, column: place.column });
      }
    }
    return hits;
  }
}

/** A place in a text: `at` in bytes. */
interface Place {
  readonly at: number;
  readonly line: number;
  readonly column: number;
}

/** The line and column of `at`, counted on from an earlier place: a text with a thousand secrets is counted through once. */
function placeAfter(text: Buffer, { at: from, line, column }: Place, at: number): Place {
  let [lines, start] = [line, -1];
  // Nothing beyond is looked at: a line may be as long as the file, with secrets all along it.
  const passed = text.subarray(from, at);
  for (let feed = passed.indexOf(LINE_FEED); feed !== -1; feed = passed.indexOf(LINE_FEED, feed + 1)) {
    lines += 1;
    start = from + feed + 1;
  }
  if (start === -1) return { at, line, column: column + text.toString('utf8', from, at).length };
  return { at, line: lines, column: text.toString('utf8', start, at).length + 1 };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function secretAt(piece: string, at: number): Pick<Hit, 'kind' | 'shown' | 'fingerprint' | 'disguise'> | null {
  const raw = piece.slice(at, at + REACH);
  const lead = BASE64_LEAD.get(raw.slice(0, 4));
  const text = lead === undefined ? unescape(raw) : decodeBase64(lead, raw);
  const found = secretsIn(text).find(({ start }) => start === 0);
  if (found === undefined) return null;
  const secret = text.slice(0, found.end);
  if (!isDrawn(secret.slice(found.prefix.length))) return null;
  return {
    kind: found.kind,
    shown: `${found.prefix}…`,
    fingerprint: fingerprint(secret),
    disguise: disguiseOf(lead, raw.startsWith(secret)),
  };
}

function disguiseOf(lead: string | undefined, isPlain: boolean): Disguise {
  if (lead !== undefined) return 'base64';
  return isPlain ? 'plain' : 'escaped';
}

const ESCAPED_DASH = /\\u002d|\\x2d|%2d|&#45;|&#x2d;/gi;

const ESCAPED_UNDERSCORE = /\\u005f|\\x5f|%5f|&#95;|&#x5f;/gi;

function unescape(text: string): string {
  return /[\\%&]/.test(text) ? text.replace(ESCAPED_DASH, '-').replace(ESCAPED_UNDERSCORE, '_') : text;
}

/** Base64 as wrapped in mail and PEM: a long line continues in the next. */
const WRAPPED = /^[A-Za-z0-9+/_-]+={0,2}(?:\r?\n[ \t]*[A-Za-z0-9+/]{20,}={0,2})*/;

function decodeBase64(lead: string, text: string): string {
  const run = WRAPPED.exec(text)?.[0].replace(/\s/g, '') ?? '';
  // A lead of two characters stands for one byte before the secret, a lead of three for two.
  return Buffer.from(lead + run, 'base64').toString('latin1', lead === '' ? 0 : lead.length - 1);
}

/** Half of a SHA-256 in hexadecimal. A secret has too much entropy to be guessed from it. */
function fingerprint(secret: string): string {
  return createHash('sha256').update(`plimsoll secret ${secret}`, 'latin1').digest('hex').slice(0, 32);
}

/** Bits per character: twenty random hexadecimal digits have more than 3, a few repeated characters less than 2. */
const LEAST_ENTROPY = 2.6;

const CLASSES = [/[a-z]/, /[A-Z]/, /\d/];

const WORD = /^(?:[a-z]+|[A-Z]+|[A-Z][a-z]+|\d{1,4})$/;

/**
 * Tells whether the part of a secret after its prefix looks random: not words joined by dashes, not an alphabet, not a few
 * repeated characters. Every real key, of 95 characters, passes.
 */
function isDrawn(body: string): boolean {
  if (CLASSES.filter((characters) => characters.test(body)).length < 2) return false;
  const words = body.split(/[-_]+/).filter((word) => word !== '');
  return !words.every((word) => WORD.test(word)) && entropy(body) >= LEAST_ENTROPY && stepsUp(body) < body.length / 2;
}

function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((bits, count) => bits - (count / text.length) * Math.log2(count / text.length), 0);
}

/** Counts how often a character is followed by the next one of the alphabet, as in `abcdef` or `012345`. */
function stepsUp(text: string): number {
  let steps = 0;
  for (let at = 1; at < text.length; at++) if (text.charCodeAt(at) - text.charCodeAt(at - 1) === 1) steps += 1;
  return steps;
}

/** The spelling of a secret where it was found. `escaped`: with `%2D`, `\u002d` or the like for its dashes. */
type Disguise = 'plain' | 'escaped' | 'base64';

/** A secret that was found. The finding itself contains nothing secret. */
export interface Finding {
  /** The kind of secret, as keys/secrets.ts names it. */
  readonly kind: string;
  /** The part of the secret that may be shown: `sk-ant-api03-…`. */
  readonly shown: string;
  /** The same for the same secret wherever it is found. Derived from its SHA-256, so it does not reveal the secret. */
  readonly fingerprint: string;
  /** Files inside an archive or a source map come after an `!`: `app.tgz!package/index.js`. */
  readonly path: string;
  /** 1 for the first line. */
  readonly line: number;
  /** In characters; 1 for the first. */
  readonly column: number;
  readonly disguise: Disguise;
  /** In a scan of git's history: the oldest commit that has it. */
  readonly commit: string | null;
}

/** A file that was not scanned, and why. */
export interface Skipped {
  readonly path: string;
  readonly reason: string;
}
