import type { Arrival } from './arrival.ts';
import type { RawHeaders } from './headers.ts';
import type { ShortAnswer } from './refusals.ts';

/** What a page may read besides the body; its retries stand on the last three. */
const EXPOSED = 'request-id, retry-after, retry-after-ms, x-should-retry';
const PREFLIGHT_SECONDS = 600;
const NO_BODY = Buffer.alloc(0);

/** What pages of other web origins may do: those that are named, and of those the same as anybody with a token. */
export class CrossOrigin {
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** The answer to a browser that asks whether it may send a request; `null` for any other request. */
  preflight(arrival: Arrival): ShortAnswer | null {
    if (arrival.method !== 'OPTIONS' || arrival.header('access-control-request-method') === null) return null;
    const allowed = this.headers(arrival);
    if (allowed.length === 0) return { status: 403, headers: ['Vary', 'Origin'], body: NO_BODY };
    const asked = arrival.header('access-control-request-headers');
    return {
      status: 204,
      headers: [
        ...allowed,
        ...['Access-Control-Allow-Methods', 'GET, POST, DELETE'],
        ...(asked === null ? [] : ['Access-Control-Allow-Headers', asked]),
        ...['Access-Control-Max-Age', String(PREFLIGHT_SECONDS)],
      ],
      body: NO_BODY,
    };
  }

  /** What is added to an answer, so that the page may read it. */
  headers(arrival: Arrival): RawHeaders {
    if (this.#origins.size === 0 || !arrival.target.startsWith('/v1/')) return [];
    const origin = arrival.header('origin');
    if (origin === null || !this.#origins.has(origin)) return [];
    return ['Access-Control-Allow-Origin', origin, 'Access-Control-Expose-Headers', EXPOSED, 'Vary', 'Origin'];
  }
}
