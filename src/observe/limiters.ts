import { LIMIT_HEADER, type LimitDimension, type Limiter } from '../limiter.ts';

/** Priority Tier's and fast mode's headers have no `ratelimit` in their names. */
const FAMILIES: readonly (readonly [prefix: string, dimension: LimitDimension])[] = [
  ['anthropic-ratelimit-requests', 'requests'],
  ['anthropic-ratelimit-input-tokens', 'input_tokens'],
  ['anthropic-ratelimit-output-tokens', 'output_tokens'],
  ['anthropic-ratelimit-tokens', 'tokens'],
  ['anthropic-fast-input-tokens', 'fast_input_tokens'],
  ['anthropic-fast-output-tokens', 'fast_output_tokens'],
  ['anthropic-priority-input-tokens', 'priority_input_tokens'],
  ['anthropic-priority-output-tokens', 'priority_output_tokens'],
];

/** The figures of a family, in the order in which their texts are kept. */
const FIGURES = ['limit', 'remaining', 'reset'] as const;

/** The names of the headers of limits: those of a family stand side by side. */
const LIMIT_NAMES = FAMILIES.flatMap(([prefix]) => FIGURES.map((figure) => `${prefix}-${figure}`));

const CONTENT_TYPE = LIMIT_NAMES.length;
const CONTENT_LENGTH = CONTENT_TYPE + 1;

/** All names that are read, and the place of each one's text. */
const NAMES = [...LIMIT_NAMES, 'content-type', 'content-length'];
const PLACES = new Map(NAMES.map((name, place) => [name, place]));

const NONE: readonly Limiter[] = Object.freeze([]);

/** Reads headers one by one: `Headers`, or a map by lowercase name. */
export interface HeaderReader {
  get(name: string): string | null | undefined;
}

/** What of a response's headers is read for every call. */
export interface ReadHeaders {
  /** One for each dimension with a limit. */
  readonly limiters: readonly Limiter[];
  /** Empty where there is none. */
  readonly contentType: string;
  readonly contentLength: string | null;
}

/** The texts of the headers that are being read, by place. */
const texts: (string | null)[] = NAMES.map(() => null);

/** Reads what every call needs of a response's headers, at one go. */
export function readHeaders(headers: HeaderReader): ReadHeaders {
  if (headers instanceof Headers) readAll(headers);
  else readEach(headers);
  const read = {
    limiters: takeLimiters(),
    contentType: texts[CONTENT_TYPE] ?? '',
    contentLength: texts[CONTENT_LENGTH] ?? null,
  };
  texts[CONTENT_TYPE] = texts[CONTENT_LENGTH] = null;
  return read;
}

/** Reads the rate limits in a response's headers: one limiter for each dimension with a limit. */
export function limiters(headers: HeaderReader): readonly Limiter[] {
  return readHeaders(headers).limiters;
}

function takeLimiters(): readonly Limiter[] {
  let found: Limiter[] | null = null;
  for (const known of KNOWN) {
    const limiter = known.take();
    if (limiter !== null) (found ??= []).push(limiter);
  }
  return found ?? NONE;
}

/** Of more headers, the place is looked up each time. */
const MOST_ORDERED = 64;

/** Names as they came last, in their order, and the place of each: most responses have the same ones. -1: not read. */
const lastNames: string[] = [];
const lastPlaces: number[] = [];

/** Goes through all: asking the runtime's `Headers` for one name takes as long as going through five. */
function readAll(headers: Headers): void {
  let at = 0;
  for (const header of headers) {
    const place = header[0] === lastNames[at] ? lastPlaces[at] : placeOf(header[0], at);
    if (place !== undefined && place >= 0) texts[place] = header[1];
    at += 1;
  }
}

function placeOf(name: string, at: number): number {
  const place = PLACES.get(name) ?? -1;
  if (at >= MOST_ORDERED) return place;
  lastNames[at] = name;
  lastPlaces[at] = place;
  return place;
}

/** A dimension that the response does not limit is asked for once. */
function readEach(headers: HeaderReader): void {
  for (let place = 0; place < NAMES.length; place++) {
    const text = headers.get(NAMES[place] ?? '') ?? null;
    texts[place] = text;
    if (text === null && place < CONTENT_TYPE && place % FIGURES.length === 0) place += FIGURES.length - 1;
  }
}

/** The limiter of one dimension as it was last read: most texts are those of the response before. */
class KnownLimiter {
  readonly #dimension: LimitDimension;
  readonly #place: number;
  #limit = '';
  #remaining: string | null = null;
  #reset: string | null = null;
  #limiter: Limiter | null = null;

  constructor(dimension: LimitDimension, place: number) {
    this.#dimension = dimension;
    this.#place = place;
  }

  /** Takes its texts away, so that they are not read again. */
  take(): Limiter | null {
    const place = this.#place;
    const limit = texts[place];
    const remaining = texts[place + 1] ?? null;
    const reset = texts[place + 2] ?? null;
    texts[place] = texts[place + 1] = texts[place + 2] = null;
    if (!limit) return null;
    if (limit === this.#limit && remaining === this.#remaining && reset === this.#reset) return this.#limiter;
    const known = this.#limiter;
    const figure = count(limit);
    const isReset = known === null || reset !== this.#reset;
    const shown = {
      remaining: remaining ? count(remaining) : null,
      resetAtMs: isReset ? (reset ? instant(reset) : null) : known.resetAtMs,
    };
    this.#limiter = figure === null ? null : { dimension: this.#dimension, limit: figure, ...shown };
    this.#limit = limit;
    this.#remaining = remaining;
    this.#reset = reset;
    return this.#limiter;
  }
}

const KNOWN = FAMILIES.map(([, dimension], index) => new KnownLimiter(dimension, index * FIGURES.length));

/** Reads the API's rate limits in the headers of any answer: a gateway's own limits look the same, and are none of them. */
export function apiLimiters(headers: Headers): readonly Limiter[] {
  return headers.has(LIMIT_HEADER) ? NONE : limiters(headers);
}

function count(value: string): number | null {
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? number : null;
}

/** The ends of the numbers in `2026-02-17T23:46:26Z`, as the API writes an instant. */
const NUMBERS_END_AT = [4, 7, 10, 13, 16, 19] as const;

/** Year, month, day, hour, minute, second of the instant that is being read. */
const fields = [0, 0, 0, 0, 0, 0];

/** Reads an instant of RFC 3339, in the API's way of writing it without `Date.parse`, which takes five times as long. */
function instant(value: string): number | null {
  let field = 0;
  let number = 0;
  for (let at = 0; at < value.length; at++) {
    const digit = value.charCodeAt(at) - 0x30;
    if (digit >= 0 && digit <= 9) {
      number = number * 10 + digit;
    } else {
      if (at !== NUMBERS_END_AT[field]) return anyInstant(value);
      fields[field++] = number;
      number = 0;
    }
  }
  if (field !== fields.length || !value.endsWith('Z') || value.length !== 20) return anyInstant(value);
  const [year = 0, month = 0, day = 0, hour, minute, second] = fields;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function anyInstant(value: string): number | null {
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}
