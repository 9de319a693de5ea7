import { LIMIT_HEADER } from '../limiter.ts';
import type { Attribution } from '../vocabulary.ts';

/** Names and values in turn, as received. node:http uses headers in this form. */
export type RawHeaders = readonly string[];

/** Values by lowercase name; repeated headers are joined by commas. */
export type HeaderMap = ReadonlyMap<string, string>;

export function headerMap(raw: RawHeaders): HeaderMap {
  const values = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    const before = values.get(name);
    values.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return values;
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

/** Headers that are not forwarded. */
interface Blocked {
  readonly names: ReadonlySet<string>;
  readonly prefixes: RegExp;
}

/**
 * Headers of a client that are for the gateway only, or that the gateway sets itself: the caller and its address, the
 * length of the body, the credentials.
 */
const NOT_FORWARDED: Blocked = {
  names: new Set([
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
  ]),
  prefixes: /^(?:x-plimsoll-|x-forwarded-|access-control-|proxy-|sec-)/,
};

/**
 * Headers in which the API describes its own host and web origins, which do not apply to the gateway, and those by which
 * the gateway itself speaks: an upstream that sends them would pass for it.
 */
const NOT_RETURNED: Blocked = {
  names: new Set([...HOP_BY_HOP, 'alt-svc', 'set-cookie', 'set-cookie2', 'strict-transport-security']),
  prefixes: /^(?:access-control-|plimsoll-)/,
};

/** Limits that another gateway has set for this one, without the mark that they are not the API's. */
const NOT_RETURNED_OF_A_GATEWAY: Blocked = {
  ...NOT_RETURNED,
  prefixes: /^(?:access-control-|plimsoll-|anthropic-ratelimit-)/,
};

/** Selects the client's headers for the API. */
export function forwardedHeaders(raw: RawHeaders, headers: HeaderMap): string[] {
  return passing(raw, headers, NOT_FORWARDED);
}

/** Selects the API's headers for the client. */
export function returnedHeaders(raw: RawHeaders, headers: HeaderMap): string[] {
  return passing(raw, headers, headers.has(LIMIT_HEADER) ? NOT_RETURNED_OF_A_GATEWAY : NOT_RETURNED);
}

function passing(raw: RawHeaders, headers: HeaderMap, { names, prefixes }: Blocked): string[] {
  const connection = headers.get('connection')?.toLowerCase() ?? 'close';
  const listed = connection === 'close' || connection === 'keep-alive' ? NO_NAMES : namesIn(connection);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    const lower = name.toLowerCase();
    if (!names.has(lower) && !prefixes.test(lower) && !listed.has(lower)) kept.push(name, value);
  }
  return kept;
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
  if (secret === '' || !raw.some((text) => text.includes(secret))) return raw;
  const has = (text = ''): boolean => text.includes(secret);
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
