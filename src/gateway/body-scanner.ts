import { isUtf8 } from 'node:buffer';
import { BodyFacts, type BodyKind } from './body-facts.ts';
import type { BodyProblem } from './body-names.ts';

/** Deeper bodies are refused. A schema of a tool has some tens of levels; the API's own parser stops at 200. */
const MOST_DEPTH = 200;

/** No number that anybody means is longer. */
const LONGEST_NUMBER = 400;

const [TRUE, FALSE, NULL] = [Buffer.from('true'), Buffer.from('false'), Buffer.from('null')];

/** Space, line feed, carriage return and tab: 1 each. */
const BLANK = Uint8Array.from({ length: 0x21 }, (_, byte) => Number([0x20, 0x0a, 0x0d, 0x09].includes(byte)));

/** The token that may come next. */
const NEXT = { value: 0, valueOrEnd: 1, name: 2, nameOrEnd: 3, colon: 4, commaOrEnd: 5, nothing: 6 } as const;

type Next = (typeof NEXT)[keyof typeof NEXT];

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OBJECT, OBJECT_END, ARRAY, ARRAY_END] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Reads a JSON body once, byte by byte, for the few fields that rules and budgets go by. It holds nothing else: its memory
 * depends on how many requests and models the body names, not on its size or its shape. It stops at the first byte that is
 * not JSON (RFC 8259), and can be run in portions.
 */
export class BodyScanner {
  readonly facts: BodyFacts;
  readonly #bytes: Uint8Array;
  readonly #isObject = new Uint8Array(MOST_DEPTH + 1);
  #at = 0;
  #depth = 0;
  #next: Next = NEXT.value;
  /** Start of the string that is being read; -1 between strings. */
  #stringAt = -1;
  #hasEscape = false;
  /** Bytes that are no character of their own, as JavaScript counts: UTF-8 takes more of them. */
  #extraBytes = 0;

  constructor(bytes: Uint8Array, kind: BodyKind) {
    this.#bytes = bytes;
    this.facts = new BodyFacts(bytes, kind);
    if (!isUtf8(bytes)) this.#stop('not_json');
  }

  /** Bytes that have been read. */
  get at(): number {
    return this.#at;
  }

  /** Length of the text, in characters as JavaScript counts. */
  get textLength(): number {
    return this.#bytes.length - this.#extraBytes;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Reads about so many bytes more. */
  run(bytes: number): void {
    const end = Math.min(this.#at + bytes, this.#bytes.length);
    while (this.#at < end && !this.facts.isUnread) {
      if (this.#stringAt === -1) this.#token();
      else this.#string(end);
    }
    if (this.facts.isUnread) this.#at = this.#bytes.length;
    if (!this.isDone || this.facts.isUnread) return;
    if (this.#next === NEXT.nothing && this.#stringAt === -1) this.facts.finish();
    else this.#stop('not_json');
  }

  #token(): void {
    const byte = this.#bytes[this.#at] ?? 0;
    if (byte <= 0x20 && BLANK[byte] === 1) {
      this.#at++;
      return;
    }
    switch (this.#next) {
      case NEXT.value:
        return this.#value(byte);
      case NEXT.valueOrEnd:
        return byte === ARRAY_END ? this.#close() : this.#value(byte);
      case NEXT.name:
        return this.#nameBegins(byte);
      case NEXT.nameOrEnd:
        return byte === OBJECT_END ? this.#close() : this.#nameBegins(byte);
      case NEXT.colon:
        return byte === COLON ? this.#skip(NEXT.value) : this.#stop('not_json');
      case NEXT.commaOrEnd:
        return this.#separator(byte);
      case NEXT.nothing:
        return this.#stop('not_json');
    }
  }

  #nameBegins(byte: number): void {
    if (byte === QUOTE) this.#beginString();
    else this.#stop('not_json');
  }

  #skip(next: Next): void {
    this.#at++;
    this.#next = next;
  }

  #separator(byte: number): void {
    const isObject = this.#isObject[this.#depth] === 1;
    if (byte === COMMA) return this.#skip(isObject ? NEXT.name : NEXT.value);
    return byte === (isObject ? OBJECT_END : ARRAY_END) ? this.#close() : this.#stop('not_json');
  }

  #value(byte: number): void {
    if (byte === QUOTE) return this.#beginString();
    if (byte === OBJECT || byte === ARRAY) return this.#open(byte === OBJECT);
    const end = this.#scalarEnd(byte);
    if (end === -1) return this.#stop('not_json');
    if (this.facts.isReading) this.facts.scalar(this.#at, end);
    this.#at = end;
    this.#valueRead();
  }

  #valueRead(): void {
    this.#next = this.#depth === 0 ? NEXT.nothing : NEXT.commaOrEnd;
  }

  #open(isObject: boolean): void {
    if (this.#depth === MOST_DEPTH) return this.#stop('too_deep');
    this.facts.open(isObject, this.#at);
    this.#isObject[++this.#depth] = isObject ? 1 : 0;
    this.#skip(isObject ? NEXT.nameOrEnd : NEXT.valueOrEnd);
  }

  #close(): void {
    this.facts.close(this.#at);
    this.#depth--;
    this.#at++;
    this.#valueRead();
  }

  #beginString(): void {
    this.#stringAt = this.#at++;
    this.#hasEscape = false;
  }

  /** Goes on with a string, to its end or to `end`. An escape is read as a whole. */
  #string(end: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < end) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) return this.#endString(at + 1);
      if (byte === BACKSLASH) {
        const length = escapeLength(bytes, at);
        if (length === 0) return this.#stop('not_json');
        this.#hasEscape = true;
        at += length;
        continue;
      }
      if (byte < 0x20) return this.#stop('not_json');
      if (byte >= 0x80) this.#extraBytes += byte < 0xc0 ? 1 : byte >= 0xf0 ? -1 : 0;
      at++;
    }
    this.#at = at;
  }

  #endString(end: number): void {
    const isName = this.#next === NEXT.name || this.#next === NEXT.nameOrEnd;
    const start = this.#stringAt;
    this.#at = end;
    this.#stringAt = -1;
    if (isName) {
      if (!this.facts.isWithinContent) this.facts.name({ start, end, hasEscape: this.#hasEscape });
      this.#next = NEXT.colon;
    } else {
      if (this.facts.isReading) this.facts.text({ start, end, hasEscape: this.#hasEscape });
      this.#valueRead();
    }
  }

  /** The end of a number, `true`, `false` or `null`; -1 for anything else. */
  #scalarEnd(byte: number): number {
    if (byte === 0x74) return this.#literalEnd(TRUE);
    if (byte === 0x66) return this.#literalEnd(FALSE);
    if (byte === 0x6e) return this.#literalEnd(NULL);
    const end = numberEnd(this.#bytes, this.#at);
    return end - this.#at > LONGEST_NUMBER ? -1 : end;
  }

  #literalEnd(literal: Uint8Array): number {
    for (let index = 0; index < literal.length; index++)
      if (this.#bytes[this.#at + index] !== literal[index]) return -1;
    return this.#at + literal.length;
  }

  /** Reads no further. */
  #stop(problem: BodyProblem): void {
    this.facts.fail(problem);
  }
}

/** The end of the number that begins here, as RFC 8259 writes numbers; -1 if none does. It looks a little beyond the longest. */
function numberEnd(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start;
  if (bytes[at] === 0x30) at += 1;
  else at = digitsEnd(bytes, at, start);
  if (at !== -1 && bytes[at] === 0x2e) at = digitsEnd(bytes, at + 1, start);
  if (at === -1 || ((bytes[at] ?? 0) | 0x20) !== 0x65) return at;
  const sign = bytes[at + 1];
  return digitsEnd(bytes, at + (sign === 0x2b || sign === 0x2d ? 2 : 1), start);
}

/** The end of one digit or more; -1 if there is none. */
function digitsEnd(bytes: Uint8Array, from: number, start: number): number {
  let at = from;
  while (isDigit(bytes[at] ?? 0) && at - start <= LONGEST_NUMBER) at++;
  return at === from ? -1 : at;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

/** The letters that may follow a backslash, besides u. */
const ESCAPED: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));

/** Bytes of the escape at this place; 0 for one that JSON does not have. */
function escapeLength(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1] ?? 0;
  if (letter !== 0x75) return ESCAPED.has(letter) ? 2 : 0;
  for (let digit = at + 2; digit < at + 6; digit++) if (!isHex(bytes[digit] ?? 0)) return 0;
  return 6;
}
