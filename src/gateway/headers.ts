import { LIMIT_HEADER } from '../limiter.ts';
import type { Attribution } from '../vocabulary.ts';

/** Names and values in turn, as received. node:http uses headers in this form. */
export type RawHeaders = readonly string[];

/**
 * The names of headers in their order, and what follows from them alone. Most requests of a client have the same, and so do
 * most responses.
 */
class HeaderNames {
  /** As received. */
  readonly #given: readonly string[];
  /** Lowercase. */
  readonly names: readonly string[];
  /** The first place of each lowercase name. */
  readonly places = new Map<string, number>();
  readonly #unblocked = new Map<Blocked, readonly number[]>();

  constructor(raw: RawHeaders) {
    this.#given = raw.filter((_, at) => at % 2 === 0);
    this.names = this.#given.map((name) => name.toLowerCase());
    for (const [place, name] of this.names.entries()) if (!this.places.has(name)) this.places.set(name, place);
  }

  /** Tells whether these are the names of headers. */
  areOf(raw: RawHeaders): boolean {
    const given = this.#given;
    if (2 * given.length !== raw.length) return false;
    for (let place = 0; place < given.length; place++) if (given[place] !== raw[2 * place]) return false;
    return true;
  }

  /** Places of those that are not blocked. */
  unblocked(blocked: Blocked): readonly number[] {
    const known = this.#unblocked.get(blocked);
    if (known !== undefined) return known;
    const found = this.names.flatMap((name, place) => (blocked.has(name) ? [] : [place]));
    this.#unblocked.set(blocked, found);
    return found;
  }
}

/** The names that came last, in so many orders. */
const known: HeaderNames[] = [];
const MOST_KNOWN = 16;
let nextKnown = 0;

/** More names are looked at each time. */
const MOST_NAMES = 64;

function namesOf(raw: RawHeaders): HeaderNames {
  for (const names of known) if (names.areOf(raw)) return names;
  const names = new HeaderNames(raw);
  if (raw.length <= 2 * MOST_NAMES) {
    known[nextKnown] = names;
    nextKnown = (nextKnown + 1) % MOST_KNOWN;
  }
  return names;
}

/** Headers by lowercase name. */
export class HeaderMap {
  readonly #names: HeaderNames;
  readonly #raw: RawHeaders;

  constructor(raw: RawHeaders) {
    this.#names = namesOf(raw);
    this.#raw = raw;
  }

  has(name: string): boolean {
    return this.#names.places.has(name);
  }

  /** Returns the value; those of a repeated header are joined by commas. */
  get(name: string): string | undefined {
    const { places, names } = this.#names;
    const place = places.get(name);
    if (place === undefined) return undefined;
    const value = this.#raw[2 * place + 1] ?? '';
    return places.size === names.length ? value : this.#joined(name, place);
  }

  #joined(name: string, first: number): string {
    const { names } = this.#names;
    let value = this.#raw[2 * first + 1] ?? '';
    for (let place = first; (place = names.indexOf(name, place + 1)) !== -1;)
      value += `, ${this.#raw[2 * place + 1] ?? ''}`;
    return value;
  }

  /** Selects names and values that are neither blocked nor of one connection. */
  passing(blocked: Blocked): string[] {
    const connection = this.get('connection')?.toLowerCase() ?? 'close';
    const listed = connection === 'close' || connection === 'keep-alive' ? NO_NAMES : namesIn(connection);
    const raw = this.#raw;
    const { names } = this.#names;
    const kept: string[] = [];
    for (const place of this.#names.unblocked(blocked))
      if (listed === NO_NAMES || !listed.has(names[place] ?? ''))
        kept.push(raw[2 * place] ?? '', raw[2 * place + 1] ?? '');
    return kept;
  }
}

/** The credential of a request, and the header that it came in. */
interface Presented {
  readonly token: string | null;
  readonly header: 'x-api-key' | 'Authorization' | typeof TOKEN_HEADER;
}

/** For the token of a client that sends a credential of its own besides. Never forwarded, as its prefix says. */
const TOKEN_HEADER = 'x-plimsoll-token';

/**
 * Finds the token of a request. Some programs send two credentials, a key of their own and the gateway's token: the one that
 * has the form of a token counts, and `x-api-key` where neither or both have it. The header for a token comes before both.
 */
export function presentedToken(headers: { get(name: string): string | null | undefined }): Presented {
  const own = headers.get(TOKEN_HEADER) ?? null;
  if (own !== null) return { token: own, header: TOKEN_HEADER };
  const key = headers.get('x-api-key') ?? null;
  const bearer = /^Bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null;
  const isBearer = bearer !== null && (key === null || (bearer.startsWith('plk_') && !key.startsWith('plk_')));
  return isBearer ? { token: bearer, header: 'Authorization' } : { token: key, header: 'x-api-key' };
}

/**
 * Finds the login of a subscriber, which a client with a credential of its own sends as `Authorization: Bearer sk-ant-oat…`. `null`
 * for anything else, as an API key or a gateway token.
 */
export function subscriberLogin(headers: HeaderMap): string | null {
  return /^Bearer +(sk-ant-oat[\w-]{1,1024})$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null;
}

/** Says that a rule of the client led to another key or model. */
export const FALLBACK_HEADER = 'plimsoll-fallback';

/** Headers that belong to one connection (RFC 9110, 7.6.1), as do those that `connection` lists. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Headers that are not forwarded, by lowercase name. */
class Blocked {
  readonly #names: ReadonlySet<string>;
  readonly #prefixes: RegExp;

  constructor(names: readonly string[], prefixes: RegExp) {
    this.#names = new Set(names);
    this.#prefixes = prefixes;
  }

  has(name: string): boolean {
    return this.#names.has(name) || this.#prefixes.test(name);
  }
}

/**
 * Headers of a client that are for the gateway only, or that the gateway sets itself: the caller and its address, the
 * length of the body, the credentials.
 */
const NOT_FORWARDED = new Blocked(
  [
    ...HOP_BY_HOP,
    'authorization',
    'content-length',
    'cookie',
    'cookie2',
    'expect',
    'forwarded',
    'host',
    'origin',
    'referer',
    'via',
    'x-api-key',
    // Frameworks take another method or path from these than the one that was checked.
    'x-http-method',
    'x-http-method-override',
    'x-method-override',
    'x-original-method',
    'x-original-url',
    'x-rewrite-url',
    'x-real-ip',
  ],
  /^(?:x-plimsoll-|x-forwarded-|access-control-|proxy-|sec-)/,
);

/** Headers in which the API describes its own host, which do not apply to the gateway. */
const OF_THE_HOST = [...HOP_BY_HOP, 'alt-svc', 'set-cookie', 'set-cookie2', 'strict-transport-security'];

/** Besides, those about web origins, and those by which the gateway itself speaks: an upstream could pass for it. */
const NOT_RETURNED = new Blocked(OF_THE_HOST, /^(?:access-control-|plimsoll-)/);

/** Limits that another gateway has set for this one, without the mark that they are not the API's. */
const NOT_RETURNED_OF_A_GATEWAY = new Blocked(OF_THE_HOST, /^(?:access-control-|plimsoll-|anthropic-ratelimit-)/);

/** Selects the client's headers for the API. */
export function forwardedHeaders(headers: HeaderMap): string[] {
  return headers.passing(NOT_FORWARDED);
}

/** Selects the API's headers for the client. */
export function returnedHeaders(headers: HeaderMap): string[] {
  return headers.passing(headers.has(LIMIT_HEADER) ? NOT_RETURNED_OF_A_GATEWAY : NOT_RETURNED);
}

const NO_NAMES: ReadonlySet<string> = new Set();

function namesIn(connection: string): ReadonlySet<string> {
  return new Set(connection.split(',').map((name) => name.trim()));
}

/** Removes one header, given in lowercase. */
export function without(raw: RawHeaders, name: string): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [other = '', value = ''] = [raw[at], raw[at + 1]];
    if (other.toLowerCase() !== name) kept.push(other, value);
  }
  return kept;
}

/** Leaves out headers whose name or value has a secret in it. */
export function withoutSecret(raw: RawHeaders, secret: string): RawHeaders {
  const has = (text = ''): boolean => text.length >= secret.length && text.includes(secret);
  if (secret === '' || !raw.some(has)) return raw;
  return raw.filter((_, at) => !has(raw[at | 1]) && !has(raw[at & ~1]));
}

/** Converts to `Headers`. Leaves out values that it cannot hold. */
export function webHeaders(raw: RawHeaders): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    try {
      headers.append(raw[at] ?? '', raw[at + 1] ?? '');
    } catch {
      // Observers read these, and need only values that `Headers` can hold.
    }
  }
  return headers;
}

/** Longer values are cut: they are names of features and teams, not texts. */
const LONGEST_VALUE = 64;

/** Reads the labels that a request sets by `x-plimsoll-<name>`, for the names that it may set. */
export function labelsIn(headers: HeaderMap, allowed: readonly string[]): Attribution {
  const labels: Record<string, string> = {};
  for (const name of allowed) {
    if (name === 'token') continue; // that header is the token's
    const value = headers
      .get(`x-plimsoll-${name.toLowerCase().replaceAll('_', '-')}`)
      ?.trim()
      .slice(0, LONGEST_VALUE);
    if (value !== undefined && value !== '') labels[name] = value;
  }
  return labels;
}
