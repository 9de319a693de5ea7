import type { Attribution } from '../vocabulary.ts';

/** Names and values in turn, as they came: the way node:http has them, and takes them. */
export type RawHeaders = readonly string[];

/** RFC 9110, 7.6.1: of one connection alone. What `connection` lists besides is of the same kind. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
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
]);

/**
 * Of a request, what is the gateway's to say or was said to it alone: who asks and from where, the length of what is
 * sent, and the credentials.
 */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
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
  'x-real-ip',
]);

const NOT_FORWARDED_PREFIXES = ['x-plimsoll-', 'x-forwarded-', 'access-control-', 'proxy-', 'sec-'];

/** Of an answer, what the API says of its own host and of web origins: it does not hold for the gateway. */
const NOT_ANSWERED: ReadonlySet<string> = new Set([
  'alt-svc',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
]);

/** What the client sent, as far as it goes to the API. */
export function forwarded(raw: RawHeaders): string[] {
  return filtered(
    raw,
    (name) => !NOT_FORWARDED.has(name) && !NOT_FORWARDED_PREFIXES.some((prefix) => name.startsWith(prefix)),
  );
}

export function without(raw: RawHeaders, name: string): string[] {
  return filtered(raw, (other) => other !== name);
}

/** What the API answered, as far as it goes to the client. */
export function answered(raw: RawHeaders): string[] {
  return filtered(raw, (name) => !NOT_ANSWERED.has(name) && !name.startsWith('access-control-'));
}

function filtered(raw: RawHeaders, keeps: (name: string) => boolean): string[] {
  const listed = connectionListed(raw);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !listed.has(lower) && keeps(lower)) kept.push(name, value);
  }
  return kept;
}

const NOTHING: ReadonlySet<string> = new Set();

function connectionListed(raw: RawHeaders): ReadonlySet<string> {
  const value = valueOf(raw, 'connection');
  if (value === null || /^(keep-alive|close)$/i.test(value)) return NOTHING;
  return new Set(value.split(',').map((name) => name.trim().toLowerCase()));
}

/** All values of a header, joined by commas; `null` where it is not there. */
export function valueOf(raw: RawHeaders, name: string): string | null {
  let value: string | null = null;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const candidate = raw[at] ?? '';
    if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue;
    value = value === null ? (raw[at + 1] ?? '') : `${value}, ${raw[at + 1] ?? ''}`;
  }
  return value;
}

/** The same as the web has them. Values that it cannot say are left out. */
export function webHeaders(raw: RawHeaders): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    try {
      headers.append(raw[at] ?? '', raw[at + 1] ?? '');
    } catch {
      // Only read by observers, who ask for names and values that can be said.
    }
  }
  return headers;
}

const PREFIX = 'x-plimsoll-';

/** Longer values are cut: they are names of features and teams, and not texts. */
const LONGEST_VALUE = 64;

/** The labels that the headers of a request set, of those whose names are allowed to. */
export function labelsIn(headers: RawHeaders, allowed: readonly string[]): Attribution {
  const labels: Record<string, string> = {};
  for (const name of allowed) {
    const value = valueOf(headers, `${PREFIX}${name.toLowerCase().replaceAll('_', '-')}`)
      ?.trim()
      .slice(0, LONGEST_VALUE);
    if (value !== undefined && value !== '') labels[name] = value;
  }
  return labels;
}
